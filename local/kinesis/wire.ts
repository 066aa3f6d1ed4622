import { randomUUID } from 'node:crypto';
import { createServer as createHttp1Server, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { isCutOff, type LocalServer, listen } from '../listen.ts';
import { KinesisError } from './error.ts';
import type { Kinesis } from './model.ts';
import { parseFields } from './wire-fields.ts';
import type { Account } from './wire-names.ts';
import { operations, type WireContext } from './wire-operations.ts';
import { type EventSink, type Subscriptions, subscribeToShard } from './wire-subscribe.ts';

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;
interface Serving extends WireContext {
  readonly subscriptions: Subscriptions;
  readonly onError: (error: unknown) => void;
}

/** A PutRecords call of 10 MiB as base64, with its keys. */
const bodyBytesMax = 20 * 1_048_576;
const jsonType = 'application/x-amz-json-1.1';

/**
 * The API of Kinesis over the model: AWS JSON 1.1 by HTTP/1.1 and by HTTP/2 without TLS, on one port, since AWS's client for
 * JavaScript speaks HTTP/2 to Kinesis unless told otherwise. Signatures are not checked.
 */
export async function startKinesisServer({
  kinesis,
  port,
  account = { accountId: '000000000000', region: 'us-east-1' },
  onError = (error) => console.error(error),
  onClose,
}: {
  /** Shared with whoever else reads or writes it in this process. */
  readonly kinesis: Kinesis;
  readonly port?: number | undefined;
  readonly account?: Account | undefined;
  /** Told of what was no caller's fault, such as a full disk; the caller is answered with a 500. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Runs once, after the last request was answered. */
  readonly onClose?: () => void;
}): Promise<LocalServer> {
  const serving: Serving = { kinesis, account, reads: new Map(), subscriptions: new Map(), onError };
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => void answer(request, { response, serving }), sockets);
  const local = await listen(server, { name: 'Kinesis', port, ...(onClose && { onClose }) });
  return {
    ...local,
    close: () => {
      for (const { stop } of [...serving.subscriptions.values()]) stop();
      // Clients keep connections open; what was answered is still sent.
      for (const socket of sockets) socket.destroySoon();
      return local.close();
    },
  };
}

/** One port for both protocols: HTTP/2 without TLS begins with the words `PRI * HTTP/2.0`. */
function createServer(onRequest: (request: Request, response: Response) => void, sockets: Set<Socket>): Server {
  const http1 = createHttp1Server({ keepAliveTimeout: 120_000 }, onRequest);
  const settings = { maxConcurrentStreams: 256, initialWindowSize: 8 * 1_048_576 };
  const http2 = createHttp2Server({ settings }, onRequest);
  http2.on('session', (session) => session.setLocalWindowSize(16 * 1_048_576));
  return createTcpServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // A client that is gone is told of by the response's close.
    socket.on('error', () => socket.destroy());
    socket.once('readable', () => {
      const head: Buffer | null = socket.read();
      if (head === null) return socket.destroy();
      socket.unshift(head);
      return (head.subarray(0, 3).toString() === 'PRI' ? http2 : http1).emit('connection', socket);
    });
  });
}

async function answer(
  request: Request,
  { response, serving }: { readonly response: Response; readonly serving: Serving },
): Promise<void> {
  try {
    const fields = parseFields(await readBody(request));
    const name = /^Kinesis_20131202\.(\w+)$/.exec(String(request.headers['x-amz-target']))?.[1] ?? '';
    if (name === 'SubscribeToShard') {
      subscribeToShard(fields, { ...serving, sink: eventSink(response) });
      return;
    }
    const operation = operations.get(name);
    if (operation === undefined) throw new KinesisError('UnknownOperationException', `Operation '${name}' is unknown.`);
    send(response, { status: 200, body: operation(fields, serving) });
  } catch (error) {
    if (!(error instanceof KinesisError || isCutOff(request))) serving.onError(error);
    send(response, failure(error));
  }
}

async function readBody(request: Request): Promise<string> {
  const type = request.headers['content-type'];
  if (type !== jsonType) throw new KinesisError('SerializationException', wrongTypeMessage(type));
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= bodyBytesMax) chunks.push(chunk);
  }
  if (bytes <= bodyBytesMax) return Buffer.concat(chunks).toString();
  throw new KinesisError(
    'SerializationException',
    `The body has ${bytes} bytes, and ${bodyBytesMax} at most are taken.`,
  );
}

function wrongTypeMessage(type: string | undefined): string {
  const hint =
    type === 'application/x-amz-cbor-1.1'
      ? ' Turn CBOR off in the client, as with CBOR_ENABLED=false or -Daws.cborEnabled=false (SDK for Java 2), AWS_CBOR_DISABLE=true (1).'
      : '';
  return `Content type ${type} is not spoken here, only ${jsonType}.${hint}`;
}

function failure(error: unknown): { readonly status: number; readonly body: object } {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof KinesisError) return { status: 400, body: { __type: error.code, message } };
  return { status: 500, body: { __type: 'InternalFailure', message } };
}

function send(response: Response, answer: { readonly status: number; readonly body: object | undefined }): void {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(answer.body === undefined ? '' : JSON.stringify(answer.body));
  writeHead(response, answer.status, { 'content-type': jsonType, 'content-length': String(body.length) });
  response.end(body);
}

function eventSink(response: Response): EventSink {
  // Only as a stream do the two protocols' answers have one type.
  const stream: Writable = response;
  return {
    begin: (headers) => writeHead(response, 200, headers),
    write: (bytes) => stream.write(bytes),
    end: () => void stream.end(),
    onDrain: (listener) => void stream.on('drain', listener),
    onClose: (listener) => void stream.on('close', listener),
  };
}

function writeHead(response: Response, status: number, headers: Readonly<Record<string, string>>): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader('x-amzn-requestid', randomUUID());
}
