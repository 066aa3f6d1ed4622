import { KinesisClient } from '@aws-sdk/client-kinesis';
import { afterEach, describe, expect, test } from 'vitest';
import { createPollingReader, readAttemptsMax } from '#shared/adapters/kinesis/polling-reader.ts';
import { createKinesisShardDirectory } from '#shared/adapters/kinesis/shard-directory.ts';
import { exchangeReaderContract } from '#test/contracts/exchange-reader.ts';
import { fault, type ScriptedRequest, scriptRequests } from '../scripted-requests.ts';
import { exchangeName, openExchange } from './exchange-harness.ts';
import { type LocalKinesis, openKinesis } from './local-kinesis.ts';

const opened: LocalKinesis[] = [];
afterEach(async () => {
  for (const local of opened.splice(0)) await local.close();
});

exchangeReaderContract('the reader that polls Kinesis', async ({ impatient } = { impatient: false }) => {
  // A half-open connection is noticed by the client.
  const local = await openKinesis({ throttle: false, ...(impatient && { silenceMsMax: 200 }) });
  opened.push(local);
  const reader = createPollingReader({ ...local, streamName: exchangeName });
  return openExchange(local, reader, { operation: 'GetRecords', error: 'ProvisionedThroughputExceededException' });
});

function open(
  answer: Parameters<typeof scriptRequests>[0],
  change: Partial<Parameters<typeof createPollingReader>[0]> = {},
) {
  const { settings, requests } = scriptRequests(answer);
  const client = new KinesisClient(settings);
  const sleepsMs: number[] = [];
  let nowMs = 0;
  const sleep = async (ms: number) => {
    sleepsMs.push(ms);
    nowMs += ms;
  };
  const options = { client, streamName: 'exchange', clock: { now: () => nowMs, sleep } };
  const reader = createPollingReader({ ...options, random: () => 1, ...change });
  const directory = createKinesisShardDirectory(options);
  return { reader, directory, requests, sleepsMs };
}

/** A shard with nothing in it. */
function answerEmpty({ operation, fields }: ScriptedRequest): object {
  if (operation === 'GetShardIterator') return { ShardIterator: 'first' };
  return { Records: [], NextShardIterator: `${fields['ShardIterator']}+`, MillisBehindLatest: 0 };
}

const operationsOf = (requests: readonly ScriptedRequest[]) => requests.map((request) => request.operation);

test('a reader that goes on asks for no second iterator', async () => {
  const { reader, requests } = open(answerEmpty);
  for (const _ of [1, 2, 3]) await reader.read('s-0', '12');
  expect(operationsOf(requests)).toEqual(['GetShardIterator', 'GetRecords', 'GetRecords', 'GetRecords']);
  expect(requests.map(({ fields }) => fields['ShardIterator'])).toEqual([undefined, 'first', 'first+', 'first++']);
});

test('an answer that says nothing does not end a shard', async () => {
  const { reader } = open((request) => (request.operation === 'GetRecords' ? {} : answerEmpty(request)));
  await expect(reader.read('s-0', '12')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
});

test('an iterator that has expired is made anew from the same place', async () => {
  const { reader, requests } = open((request, index) => {
    if (index === 2) throw fault('ExpiredIteratorException');
    return answerEmpty(request);
  });
  await reader.read('s-0', '12');
  await reader.read('s-0', '12');
  expect(operationsOf(requests)).toEqual([
    'GetShardIterator',
    'GetRecords',
    'GetRecords',
    'GetShardIterator',
    'GetRecords',
  ]);
  expect(requests[3]?.fields).toMatchObject({
    ShardIteratorType: 'AFTER_SEQUENCE_NUMBER',
    StartingSequenceNumber: '12',
  });
});

test('a read that failed is made from where it began, not from an iterator that may have moved on', async () => {
  const { reader, requests } = open((request, index) => {
    if (index === 2) throw fault('NetworkFault');
    return answerEmpty(request);
  });
  await reader.read('s-0', undefined);
  await expect(reader.read('s-0', undefined)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE', retry: true });
  await reader.read('s-0', undefined);
  expect(operationsOf(requests).slice(3)).toEqual(['GetShardIterator', 'GetRecords']);
});

test('a shard is read five times a second at most', async () => {
  const { reader, sleepsMs } = open(answerEmpty);
  for (let reads = 0; reads < 6; reads += 1) await reader.read('s-0', undefined);
  expect(sleepsMs).toEqual([200, 200, 200, 200, 200]);
});

test('shards do not wait for one another', async () => {
  const { reader, sleepsMs } = open(answerEmpty);
  for (const shard of ['s-0', 's-1', 's-2']) await reader.read(shard, undefined);
  expect(sleepsMs).toEqual([]);
});

test('a shard is read at two megabytes a second at most', async () => {
  const Data = Buffer.alloc(3 * 1024 * 1024 - 1).toString('base64');
  const record = { SequenceNumber: '13', PartitionKey: 'p', Data, ApproximateArrivalTimestamp: 0 };
  const { reader, sleepsMs } = open((request) => ({
    ...answerEmpty(request),
    ...(request.operation === 'GetRecords' && { Records: [record] }),
  }));
  for (let reads = 0; reads < 3; reads += 1) await reader.read('s-0', '12');
  expect(sleepsMs).toEqual([1_500, 1_500]);
});

test('a shard of twenty megabytes is read to its end without being throttled once', async () => {
  const local = await openKinesis({ throttle: true });
  opened.push(local);
  const { kinesis, client, clock, passMs } = local;
  const streamName = 'exchange';
  kinesis.createStream({ streamName, shardCount: 1 });
  for (let number = 0; number < 20; number += 1) {
    kinesis.putRecord({ streamName, partitionKey: 'any', data: new Uint8Array(1_000_000).fill(number) });
    passMs(1_000);
  }
  const sleepsMs: number[] = [];
  const sleep = (ms: number) => {
    sleepsMs.push(ms);
    return clock.sleep(ms);
  };
  const reader = createPollingReader({ client, streamName, clock: { now: clock.now, sleep } });
  const shardId = kinesis.listShards(streamName)[0]?.shardId ?? '';
  const numbers: (number | undefined)[] = [];
  for (let after: string | undefined, reads = 0; reads < 5; reads += 1) {
    const { records } = await reader.read(shardId, after);
    numbers.push(...records.map(({ bytes }) => bytes[0]));
    after = records.at(-1)?.sequence ?? after;
  }
  expect(numbers).toEqual(Array.from({ length: 20 }, (_, number) => number));
  // Twice ten megabytes at two a second, and the rhythm of reads that find nothing: no time was lost to a refusal.
  expect(sleepsMs).toEqual([4_769, 4_769, 200, 200]);
});

test('a throttled read waits longer each time, and then reads', async () => {
  const { reader, sleepsMs } = open((request, index) => {
    if (index === 1 || index === 3) throw fault('ProvisionedThroughputExceededException');
    return answerEmpty(request);
  });
  expect(await reader.read('s-0', undefined)).toMatchObject({ records: [], ended: false });
  expect(sleepsMs).toEqual([400, 800]);
});

test('readers that are throttled together come back at different times', async () => {
  const throttledOnce = (request: ScriptedRequest, index: number) => {
    if (index === 1) throw fault('ProvisionedThroughputExceededException');
    return answerEmpty(request);
  };
  const waits = [0, 0.5].map(async (drawn) => {
    const { reader, sleepsMs } = open(throttledOnce, { random: () => drawn });
    await reader.read('s-0', undefined);
    return sleepsMs[0];
  });
  expect(await Promise.all(waits)).toEqual([200, 300]);
});

test('a shard that is released is read from a new iterator, and still five times a second at most', async () => {
  const { reader, requests, sleepsMs } = open(answerEmpty);
  await reader.read('s-0', '12');
  reader.release('s-0');
  await reader.read('s-0', '12');
  expect(operationsOf(requests)).toEqual(['GetShardIterator', 'GetRecords', 'GetShardIterator', 'GetRecords']);
  expect(sleepsMs).toEqual([200]);
});

describe('a reader that starts', () => {
  const iteratorsOf = (requests: readonly ScriptedRequest[]) =>
    requests
      .filter(({ operation }) => operation === 'GetShardIterator')
      .map(({ fields }) => [fields['ShardIteratorType'], fields['StartingSequenceNumber'] ?? fields['Timestamp']]);

  test.each([
    ['nowhere in particular', {}, ['TRIM_HORIZON', undefined]],
    ['at the trim horizon', { start: 'trim-horizon' }, ['TRIM_HORIZON', undefined]],
    ['at a time', { start: { timestampMs: 1_500 } }, ['AT_TIMESTAMP', 1.5]],
  ] as const)('%s reads from there, and goes on behind a record', async (_, change, from) => {
    const { reader, requests } = open(answerEmpty, change);
    await reader.read('s-0', undefined);
    await reader.read('s-0', '12');
    expect(iteratorsOf(requests)).toEqual([from, ['AFTER_SEQUENCE_NUMBER', '12']]);
  });

  test('at the latest skips what was there, but nothing of what comes, in shards of later too', async () => {
    const local = await openKinesis({ throttle: false });
    opened.push(local);
    const { kinesis, client, clock, passMs } = local;
    const streamName = 'raw';
    kinesis.createStream({ streamName, shardCount: 1 });
    const put = (number: number) =>
      kinesis.putRecord({ streamName, partitionKey: 'any', explicitHashKey: 0n, data: new Uint8Array([number]) });
    put(1);
    passMs(10_000);
    const reader = createPollingReader({ client, streamName, clock, start: 'latest' });
    put(2);
    const [root = { shardId: '' }] = kinesis.listShards(streamName);
    kinesis.splitShard({ streamName, shardId: root.shardId, newStartingHashKey: 2n ** 127n });
    put(3);
    const [, low = { shardId: '' }] = kinesis.listShards(streamName);
    passMs(10_000);
    const numbers = [];
    for (const { shardId } of [root, low])
      numbers.push((await reader.read(shardId, undefined)).records.map(({ bytes }) => bytes[0]));
    expect(numbers).toEqual([[2], [3]]);
  });
});

test('a read that is throttled all the time gives up', async () => {
  const { reader, requests } = open((request) => {
    if (request.operation === 'GetRecords') throw fault('ProvisionedThroughputExceededException');
    return answerEmpty(request);
  });
  await expect(reader.read('s-0', undefined)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  expect(operationsOf(requests).filter((operation) => operation === 'GetRecords')).toHaveLength(readAttemptsMax);
});

test('a stream that is not there says that it does not heal', async () => {
  const { reader, directory } = open(() => {
    throw fault('ResourceNotFoundException');
  });
  const healsNot = { code: 'SOURCE_UNAVAILABLE', message: expect.stringContaining('does not heal by itself') };
  await expect(reader.read('s-0', undefined)).rejects.toMatchObject(healsNot);
  await expect(directory.list()).rejects.toMatchObject(healsNot);
});

/** Two pages of one shard each. */
function answerPages({ fields }: ScriptedRequest): object {
  const HashKeyRange = { StartingHashKey: '0', EndingHashKey: '9' };
  const SequenceNumberRange = { StartingSequenceNumber: '0' };
  return fields['NextToken'] === undefined
    ? { Shards: [{ ShardId: 's-0', HashKeyRange, SequenceNumberRange }], NextToken: 'more' }
    : { Shards: [{ ShardId: 's-1', ParentShardId: 's-0', HashKeyRange, SequenceNumberRange }] };
}

test('shards are listed over all pages, and a token stands alone', async () => {
  const { directory, requests } = open(answerPages);
  expect(await directory.list()).toEqual([
    { shardId: 's-0', parents: [] },
    { shardId: 's-1', parents: ['s-0'] },
  ]);
  expect(requests.map(({ fields }) => [fields['StreamName'], fields['NextToken']])).toEqual([
    ['exchange', undefined],
    [undefined, 'more'],
  ]);
});

test('a listing whose token expired begins anew', async () => {
  const { directory } = open((request, index) => {
    if (index === 1) throw fault('ExpiredNextTokenException');
    return answerPages(request);
  });
  expect(await directory.list()).toHaveLength(2);
});

test('a parent that has left the listing is still named', async () => {
  const HashKeyRange = { StartingHashKey: '0', EndingHashKey: '9' };
  const { directory } = open(() => ({
    Shards: [{ ShardId: 's-9', ParentShardId: 's-1', AdjacentParentShardId: 's-2', HashKeyRange }],
  }));
  expect(await directory.list()).toEqual([{ shardId: 's-9', parents: ['s-1', 's-2'] }]);
});
