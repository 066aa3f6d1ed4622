import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { type LocalServer, listen } from '../listen.ts';
import { accountId, nameFromArn, region } from '../template.ts';
import { type Queues, visibilitySecondsDefault } from './queues.ts';

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html */
export const messageBytesMax = 1024 * 1024;
const batchEntriesMax = 10;
const waitSecondsMax = 20;
const pollMs = 50;

interface Request {
  readonly QueueUrl?: string;
  readonly QueueName?: string;
  readonly MessageBody?: string;
  readonly Entries?: readonly { readonly Id: string; readonly MessageBody: string; readonly ReceiptHandle: string }[];
  readonly MaxNumberOfMessages?: number;
  readonly VisibilityTimeout?: number;
  readonly WaitTimeSeconds?: number;
  readonly ReceiptHandle?: string;
}

/** An SQS endpoint over `queues`, in the JSON protocol of today's SDKs. */
export function startSqs({
  queues,
  port = 0,
}: {
  readonly queues: Queues;
  readonly port?: number;
}): Promise<LocalServer> {
  const server = createServer((request, response) => {
    const reply = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-requestid': randomUUID() });
      response.end(JSON.stringify(body));
    };
    const operation = String(request.headers['x-amz-target']).split('.')[1] ?? '';
    json(request)
      .then((body) => call(queues, operation, body as Request, request.headers.host ?? ''))
      .then((result) => reply(200, result))
      .catch((error: unknown) => {
        const fault = error instanceof Fault ? error : new Fault('InternalFailure', String(error));
        reply(fault.code === 'InternalFailure' ? 500 : 400, {
          __type: `com.amazonaws.sqs#${fault.code}`,
          message: fault.message,
        });
      });
  });
  return listen(server, { name: 'SQS', port });
}

class Fault extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

async function call(queues: Queues, operation: string, body: Request, host: string): Promise<unknown> {
  const urlOf = (queue: string): string => `http://${host}/${accountId}/${queue}`;
  switch (operation) {
    case 'CreateQueue':
      queues.create(body.QueueName ?? '');
      return { QueueUrl: urlOf(body.QueueName ?? '') };
    case 'ListQueues':
      return { QueueUrls: queues.names().map(urlOf) };
    case 'GetQueueUrl':
      return { QueueUrl: urlOf(existing(queues, body.QueueName ?? '')) };
  }
  const queue = existing(queues, nameFromArn(body.QueueUrl ?? ''));
  switch (operation) {
    case 'SendMessage':
      return send(queues, queue, body.MessageBody ?? '');
    case 'SendMessageBatch':
      return sendBatch(queues, queue, body.Entries ?? []);
    case 'ReceiveMessage':
      return receive(queues, queue, body);
    case 'DeleteMessage':
      queues.delete(queue, body.ReceiptHandle ?? '');
      return {};
    case 'DeleteMessageBatch':
      for (const entry of body.Entries ?? []) queues.delete(queue, entry.ReceiptHandle);
      return { Successful: (body.Entries ?? []).map(({ Id }) => ({ Id })), Failed: [] };
    case 'ChangeMessageVisibility':
      if (!queues.changeVisibility(queue, body.ReceiptHandle ?? '', body.VisibilityTimeout ?? 0))
        throw new Fault('ReceiptHandleIsInvalid', 'The receipt handle is of no message.');
      return {};
    case 'PurgeQueue':
      queues.purge(queue);
      return {};
    case 'GetQueueAttributes':
      return { Attributes: attributesOf(queues, queue) };
    default:
      throw new Fault('UnsupportedOperation', `The embedded SQS does not know ${operation}.`);
  }
}

function existing(queues: Queues, queue: string): string {
  if (!queues.has(queue)) throw new Fault('QueueDoesNotExist', `The queue ${queue} does not exist.`);
  return queue;
}

function send(queues: Queues, queue: string, body: string): unknown {
  if (Buffer.byteLength(body) > messageBytesMax)
    throw new Fault('InvalidParameterValue', `The message is larger than ${messageBytesMax} bytes.`);
  return { MessageId: queues.send(queue, body), MD5OfMessageBody: md5(body) };
}

function sendBatch(queues: Queues, queue: string, entries: NonNullable<Request['Entries']>): unknown {
  if (entries.length === 0) throw new Fault('EmptyBatchRequest', 'The batch has no entries.');
  if (entries.length > batchEntriesMax)
    throw new Fault('TooManyEntriesInBatchRequest', `The batch has more than ${batchEntriesMax} entries.`);
  const bytes = entries.reduce((sum, entry) => sum + Buffer.byteLength(entry.MessageBody), 0);
  if (bytes > messageBytesMax)
    throw new Fault('BatchRequestTooLong', `The batch is larger than ${messageBytesMax} bytes.`);
  const Successful = entries.map(({ Id, MessageBody }) => ({
    Id,
    MessageId: queues.send(queue, MessageBody),
    MD5OfMessageBody: md5(MessageBody),
  }));
  return { Successful, Failed: [] };
}

async function receive(queues: Queues, queue: string, body: Request): Promise<unknown> {
  const max = Math.min(batchEntriesMax, body.MaxNumberOfMessages ?? 1);
  const untilMs = performance.now() + Math.min(waitSecondsMax, body.WaitTimeSeconds ?? 0) * 1_000;
  for (;;) {
    const messages = queues.receive(queue, max, body.VisibilityTimeout ?? visibilitySecondsDefault);
    if (messages.length > 0 || performance.now() >= untilMs) {
      return {
        Messages: messages.map((message) => ({
          MessageId: message.id,
          ReceiptHandle: message.receipt,
          Body: message.body,
          MD5OfBody: md5(message.body),
          Attributes: {
            SentTimestamp: String(message.sentMs),
            ApproximateReceiveCount: String(message.receiveCount),
            ApproximateFirstReceiveTimestamp: String(message.firstReceivedMs),
          },
        })),
      };
    }
    await setTimeout(pollMs);
  }
}

function attributesOf(queues: Queues, queue: string): Readonly<Record<string, string>> {
  const { visible, inFlight } = queues.counts(queue);
  return {
    QueueArn: `arn:aws:sqs:${region}:${accountId}:${queue}`,
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: '0',
    VisibilityTimeout: String(visibilitySecondsDefault),
  };
}

function md5(body: string): string {
  return createHash('md5').update(body).digest('hex');
}
