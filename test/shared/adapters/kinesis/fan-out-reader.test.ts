import { SubscribeToShardCommand } from '@aws-sdk/client-kinesis';
import { afterEach, describe, expect, test } from 'vitest';
import { createFanOutReader } from '#shared/adapters/kinesis/fan-out-reader.ts';
import {
  bufferBytesMax,
  silenceMsMax,
  subscribeTriesMax,
  unreadMsMax,
} from '#shared/adapters/kinesis/shard-subscription.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import type { ExchangeBatch, ExchangeReader, ExchangeRecord } from '#shared/ports/exchange-reader.ts';
import { exchangeReaderContract } from '#test/contracts/exchange-reader.ts';
import { exchangeName, openExchange } from './exchange-harness.ts';
import { type LocalKinesis, openKinesis } from './local-kinesis.ts';

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

/** A reader whose reads pass the time that subscribing again takes; one that found nothing sleeps, as a worker does. */
async function openReader(options: { readonly protocol?: 'http2'; readonly silenceMsMax?: number } = {}) {
  const local = await openKinesis({ throttle: false, sleeping: 'waits', ...options });
  const { client, clock, passMs, settle } = local;
  const telemetry = createMemoryTelemetry();
  const settings = {
    client,
    streamName: exchangeName,
    consumerName: 'worker',
    clock,
    telemetry,
    random: () => 0,
  };
  const patient = createFanOutReader(settings);
  const read: typeof patient.read = async (shardId, after) => {
    const batch = await settle(patient.read(shardId, after));
    if (batch.records.length === 0 && !batch.ended) passMs(250);
    return batch;
  };
  const reader = { ...patient, read };
  opened.push(async () => {
    for (const { shardId } of await patient.shards().catch(() => [])) patient.release(shardId);
    await local.close();
  });
  return { local, reader, telemetry, settings };
}

const refused = { operation: 'SubscribeToShard', error: 'LimitExceededException' } as const;

const protocols = [
  ['HTTP/1.1', {}],
  ['HTTP/2', { protocol: 'http2' }],
] as const;

for (const [protocol, options] of protocols)
  exchangeReaderContract(`the reader that Kinesis pushes to over ${protocol}`, async () => {
    const { local, reader } = await openReader(options);
    return openExchange(local, reader, refused);
  });

/** The same, over a stream of one shard. */
async function openShard(options: Parameters<typeof openReader>[0] = {}) {
  const it = await openReader(options);
  const exchange = openExchange(it.local, it.reader, refused);
  const [{ shardId } = { shardId: '' }] = await it.reader.shards();
  const put = (number: number) => exchange.put({ hashKey: 0n, bytes: new Uint8Array([number]) });
  const read = (after?: string) => it.reader.read(shardId, after);
  return { ...it, ...exchange, shardId, put, read };
}

/** Reads on until so many records have come. */
async function follow(read: (after?: string) => Promise<ExchangeBatch>, count: number, after?: string) {
  const records: ExchangeRecord[] = [];
  for (let reads = 0; reads < 500 && records.length < count; reads += 1)
    records.push(...(await read(records.at(-1)?.sequence ?? after)).records);
  return records;
}

const numbersOf = (records: ExchangeBatch['records']) => records.map(({ bytes }) => bytes[0]);
const tick = () => new Promise((resolve) => setTimeout(resolve, 50));
const countOf = ({ sent }: LocalKinesis, name: string) => sent.filter((one) => one === name).length;

describe('the consumer', () => {
  test('is registered by the first reader of its name, and found by the next', async () => {
    const { local, settings, reader, read, shardId } = await openShard();
    await read();
    reader.release(shardId);
    expect(countOf(local, 'RegisterStreamConsumer')).toBe(1);
    const next = createFanOutReader(settings);
    await local.settle(next.read(shardId, undefined));
    next.release(shardId);
    expect(countOf(local, 'RegisterStreamConsumer')).toBe(1);
  });

  test('is looked up again when that was throttled', async () => {
    const { local, read } = await openShard();
    local.refuse({ operation: 'DescribeStreamSummary', error: 'LimitExceededException', requests: 2 });
    expect(await read()).toMatchObject({ records: [] });
  });

  test('may be registered by two readers at once', async () => {
    const { local, settings, shardId } = await openShard();
    const readers: Required<ExchangeReader>[] = [createFanOutReader(settings), createFanOutReader(settings)];
    await local.settle(Promise.all(readers.map((reader) => reader.read(shardId, undefined))));
    for (const reader of readers) reader.release(shardId);
    expect(countOf(local, 'RegisterStreamConsumer')).toBe(1);
    expect(local.sent).toContain('RegisterStreamConsumer: ResourceInUseException');
  });

  test('is registered anew when somebody has removed it', async () => {
    const { local, read, put } = await openShard();
    await read();
    local.kinesis.deregisterConsumer({ streamName: exchangeName, consumerName: 'worker' });
    local.proxy.cut();
    put(1);
    // Whoever reads is told once, since it does not heal by trying the same again.
    const failing = follow(read, 1);
    await expect(failing).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(numbersOf(await follow(read, 1))).toEqual([1]);
  });
});

describe('a subscription', () => {
  test('is never made twice within five seconds, whatever is read, released and cut', async () => {
    const { local, reader, read, put, shardId } = await openShard();
    const records: ExchangeRecord[] = [];
    for (let number = 0; number < 12; number += 1) {
      put(number);
      records.push(...(await follow(read, 1, records.at(-1)?.sequence)));
      if (number % 4 === 1) reader.release(shardId);
      if (number % 4 === 2) local.proxy.cut();
      if (number % 4 === 3) await follow(read, 1);
    }
    expect(numbersOf(records)).toEqual(Array.from({ length: 12 }, (_, number) => number));
    expect(countOf(local, 'SubscribeToShard')).toBeGreaterThan(5);
    expect(local.sent).not.toContain('SubscribeToShard: ResourceInUseException');
  });

  test('that another reader has taken over is taken back after five seconds', async () => {
    const { local, read, put, shardId } = await openShard();
    put(1);
    const [record] = await follow(read, 1);
    const ConsumerARN = `arn:aws:kinesis:us-east-1:000000000000:stream/${exchangeName}/consumer/worker:1`;
    local.passMs(5_000);
    const StartingPosition = { Type: 'TRIM_HORIZON' } as const;
    await local.client.send(new SubscribeToShardCommand({ ConsumerARN, ShardId: shardId, StartingPosition }));
    await tick();
    put(2);
    expect(numbersOf(await follow(read, 1, record?.sequence))).toEqual([2]);
    expect(local.sent).toContain('SubscribeToShard: ResourceInUseException');
  });

  test('takes no more from its connection than it may keep', async () => {
    const { local, read } = await openShard();
    const data = new Uint8Array(1_000_000);
    for (let number = 0; number < 23; number += 1)
      local.kinesis.putRecord({ streamName: exchangeName, partitionKey: 'any', data: data.fill(number).slice() });
    const records: ExchangeRecord[] = [];
    while (records.length < 23) {
      const batch = (await read(records.at(-1)?.sequence)).records;
      expect(batch.length * data.length).toBeLessThan(bufferBytesMax + 2 * data.length);
      records.push(...batch);
      await tick();
    }
    expect(numbersOf(records)).toEqual(Array.from({ length: 23 }, (_, number) => number));
    expect(countOf(local, 'SubscribeToShard')).toBe(1);
  });

  test.each(protocols)('that is silent for too long is given up, with its connection (%s)', async (_, options) => {
    const { local, read, put, telemetry } = await openShard(options);
    await read();
    await tick();
    local.proxy.hush();
    put(1);
    const held = local.proxy.openCount();
    local.passMs(silenceMsMax - 1_000);
    await tick();
    expect(local.proxy.openCount()).toBe(held);
    local.passMs(1_000);
    await tick();
    expect(local.proxy.openCount()).toBeLessThan(held);
    expect(numbersOf(await follow(read, 1))).toEqual([1]);
    expect(countOf(local, 'SubscribeToShard')).toBe(2);
    expect(telemetry.lines.map(({ fields }) => fields['error'])).toEqual([
      `Error: no event came within ${silenceMsMax} ms`,
    ]);
    expect(telemetry.value('retries_total', { operation: 'subscribe' })).toBe(1);
  });

  test('may be silent for longer than the client lets an answer be', async () => {
    const { local, read, put } = await openShard({ protocol: 'http2', silenceMsMax: 60 });
    await read();
    for (const _ of [1, 2, 3]) await tick();
    put(1);
    expect(numbersOf(await follow(read, 1))).toEqual([1]);
    expect(countOf(local, 'SubscribeToShard')).toBe(1);
  });

  test('that nothing was heard of makes a read wait, which else is answered at once', async () => {
    const { local, settings, read, shardId } = await openShard();
    await read();
    const reader = createFanOutReader(settings);
    local.passMs(silenceMsMax);
    local.refuse({ ...refused, requests: 1 });
    let isAnswered = false;
    const reading = reader.read(shardId, undefined).finally(() => {
      isAnswered = true;
    });
    await tick();
    expect(isAnswered).toBe(false);
    expect(await local.settle(reading)).toEqual({ records: [], ended: false, millisBehindLatest: 0 });
    expect(await reader.read(shardId, undefined)).toMatchObject({ records: [], ended: false });
    reader.release(shardId);
  });

  test('that is released closes its connection and is not made again', async () => {
    const { local, reader, read, put, shardId } = await openShard({ protocol: 'http2' });
    await read();
    await tick();
    expect(local.proxy.openCount()).toBe(1);
    reader.release(shardId);
    await tick();
    expect(local.proxy.openCount()).toBe(0);
    put(1);
    local.passMs(10 * silenceMsMax);
    await tick();
    expect(countOf(local, 'SubscribeToShard')).toBe(1);
  });

  test('that is released while a read waits for it answers that nothing has come', async () => {
    const { local, reader, settings, shardId } = await openShard();
    const patient = createFanOutReader(settings);
    local.refuse({ ...refused, requests: 1 });
    const reading = patient.read(shardId, undefined);
    await tick();
    patient.release(shardId);
    expect(await reading).toMatchObject({ records: [], ended: false });
    await reader.read(shardId, undefined);
  });

  test('is never shared by two reads that wait at once: the later one has it all', async () => {
    const { local, settings, put, shardId } = await openShard();
    const reader = createFanOutReader(settings);
    for (const number of [1, 2]) put(number);
    local.refuse({ ...refused, requests: 1 });
    const earlier = reader.read(shardId, undefined);
    await tick();
    const later = local.settle(reader.read(shardId, undefined));
    expect(await earlier).toMatchObject({ records: [], ended: false });
    const { records } = await later;
    const read = (after?: string) => local.settle(reader.read(shardId, after));
    expect(numbersOf([...records, ...(await follow(read, 2 - records.length, records.at(-1)?.sequence))])).toEqual([
      1, 2,
    ]);
    reader.release(shardId);
  });

  test('that nobody reads any more ends by itself, and is made again for who comes back', async () => {
    const { local, read, put } = await openShard({ protocol: 'http2' });
    put(1);
    const [record] = await follow(read, 1);
    for (let passedMs = 0; passedMs < 2 * unreadMsMax; passedMs += 5_000) {
      local.passMs(5_000);
      await tick();
    }
    expect(local.proxy.openCount()).toBe(0);
    const subscribed = countOf(local, 'SubscribeToShard');
    put(2);
    expect(numbersOf(await follow(read, 1, record?.sequence))).toEqual([2]);
    expect(countOf(local, 'SubscribeToShard')).toBe(subscribed + 1);
  });

  test('that is refused all the time fails the read, and is tried again with the next one', async () => {
    const { local, read, put } = await openShard();
    put(1);
    local.refuse({ ...refused, requests: subscribeTriesMax });
    await expect(read()).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE', retry: true });
    expect(numbersOf(await follow(read, 1))).toEqual([1]);
  });

  test('that will be refused for ever fails the read at once', async () => {
    const { local, read } = await openShard();
    local.refuse({ ...refused, error: 'AccessDeniedException', requests: 1 });
    const healsNot = expect.stringContaining('does not heal by itself');
    await expect(read()).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE', message: healsNot });
    expect(local.sent.filter((one) => one.startsWith('SubscribeToShard'))).toHaveLength(1);
  });
});

test('a reader begins where it was told', async () => {
  const { local, settings, put, shardId } = await openShard();
  put(1);
  local.passMs(10_000);
  const timestampMs = local.clock.now();
  put(2);
  const reader = createFanOutReader({ ...settings, start: { timestampMs } });
  const { records } = await local.settle(reader.read(shardId, undefined));
  expect(numbersOf(records)).toEqual([2]);
  reader.release(shardId);
});
