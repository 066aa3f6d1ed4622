import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
  PutRecordCommand,
  PutRecordsCommand,
  type ShardFilter,
  SubscribeToShardCommand,
} from '@aws-sdk/client-kinesis';
import { expect, onTestFinished, test } from 'vitest';
import { createKinesis } from '#local/kinesis/model.ts';
import { startKinesis } from '#local/kinesis/server.ts';
import { startKinesisServer } from '#local/kinesis/wire.ts';
import { cutOff } from '../cut-off.ts';
import { createClient } from './client.ts';

const startMs = 1_700_000_000_000;
const ShardId = 'shardId-000000000000';
const half = 2n ** 127n;

/** A server with the stream `s`, on a clock that the test moves, and a client of it. */
async function newWorld(
  options: { readonly shardCount?: number; readonly recordBytesMax?: number; readonly journal?: () => void } = {},
) {
  let nowMs = startMs;
  const errors: unknown[] = [];
  const kinesis = createKinesis({ now: () => nowMs, journal: options.journal });
  kinesis.createStream({ streamName: 's', shardCount: options.shardCount, recordBytesMax: options.recordBytesMax });
  const server = await startKinesisServer({ kinesis, onError: (error) => errors.push(error) });
  const client = createClient(server.endpoint);
  onTestFinished(async () => {
    client.destroy();
    await server.close();
  });
  const passMs = (ms: number) => {
    nowMs += ms;
  };
  return { kinesis, server, client, errors, passMs };
}

async function iteratorOf(client: KinesisClient, shardId = ShardId): Promise<string | undefined> {
  const request = { StreamName: 's', ShardId: shardId, ShardIteratorType: 'TRIM_HORIZON' } as const;
  return (await client.send(new GetShardIteratorCommand(request))).ShardIterator;
}

function read(client: KinesisClient, ShardIterator: string | undefined) {
  return client.send(new GetRecordsCommand({ ShardIterator }));
}

/** `answered`, or the name of the error: a failing test should not print what was read. */
function outcomeOf(answer: Promise<unknown>): Promise<string> {
  return answer.then(
    () => 'answered',
    (error: Error) => error.name,
  );
}

async function post(endpoint: string, request: { readonly headers: Record<string, string>; readonly body: string }) {
  const response = await fetch(endpoint, { method: 'POST', ...request });
  return { status: response.status, body: await response.json() };
}

const json = { 'content-type': 'application/x-amz-json-1.1' };

test('an iterator is good for five minutes', async () => {
  const { client, passMs } = await newWorld();
  const iterator = await iteratorOf(client);
  passMs(300_000);
  expect(await outcomeOf(read(client, iterator))).toBe('answered');
  passMs(1);
  expect(await outcomeOf(read(client, iterator))).toBe('ExpiredIteratorException');
});

test('an iterator of a deleted stream does not read a new one of its name', async () => {
  const { kinesis, client, passMs } = await newWorld();
  const iterator = await iteratorOf(client);
  passMs(1);
  kinesis.deleteStream('s');
  kinesis.createStream({ streamName: 's' });
  expect(await outcomeOf(read(client, iterator))).toBe('ResourceNotFoundException');
});

test('a shard gives five reads in a second, to all readers together', async () => {
  const { client, passMs } = await newWorld({ shardCount: 2 });
  const iterators = [await iteratorOf(client), await iteratorOf(client)];
  for (let count = 0; count < 5; count += 1) await read(client, iterators[count % 2]);
  expect(await outcomeOf(read(client, iterators[0]))).toBe('ProvisionedThroughputExceededException');
  expect(await outcomeOf(read(client, await iteratorOf(client, 'shardId-000000000001')))).toBe('answered');
  passMs(1_000);
  expect(await outcomeOf(read(client, iterators[0]))).toBe('answered');
});

test('after a read of 10 MiB a shard refuses to be read for the rest of five seconds', async () => {
  const { kinesis, client, passMs } = await newWorld({ recordBytesMax: 10 * 1_048_576 });
  kinesis.putRecord({ streamName: 's', partitionKey: 'k', data: new Uint8Array(10 * 1_048_576 - 1) });
  const iterator = await iteratorOf(client);
  await read(client, iterator);
  passMs(4_000);
  expect(await outcomeOf(read(client, iterator))).toBe('ProvisionedThroughputExceededException');
  passMs(1_000);
  expect(await outcomeOf(read(client, iterator))).toBe('answered');
});

test('reads inside the process do not use up what clients may read', async () => {
  const { kinesis, client } = await newWorld();
  const page = { from: { type: 'TRIM_HORIZON' }, recordsMax: 1, bytesMax: 1 } as const;
  for (let count = 0; count < 10; count += 1) kinesis.read({ streamName: 's', shardId: ShardId, ...page });
  expect(await outcomeOf(read(client, await iteratorOf(client)))).toBe('answered');
});

test('entries that a shard refuses carry their error, and the others their number', async () => {
  const { client } = await newWorld();
  const Records = [600_000, 600_000].map((size) => ({ PartitionKey: 'k', Data: new Uint8Array(size) }));
  const answer = await client.send(new PutRecordsCommand({ StreamName: 's', Records }));
  expect(answer.FailedRecordCount).toBe(1);
  expect(answer.Records?.[0]).toMatchObject({ ShardId, SequenceNumber: expect.stringMatching(/^\d{56}$/) });
  expect(answer.Records?.[1]).toMatchObject({
    ErrorCode: 'ProvisionedThroughputExceededException',
    ErrorMessage: 'Rate exceeded for shard shardId-000000000000 in stream s.',
  });
});

//            0 ---- 10 split ---- 20
test.each<[string, ShardFilter, readonly number[]]>([
  ['at the trim horizon', { Type: 'AT_TRIM_HORIZON' }, [0]],
  ['from the trim horizon', { Type: 'FROM_TRIM_HORIZON' }, [0, 1, 2]],
  ['at a time before a split', { Type: 'AT_TIMESTAMP', Timestamp: new Date(startMs + 5_000) }, [0]],
  ['at a time after a split', { Type: 'AT_TIMESTAMP', Timestamp: new Date(startMs + 15_000) }, [1, 2]],
  ['from a time before a split', { Type: 'FROM_TIMESTAMP', Timestamp: new Date(startMs + 5_000) }, [0, 1, 2]],
  ['from a time after a split', { Type: 'FROM_TIMESTAMP', Timestamp: new Date(startMs + 15_000) }, [1, 2]],
  ['after a shard', { Type: 'AFTER_SHARD_ID', ShardId: 'shardId-000000000001' }, [2]],
])('shards are listed %s', async (_, filter, indexes) => {
  const { kinesis, client, passMs } = await newWorld();
  passMs(10_000);
  kinesis.splitShard({ streamName: 's', shardId: ShardId, newStartingHashKey: half });
  passMs(10_000);
  const { Shards } = await client.send(new ListShardsCommand({ StreamName: 's', ShardFilter: filter }));
  expect(Shards?.map((shard) => Number(shard.ShardId?.slice(-12)))).toEqual(indexes);
});

test('after retention took a parent, its children were open at the trim horizon', async () => {
  const { kinesis, client, passMs } = await newWorld();
  kinesis.splitShard({ streamName: 's', shardId: ShardId, newStartingHashKey: half });
  passMs(86_400_000);
  const list = new ListShardsCommand({ StreamName: 's', ShardFilter: { Type: 'AT_TRIM_HORIZON' } });
  expect((await client.send(list)).Shards).toHaveLength(2);
});

test('a token of a list of shards is taken alone, since it names its stream', async () => {
  const { client } = await newWorld({ shardCount: 3 });
  const { NextToken } = await client.send(new ListShardsCommand({ StreamName: 's', MaxResults: 1 }));
  const again = client.send(new ListShardsCommand({ StreamName: 's', NextToken }));
  await expect(again).rejects.toMatchObject({
    name: 'InvalidArgumentException',
    message: expect.stringContaining('NextToken and StreamName cannot be provided together'),
  });
  expect((await client.send(new ListShardsCommand({ NextToken, MaxResults: 5 }))).Shards).toHaveLength(2);
});

test.each([
  ['raw text', '{"a":1}'],
  ['no padding', 'YQ'],
  ['a text that begins as Base64', 'YWJj!!!!'],
])('data as %s is refused', async (_, Data) => {
  const { server, kinesis } = await newWorld();
  const headers = { ...json, 'x-amz-target': 'Kinesis_20131202.PutRecord' };
  const body = JSON.stringify({ StreamName: 's', PartitionKey: 'k', Data });
  expect((await post(server.endpoint, { headers, body })).body).toMatchObject({
    __type: 'SerializationException',
    message: expect.stringContaining('Data must be Base64'),
  });
  const page = { from: { type: 'TRIM_HORIZON' }, recordsMax: 1, bytesMax: 1 } as const;
  expect(kinesis.read({ streamName: 's', shardId: ShardId, ...page }).records).toEqual([]);
});

test.each([
  ['without a way of scaling', {}],
  ['by another way than AWS has', { ScalingType: 'DOUBLE' }],
])('a count of shards %s is refused', async (_, scaling) => {
  const { server } = await newWorld();
  const headers = { ...json, 'x-amz-target': 'Kinesis_20131202.UpdateShardCount' };
  const body = JSON.stringify({ StreamName: 's', TargetShardCount: 2, ...scaling });
  expect((await post(server.endpoint, { headers, body })).body).toMatchObject({
    __type: 'ValidationException',
    message: expect.stringContaining('ScalingType'),
  });
});

test('CBOR is refused with a hint how to turn it off', async () => {
  const { server } = await newWorld();
  const headers = { 'content-type': 'application/x-amz-cbor-1.1', 'x-amz-target': 'Kinesis_20131202.ListStreams' };
  const { status, body } = await post(server.endpoint, { headers, body: '' });
  expect(status).toBe(400);
  expect(body).toMatchObject({
    __type: 'SerializationException',
    message: expect.stringContaining('CBOR_ENABLED=false'),
  });
});

test('an operation that does not exist is named', async () => {
  const { server } = await newWorld();
  const headers = { ...json, 'x-amz-target': 'Kinesis_20131202.Nonsense' };
  expect((await post(server.endpoint, { headers, body: '{}' })).body).toEqual({
    __type: 'UnknownOperationException',
    message: "Operation 'Nonsense' is unknown.",
  });
});

test.each([
  ['no JSON', '{', 'SerializationException'],
  ['no object', '[]', 'SerializationException'],
  ['a field of the wrong type', '{"StreamName":1}', 'SerializationException'],
  ['a field too few', '{}', 'ValidationException'],
])('a body with %s is refused', async (_, body, type) => {
  const { server } = await newWorld();
  const headers = { ...json, 'x-amz-target': 'Kinesis_20131202.ListShards' };
  expect(await post(server.endpoint, { headers, body })).toMatchObject({ status: 400, body: { __type: type } });
});

test('what is no fault of the caller is told of, and answered with a 500 that says what it was', async () => {
  let isBroken = false;
  const broken = new Error('DISK_FULL: no space is left.');
  const { client, errors } = await newWorld({
    journal: () => {
      if (isBroken) throw broken;
    },
  });
  isBroken = true;
  const put = client.send(new PutRecordCommand({ StreamName: 's', PartitionKey: 'k', Data: new Uint8Array(1) }));
  await expect(put).rejects.toMatchObject({ name: 'InternalFailure', message: broken.message });
  expect(errors).toEqual([broken]);
});

test('a client that goes in the middle of its request is no fault of ours', async () => {
  const { server, errors } = await newWorld();
  await cutOff(server, { 'content-type': 'application/x-amz-json-1.1' });
  expect(errors).toEqual([]);
});

async function subscribe(client: KinesisClient) {
  const ConsumerARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/reader:1';
  const StartingPosition = { Type: 'LATEST' } as const;
  const { EventStream } = await client.send(new SubscribeToShardCommand({ ConsumerARN, ShardId, StartingPosition }));
  const events = EventStream?.[Symbol.asyncIterator]();
  if (events === undefined) throw new Error('No events were answered.');
  return events;
}

test('a second subscription after five seconds ends the first', async () => {
  const { kinesis, client, passMs } = await newWorld();
  kinesis.registerConsumer({ streamName: 's', consumerName: 'reader' });
  const first = await subscribe(client);
  await first.next();
  passMs(5_000);
  const second = await subscribe(client);
  expect((await first.next()).done).toBe(true);
  expect((await second.next()).value).toMatchObject({ SubscribeToShardEvent: { Records: [] } });
});

test('a subscription that its client has closed counts for the five seconds too', async () => {
  const { kinesis, client, passMs } = await newWorld();
  kinesis.registerConsumer({ streamName: 's', consumerName: 'reader' });
  const first = await subscribe(client);
  await first.next();
  await first.return?.();
  passMs(4_999);
  await expect(subscribe(client)).rejects.toMatchObject({ name: 'ResourceInUseException' });
  passMs(1);
  await (await subscribe(client)).next();
});

test('a subscription says where to continue even when nothing was put', async () => {
  const { kinesis, client } = await newWorld();
  kinesis.registerConsumer({ streamName: 's', consumerName: 'reader' });
  const { value } = await (await subscribe(client)).next();
  expect(value?.SubscribeToShardEvent?.ContinuationSequenceNumber).toMatch(/^\d{56}$/);
});

test('a subscription to a stream that is deleted ends with its error', async () => {
  const { kinesis, client } = await newWorld();
  kinesis.registerConsumer({ streamName: 's', consumerName: 'reader' });
  const events = await subscribe(client);
  await events.next();
  kinesis.deleteStream('s');
  await expect(events.next()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

test('closing the server ends its subscriptions', async () => {
  const { kinesis, server, client } = await newWorld();
  kinesis.registerConsumer({ streamName: 's', consumerName: 'reader' });
  const events = await subscribe(client);
  await events.next();
  await server.close();
  expect((await events.next()).done).toBe(true);
});

test('a server of a folder serves what was put into it before', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'millrace-kinesis-')), 'kinesis');
  const first = await startKinesis({ folder, throttle: true });
  first.model.createStream({ streamName: 's' });
  first.model.putRecord({ streamName: 's', partitionKey: 'k', data: Buffer.from('a') });
  await first.close();
  const second = await startKinesis({ folder, throttle: true });
  const client = createClient(second.endpoint);
  const { Records } = await read(client, await iteratorOf(client));
  expect(Records?.map((record) => Buffer.from(record.Data ?? []).toString())).toEqual(['a']);
  client.destroy();
  await second.close();
});
