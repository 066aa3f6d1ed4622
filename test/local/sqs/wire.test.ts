import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterEach, expect, test, vi } from 'vitest';
import { Queues } from '#local/sqs/queues.ts';
import { startSqs } from '#local/sqs/wire.ts';
import { cutOff } from '../cut-off.ts';

const opened: { close: () => Promise<void> }[] = [];

afterEach(async () => {
  for (const it of opened.splice(0).reverse()) await it.close();
});

const errors: unknown[] = [];

async function start(queueName = 'q', attributes: Record<string, string> = {}) {
  const world = { nowMs: Date.UTC(2026, 0, 1), looks: 0 };
  const folder = mkdtempSync(join(tmpdir(), 'millrace-sqs-'));
  const now = (): number => {
    world.looks += 1;
    return world.nowMs;
  };
  const queues = new Queues({ folder, now });
  const local = await startSqs({ queues, onError: (error) => errors.push(error) });
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const client = new SQSClient({ endpoint: local.endpoint, region: 'eu-west-1', credentials, maxAttempts: 1 });
  opened.push(local, { close: async () => client.destroy() });
  const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: queueName, Attributes: attributes }));
  return { world, queues, local, client, QueueUrl };
}

test('a message goes through the SDK and back, with its attributes', async () => {
  const { client, QueueUrl } = await start();
  await client.send(
    new SendMessageCommand({
      QueueUrl,
      MessageBody: 'häl☃lo 💧 <&>',
      MessageAttributes: {
        text: { DataType: 'String', StringValue: 'x' },
        bytes: { DataType: 'Binary', BinaryValue: Uint8Array.of(0, 255) },
      },
    }),
  );
  const { Messages } = await client.send(
    new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All'] }),
  );
  expect(Messages).toMatchObject([
    {
      Body: 'häl☃lo 💧 <&>',
      Attributes: { SentTimestamp: String(Date.UTC(2026, 0, 1)), ApproximateReceiveCount: '1' },
      MessageAttributes: {
        text: { DataType: 'String', StringValue: 'x' },
        bytes: { DataType: 'Binary', BinaryValue: Uint8Array.of(0, 255) },
      },
    },
  ]);
});

test('attributes that are not asked for are not given', async () => {
  const { client, QueueUrl } = await start();
  const MessageAttributes = { text: { DataType: 'String', StringValue: 'x' } };
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'a', MessageAttributes }));
  const { Messages } = await client.send(new ReceiveMessageCommand({ QueueUrl }));
  expect(Object.keys(Messages?.[0] ?? {}).sort()).toEqual(['Body', 'MD5OfBody', 'MessageId', 'ReceiptHandle']);
});

// A value of the AWS documentation's algorithm, worked out by hand: MD5 over lengths, names, types and values.
test('the digest of the attributes is that of the documentation', async () => {
  const { client, QueueUrl } = await start();
  const { MD5OfMessageAttributes } = await client.send(
    new SendMessageCommand({
      QueueUrl,
      MessageBody: 'a',
      MessageAttributes: {
        b: { DataType: 'Binary', BinaryValue: Uint8Array.of(1) },
        a: { DataType: 'String', StringValue: 'x' },
      },
    }),
  );
  const bytes = Buffer.concat([
    Buffer.from('\0\0\0\x01a\0\0\0\x06String\x01\0\0\0\x01x', 'latin1'),
    Buffer.from('\0\0\0\x01b\0\0\0\x06Binary\x02\0\0\0\x01\x01', 'latin1'),
  ]);
  expect(MD5OfMessageAttributes).toBe(createHash('md5').update(bytes).digest('hex'));
});

test('a batch of 10 is taken, each entry with its id', async () => {
  const { client, QueueUrl } = await start();
  const Entries = Array.from({ length: 10 }, (_, index) => ({ Id: `id-${index}`, MessageBody: `${index}` }));
  const { Successful, Failed } = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  expect(Successful?.map((it) => it.Id)).toEqual(Entries.map((it) => it.Id));
  expect(Failed ?? []).toEqual([]);
});

const entry = (Id: string, MessageBody = 'a') => ({ Id, MessageBody });
const half = 'x'.repeat(512 * 1024);

test.each([
  ['of 11 entries', Array.from({ length: 11 }, (_, index) => entry(`${index}`)), 'TooManyEntriesInBatchRequest'],
  ['without entries', [], 'EmptyBatchRequest'],
  ['with one id twice', [entry('a'), entry('a')], 'BatchEntryIdsNotDistinct'],
  ['with an odd id', [entry('a b')], 'InvalidBatchEntryId'],
  ['of more than 1 MiB', [entry('a', half), entry('b', `${half}x`)], 'BatchRequestTooLong'],
])('a batch %s is refused whole', async (_, Entries, name) => {
  const { client, QueueUrl, queues } = await start();
  await expect(client.send(new SendMessageBatchCommand({ QueueUrl, Entries }))).rejects.toMatchObject({
    // As the SDK hands on the name of the query protocol.
    name: expect.stringContaining(name),
  });
  expect(queues.peek('q')).toEqual([]);
});

test('a batch of exactly 1 MiB is taken', async () => {
  const { client, QueueUrl, queues } = await start();
  const Entries = [entry('a', half), entry('b', half)];
  await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  expect(queues.peek('q')).toHaveLength(2);
});

test('a bad entry of a batch fails alone', async () => {
  const { client, QueueUrl, queues } = await start();
  const Entries = [entry('good', 'x'), entry('bad', 'odd \u0001')];
  const { Failed } = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  expect(Failed).toMatchObject([{ Id: 'bad', Code: 'InvalidMessageContents', SenderFault: true }]);
  expect(queues.peek('q')).toEqual(['x']);
});

test('a message of more than 1 MiB is refused', async () => {
  const { client, QueueUrl } = await start();
  const sent = client.send(new SendMessageCommand({ QueueUrl, MessageBody: `${half}${half}x` }));
  await expect(sent).rejects.toMatchObject({ name: 'InvalidParameterValue' });
});

test.each(['\uFFFE', '\uFFFF', '\u0000', '\u001F'])('a message with %j is refused', async (character) => {
  const { client, QueueUrl } = await start();
  const sent = client.send(new SendMessageCommand({ QueueUrl, MessageBody: `a${character}` }));
  await expect(sent).rejects.toMatchObject({ name: 'InvalidMessageContents' });
});

test('a queue that is not there is QueueDoesNotExist', async () => {
  const { client } = await start();
  await expect(client.send(new GetQueueUrlCommand({ QueueName: 'other' }))).rejects.toMatchObject({
    name: 'QueueDoesNotExist',
  });
});

test('queues are found by name and listed by prefix, page by page', async () => {
  const { client, QueueUrl } = await start('b-1');
  for (const QueueName of ['a', 'b-2', 'b-3']) await client.send(new CreateQueueCommand({ QueueName }));
  expect((await client.send(new GetQueueUrlCommand({ QueueName: 'b-1' }))).QueueUrl).toBe(QueueUrl);
  const first = await client.send(new ListQueuesCommand({ QueueNamePrefix: 'b', MaxResults: 2 }));
  const { NextToken } = first;
  const second = await client.send(new ListQueuesCommand({ QueueNamePrefix: 'b', MaxResults: 2, NextToken }));
  const names = [...(first.QueueUrls ?? []), ...(second.QueueUrls ?? [])].map((url) => url.split('/').at(-1));
  expect(names).toEqual(['b-1', 'b-2', 'b-3']);
});

test('attributes tell what is visible and what is in flight', async () => {
  const { client, QueueUrl } = await start();
  for (const MessageBody of ['a', 'b', 'c']) await client.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  await client.send(new ReceiveMessageCommand({ QueueUrl }));
  const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
  expect(Attributes).toMatchObject({
    QueueArn: 'arn:aws:sqs:us-east-1:000000000000:q',
    ApproximateNumberOfMessages: '2',
    ApproximateNumberOfMessagesNotVisible: '1',
    MaximumMessageSize: '1048576',
  });
});

test('messages are deleted one by one, in batches, and by a purge', async () => {
  const { client, QueueUrl, queues } = await start();
  for (const MessageBody of ['a', 'b', 'c', 'd']) await client.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 3 }));
  const [first, ...others] = Messages.map((message) => message.ReceiptHandle ?? '');
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: first }));
  expect(queues.peek('q')).toEqual(['b', 'c', 'd']);
  const Entries = others.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }));
  await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
  expect(queues.peek('q')).toEqual(['d']);
  await client.send(new PurgeQueueCommand({ QueueUrl }));
  expect(queues.peek('q')).toEqual([]);
});

test('a receipt that is none is ReceiptHandleIsInvalid', async () => {
  const { client, QueueUrl } = await start();
  const change = new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: 'x', VisibilityTimeout: 1 });
  await expect(client.send(change)).rejects.toMatchObject({ name: 'ReceiptHandleIsInvalid' });
});

test('a long poll is answered by a message that is sent meanwhile', async () => {
  const { client, QueueUrl, queues } = await start();
  const received = client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
  await client.send(new GetQueueAttributesCommand({ QueueUrl }));
  queues.send('q', 'a');
  expect((await received).Messages).toMatchObject([{ Body: 'a' }]);
});

test('a long poll is answered without messages once its time has passed', async () => {
  const { client, QueueUrl, world } = await start('q', { ReceiveMessageWaitTimeSeconds: '20' });
  const received = client.send(new ReceiveMessageCommand({ QueueUrl }));
  let isAnswered = false;
  received.then(
    () => {
      isAnswered = true;
    },
    () => {},
  );
  await client.send(new GetQueueAttributesCommand({ QueueUrl }));
  expect(isAnswered).toBe(false);
  world.nowMs += 20_000;
  expect((await received).Messages ?? []).toEqual([]);
});

test('a long poll whose caller has gone takes no message', { timeout: 30_000 }, async () => {
  const { client, QueueUrl, queues, world } = await start();
  const gone = new AbortController();
  const poll = (url: string) => new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 20 });
  const received = client.send(poll(QueueUrl), { abortSignal: gone.signal }).catch(() => 'gone');
  await client.send(new GetQueueAttributesCommand({ QueueUrl }));
  gone.abort();
  expect(await received).toBe('gone');
  await client.send(new GetQueueAttributesCommand({ QueueUrl }));
  queues.send('q', 'a');
  // While another poll has looked several times, the one that is gone would have looked too.
  queues.create('other');
  const other = client.send(poll(QueueUrl.replace(/q$/, 'other')));
  const looks = world.looks;
  await vi.waitFor(() => expect(world.looks).toBeGreaterThan(looks + 10), { timeout: 20_000 });
  expect(queues.counts('q').visible).toBe(1);
  world.nowMs += 20_000;
  await other;
});

test('closing ends a long poll at once', async () => {
  const { client, QueueUrl, local } = await start();
  const received = client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
  await client.send(new GetQueueAttributesCommand({ QueueUrl }));
  await local.close();
  expect((await received).Messages ?? []).toEqual([]);
});

test('an operation that is not known is refused by its name', async () => {
  const { local } = await start();
  const headers = { 'x-amz-target': 'AmazonSQS.TagQueue' };
  const response = await fetch(local.endpoint, { method: 'POST', headers, body: '{}' });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ message: expect.stringContaining('TagQueue') });
});

test('a request of the older query protocol is refused with what to do', async () => {
  const { local } = await start();
  const response = await fetch(local.endpoint, { method: 'POST', body: 'Action=ListQueues' });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ message: expect.stringContaining('AWS SDK') });
});

test('a failure of ours is a 500 that is reported', async () => {
  const { client, QueueUrl, queues } = await start();
  // The log is closed under the server's feet.
  queues.close();
  errors.length = 0;
  const sent = client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'a' }));
  await expect(sent).rejects.toMatchObject({ $metadata: { httpStatusCode: 500 } });
  expect(errors).toHaveLength(1);
});

test('a client that goes in the middle of its request is no fault of ours', async () => {
  const { local } = await start();
  errors.length = 0;
  await cutOff(local, { 'x-amz-target': 'AmazonSQS.SendMessage' });
  expect(errors).toEqual([]);
});

test('a port that is taken leaves the folder free for another try', async () => {
  const { local } = await start();
  const folder = mkdtempSync(join(tmpdir(), 'millrace-sqs-'));
  const open = () => new Queues({ folder, now: () => 0 });
  await expect(startSqs({ queues: open(), port: local.port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  opened.push(await startSqs({ queues: open() }));
});
