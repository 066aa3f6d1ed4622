import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { isCutOff, type LocalServer, listen } from '../listen.ts';
import { Fault, queryCodeOf } from './fault.ts';
import { answer, waitSecondsOf } from './operations.ts';
import type { Queues } from './queues.ts';

/**
 * How often a waiting `ReceiveMessage` looks again. It looks rather than being told, since a message also becomes visible by
 * the passing of a time that is not ours.
 */
const pollMs = 25;

/** An SQS endpoint over `queues`, in the JSON protocol of today's SDKs. Closing it closes the queues. */
export async function startSqs({
  queues,
  port,
  onError = (error) => console.error(error),
}: {
  readonly queues: Queues;
  readonly port?: number;
  /** Told of what was no caller's fault, such as a full disk; the caller is answered with a 500. */
  readonly onError?: (error: unknown) => void;
}): Promise<LocalServer> {
  let isClosing = false;
  const server = createServer((request, response) => {
    serve({ queues, request, response, isClosing: () => isClosing || response.destroyed })
      .catch((error: unknown) => {
        if (!(error instanceof Fault || isCutOff(request))) onError(error);
        return faultReply(error);
      })
      .then((reply) => send(response, reply));
  });
  try {
    const local = await listen(server, { name: 'SQS', port, onClose: () => queues.close() });
    return {
      ...local,
      close: () => {
        isClosing = true;
        return local.close();
      },
    };
  } catch (error) {
    queues.close();
    throw error;
  }
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

async function serve(call: {
  readonly queues: Queues;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly isClosing: () => boolean;
}): Promise<Reply> {
  const [service, operation = ''] = String(call.request.headers['x-amz-target']).split('.');
  if (call.request.method !== 'POST' || service !== 'AmazonSQS') {
    throw new Fault('UnsupportedOperation', 'Local SQS speaks AWS JSON 1.0 only. Use an AWS SDK of 2024 or later.');
  }
  const body = parseJson(await text(call.request));
  const once = (): unknown =>
    answer({ queues: call.queues, operation, body, host: call.request.headers.host ?? 'localhost' });
  return { status: 200, body: operation === 'ReceiveMessage' ? await receive({ ...call, body, once }) : once() };
}

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html */
async function receive(call: {
  readonly queues: Queues;
  readonly body: unknown;
  readonly once: () => unknown;
  readonly isClosing: () => boolean;
}): Promise<unknown> {
  const untilMs = call.queues.now() + waitSecondsOf(call.queues, call.body) * 1_000;
  for (;;) {
    // Whoever has gone must not be given a message: nobody would see it until its visibility timeout has passed.
    if (call.isClosing()) return {};
    const received = call.once();
    if (Object.keys(received as object).length > 0 || call.queues.now() >= untilMs) return received;
    await setTimeout(pollMs);
  }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body === '' ? '{}' : body);
  } catch {
    throw new Fault('SerializationException', 'The body is not JSON.');
  }
}

function faultReply(error: unknown): Reply {
  if (error instanceof Fault) {
    return {
      status: 400,
      body: { __type: `com.amazonaws.sqs#${error.code}`, message: error.message },
      headers: { 'x-amzn-query-error': `${queryCodeOf(error.code)};Sender` },
    };
  }
  return {
    status: 500,
    body: {
      __type: 'com.amazonaws.sqs#InternalFailure',
      message: error instanceof Error ? error.message : String(error),
    },
    headers: { 'x-amzn-query-error': 'InternalFailure;Receiver' },
  };
}

function send(response: ServerResponse, { status, body, headers }: Reply): void {
  const json = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.0',
    'content-length': Buffer.byteLength(json),
    'x-amzn-requestid': randomUUID(),
    ...headers,
  });
  response.end(json);
}
