import { KinesisClient } from '@aws-sdk/client-kinesis';
import { afterEach, expect, test } from 'vitest';
import { createKinesisExchangeReader, readAttemptsMax } from '#shared/adapters/kinesis/exchange-reader.ts';
import { createKinesisShardDirectory } from '#shared/adapters/kinesis/shard-directory.ts';
import { exchangeReaderContract } from '#test/contracts/exchange-reader.ts';
import { fault, type ScriptedRequest, scriptRequests } from '../scripted-requests.ts';
import { type LocalKinesis, openKinesis } from './local-kinesis.ts';

const opened: LocalKinesis[] = [];
afterEach(async () => {
  for (const local of opened.splice(0)) await local.close();
});

exchangeReaderContract('the reader of the exchange in Kinesis', async () => {
  const local = await openKinesis({ throttle: false });
  opened.push(local);
  const { kinesis, client, clock, passMs } = local;
  const streamName = 'exchange';
  kinesis.createStream({ streamName, shardCount: 1 });
  return {
    reader: createKinesisExchangeReader({ client, streamName, clock }),
    directory: createKinesisShardDirectory({ client, streamName }),
    put: ({ hashKey, bytes }) => {
      kinesis.putRecord({ streamName, partitionKey: 'any', explicitHashKey: hashKey, data: bytes });
    },
    split: (shardId) => {
      const shard = kinesis.listShards(streamName).find((found) => found.shardId === shardId);
      if (shard === undefined) throw new Error(`there is no shard ${shardId}`);
      const newStartingHashKey = (shard.startingHashKey + shard.endingHashKey) / 2n + 1n;
      kinesis.splitShard({ streamName, shardId, newStartingHashKey });
    },
    merge: (shardId, adjacentShardId) => kinesis.mergeShards({ streamName, shardId, adjacentShardId }),
    passMs,
    nowMs: clock.now,
  };
});

function open(answer: Parameters<typeof scriptRequests>[0]) {
  const { settings, requests } = scriptRequests(answer);
  const client = new KinesisClient(settings);
  const sleepsMs: number[] = [];
  let nowMs = 0;
  const sleep = async (ms: number) => {
    sleepsMs.push(ms);
    nowMs += ms;
  };
  const reader = createKinesisExchangeReader({ client, streamName: 'exchange', clock: { now: () => nowMs, sleep } });
  const directory = createKinesisShardDirectory({ client, streamName: 'exchange' });
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

test('a throttled read waits longer each time, and then reads', async () => {
  const { reader, sleepsMs } = open((request, index) => {
    if (index === 1 || index === 3) throw fault('ProvisionedThroughputExceededException');
    return answerEmpty(request);
  });
  expect(await reader.read('s-0', undefined)).toMatchObject({ records: [], ended: false });
  expect(sleepsMs).toEqual([400, 800]);
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
