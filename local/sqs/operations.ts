import { z } from 'zod';
import { accountId, region } from '../template.ts';
import { Fault } from './fault.ts';
import { attributeRanges, batchEntriesMax, batchIdCharactersMax, listedQueuesMax, messageBytesMax } from './limits.ts';
import { bytesOf, type MessageAttributes, md5OfAttributes, md5OfBody } from './message.ts';
import type { Message, Queues } from './queues.ts';

/** Answers one request of the JSON protocol; `ReceiveMessage` once, without waiting. */
export function answer(request: {
  readonly queues: Queues;
  readonly operation: string;
  readonly body: unknown;
  /** As the caller addresses the server, so that the queue's address is right for it. */
  readonly host: string;
}): unknown {
  const operation = operations[request.operation];
  if (operation === undefined) {
    throw new Fault('UnsupportedOperation', `Local SQS does not know the operation ${request.operation}.`);
  }
  return operation(request);
}

/** How long a request for messages may wait, in seconds: what it says, or else what the queue does. */
export function waitSecondsOf(queues: Queues, body: unknown): number {
  const { QueueUrl, WaitTimeSeconds } = parse(receiveRequest, body);
  return WaitTimeSeconds ?? Number(queues.get(nameOf(QueueUrl)).attributes['ReceiveMessageWaitTimeSeconds']);
}

type Operation = (request: { readonly queues: Queues; readonly body: unknown; readonly host: string }) => unknown;

const stringMap = z.record(z.string(), z.string());
const messageAttributes = z.record(
  z.string(),
  z.object({ DataType: z.string(), StringValue: z.string().optional(), BinaryValue: z.string().optional() }),
);
const onQueue = z.object({ QueueUrl: z.string() });
const named = z.object({ QueueName: z.string() });
const sendable = z.object({
  MessageBody: z.string(),
  DelaySeconds: z.number().optional(),
  MessageAttributes: messageAttributes.optional(),
});
const receiveRequest = onQueue.extend({
  MaxNumberOfMessages: z.number().int().min(1).max(batchEntriesMax).default(1),
  VisibilityTimeout: z.number().optional(),
  WaitTimeSeconds: z.number().int().min(0).max(attributeRanges.ReceiveMessageWaitTimeSeconds.max).optional(),
  AttributeNames: z.array(z.string()).default([]),
  MessageSystemAttributeNames: z.array(z.string()).default([]),
  MessageAttributeNames: z.array(z.string()).default([]),
});
const oneReceipt = z.object({ ReceiptHandle: z.string() });
const visibility = oneReceipt.extend({ VisibilityTimeout: z.number() });

const operations: Readonly<Record<string, Operation>> = {
  CreateQueue: ({ queues, body, host }) => {
    const { QueueName, Attributes } = parse(named.extend({ Attributes: stringMap.optional() }), body);
    queues.create(QueueName, Attributes);
    return { QueueUrl: urlOf(host, QueueName) };
  },
  DeleteQueue: ({ queues, body }) => {
    queues.drop(nameOf(parse(onQueue, body).QueueUrl));
    return {};
  },
  GetQueueUrl: ({ queues, body, host }) => ({ QueueUrl: urlOf(host, queues.get(parse(named, body).QueueName).name) }),
  ListQueues: listQueues,
  GetQueueAttributes: ({ queues, body }) => {
    const { QueueUrl, AttributeNames } = parse(
      onQueue.extend({ AttributeNames: z.array(z.string()).default([]) }),
      body,
    );
    return { Attributes: pick(attributesOf(queues, nameOf(QueueUrl)), AttributeNames) };
  },
  SetQueueAttributes: ({ queues, body }) => {
    const { QueueUrl, Attributes } = parse(onQueue.extend({ Attributes: stringMap }), body);
    queues.setAttributes(nameOf(QueueUrl), Attributes);
    return {};
  },
  PurgeQueue: ({ queues, body }) => {
    queues.purge(nameOf(parse(onQueue, body).QueueUrl));
    return {};
  },
  SendMessage: ({ queues, body }) => {
    const { QueueUrl, ...message } = parse(onQueue.extend(sendable.shape), body);
    return send(queues, nameOf(QueueUrl), message);
  },
  SendMessageBatch: (request) =>
    batch(request, sendable, {
      check: (entries) => {
        const bytes = entries.reduce(
          (sum, it) => sum + bytesOf({ body: it.MessageBody, attributes: it.MessageAttributes }),
          0,
        );
        if (bytes > messageBytesMax) {
          throw new Fault(
            'BatchRequestTooLong',
            `Batch requests cannot be longer than ${messageBytesMax} bytes. You have sent ${bytes} bytes.`,
          );
        }
      },
      perform: (queue, entry) => send(request.queues, queue, entry),
    }),
  ReceiveMessage: ({ queues, body }) => {
    const { QueueUrl, MaxNumberOfMessages, VisibilityTimeout, ...names } = parse(receiveRequest, body);
    const messages = queues.receive(nameOf(QueueUrl), MaxNumberOfMessages, VisibilityTimeout);
    return messages.length === 0 ? {} : { Messages: messages.map((message) => describe(message, names)) };
  },
  DeleteMessage: ({ queues, body }) => {
    const { QueueUrl, ReceiptHandle } = parse(onQueue.extend(oneReceipt.shape), body);
    queues.delete(nameOf(QueueUrl), ReceiptHandle);
    return {};
  },
  DeleteMessageBatch: (request) =>
    batch(request, oneReceipt, {
      perform: (queue, { ReceiptHandle }) => {
        request.queues.delete(queue, ReceiptHandle);
        return {};
      },
    }),
  ChangeMessageVisibility: ({ queues, body }) => {
    const { QueueUrl, ReceiptHandle, VisibilityTimeout } = parse(onQueue.extend(visibility.shape), body);
    queues.changeVisibility(nameOf(QueueUrl), ReceiptHandle, VisibilityTimeout);
    return {};
  },
  ChangeMessageVisibilityBatch: (request) =>
    batch(request, visibility, {
      perform: (queue, { ReceiptHandle, VisibilityTimeout }) => {
        request.queues.changeVisibility(queue, ReceiptHandle, VisibilityTimeout);
        return {};
      },
    }),
};

function parse<Shape extends z.ZodType>(shape: Shape, body: unknown): z.infer<Shape> {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new Fault('InvalidParameterValue', z.prettifyError(parsed.error));
}

function urlOf(host: string, queue: string): string {
  return `http://${host}/${accountId}/${queue}`;
}

/** Only the name counts, since a queue's address changes with the port. */
function nameOf(queueUrl: string): string {
  return queueUrl.slice(queueUrl.lastIndexOf('/') + 1);
}

function listQueues({ queues, body, host }: Parameters<Operation>[0]): unknown {
  const { QueueNamePrefix, MaxResults, NextToken } = parse(
    z.object({
      QueueNamePrefix: z.string().default(''),
      MaxResults: z.number().int().min(1).max(listedQueuesMax).default(listedQueuesMax),
      NextToken: z.string().default(''),
    }),
    body,
  );
  const names = queues.names().filter((name) => name.startsWith(QueueNamePrefix) && name > NextToken);
  const page = names.slice(0, MaxResults);
  return {
    QueueUrls: page.map((name) => urlOf(host, name)),
    ...(names.length > page.length ? { NextToken: page.at(-1) } : {}),
  };
}

function attributesOf(queues: Queues, name: string): Readonly<Record<string, string>> {
  const queue = queues.get(name);
  const { visible, inFlight, delayed } = queues.counts(name);
  return {
    ...queue.attributes,
    QueueArn: `arn:aws:sqs:${region}:${accountId}:${name}`,
    CreatedTimestamp: String(Math.floor(queue.createdMs / 1_000)),
    LastModifiedTimestamp: String(Math.floor(queue.modifiedMs / 1_000)),
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
  };
}

function send(queues: Queues, queue: string, message: z.infer<typeof sendable>): Readonly<Record<string, unknown>> {
  const attributes: MessageAttributes | undefined = message.MessageAttributes;
  const id = queues.send(queue, message.MessageBody, { attributes, delaySeconds: message.DelaySeconds });
  return {
    MessageId: id,
    MD5OfMessageBody: md5OfBody(message.MessageBody),
    ...(attributes === undefined ? {} : { MD5OfMessageAttributes: md5OfAttributes(attributes) }),
  };
}

/** What is wrong with the batch refuses it whole; what is wrong with an entry refuses that one. */
function batch<Shape extends z.ZodObject>(
  { queues, body }: Parameters<Operation>[0],
  shape: Shape,
  entry: {
    readonly check?: (entries: readonly z.infer<Shape>[]) => void;
    readonly perform: (queue: string, entry: z.infer<Shape>) => Readonly<Record<string, unknown>>;
  },
): unknown {
  const { QueueUrl, Entries } = parse(onQueue.extend({ Entries: z.array(z.unknown()).default([]) }), body);
  const queue = queues.get(nameOf(QueueUrl)).name;
  const ids = Entries.map((it) => parse(z.object({ Id: z.string() }), it).Id);
  checkIds(ids);
  const entries = Entries.map((it) => parse(shape, it));
  entry.check?.(entries);
  const Successful: unknown[] = [];
  const Failed: unknown[] = [];
  for (const [index, it] of entries.entries()) {
    const Id = ids[index];
    try {
      Successful.push({ Id, ...entry.perform(queue, it) });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      Failed.push({ Id, Code: error.code, Message: error.message, SenderFault: true });
    }
  }
  return { Successful, Failed };
}

function checkIds(ids: readonly string[]): void {
  if (ids.length === 0) throw new Fault('EmptyBatchRequest', 'There should be at least one entry in the request.');
  if (ids.length > batchEntriesMax) {
    throw new Fault(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${batchEntriesMax}. You have sent ${ids.length}.`,
    );
  }
  const invalid = ids.find((id) => id.length > batchIdCharactersMax || !/^[A-Za-z0-9_-]+$/.test(id));
  if (invalid !== undefined) {
    throw new Fault(
      'InvalidBatchEntryId',
      `A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most ${batchIdCharactersMax} letters long. Not so: ${invalid}.`,
    );
  }
  const repeated = ids.find((id, index) => ids.indexOf(id) !== index);
  if (repeated !== undefined) throw new Fault('BatchEntryIdsNotDistinct', `Id ${repeated} repeated.`);
}

function describe(
  message: Message,
  names: Pick<
    z.infer<typeof receiveRequest>,
    'AttributeNames' | 'MessageSystemAttributeNames' | 'MessageAttributeNames'
  >,
): unknown {
  const system = pick(
    {
      SenderId: accountId,
      SentTimestamp: String(message.sentMs),
      ApproximateReceiveCount: String(message.receiveCount),
      ApproximateFirstReceiveTimestamp: String(message.firstReceivedMs),
    },
    [...names.AttributeNames, ...names.MessageSystemAttributeNames],
  );
  const attributes = pickPrefixed(message.attributes ?? {}, names.MessageAttributeNames);
  return {
    MessageId: message.id,
    ReceiptHandle: message.receipt,
    Body: message.body,
    MD5OfBody: md5OfBody(message.body),
    ...(Object.keys(system).length === 0 ? {} : { Attributes: system }),
    ...(Object.keys(attributes).length === 0
      ? {}
      : { MessageAttributes: attributes, MD5OfMessageAttributes: md5OfAttributes(attributes) }),
  };
}

/** The ones that are named; `All` names all of them. */
function pick<Value>(values: Readonly<Record<string, Value>>, names: readonly string[]): Record<string, Value> {
  const isNamed = ([name]: readonly [string, Value]): boolean => names.includes('All') || names.includes(name);
  return Object.fromEntries(Object.entries(values).filter(isNamed));
}

/** As `pick`; `.*` names all too, and `foo.*` those that begin with `foo.`. */
function pickPrefixed<Value>(values: Readonly<Record<string, Value>>, names: readonly string[]): Record<string, Value> {
  const prefixes = names.filter((name) => name.endsWith('.*')).map((name) => (name === '.*' ? '' : name.slice(0, -1)));
  const named = Object.keys(values).filter((name) => prefixes.some((prefix) => name.startsWith(prefix)));
  return pick(values, [...names, ...named]);
}
