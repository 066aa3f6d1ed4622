import { Buffer } from 'node:buffer';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createKinesis, type Kinesis } from '#local/kinesis/model.ts';
import type { Shard } from '#local/kinesis/types.ts';
import { createKinesisProducer } from '#shared/adapters/kinesis/producer.ts';
import { deaggregate } from '#shared/runtime/deaggregate.ts';
import { watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { fault, type ScriptedRequest, scriptRequests } from '../scripted-requests.ts';

const streamName = 's';
const fates = ['answered', 'refused', 'throttled', 'failed', 'unanswered', 'cut off', 'split', 'merged'] as const;
type Fate = (typeof fates)[number];

/**
 * A stream of which each request has a fate. One that is refused is refused in part: each second entry is accepted, as AWS may do it. `records`
 * is what each shard has, in the order in which it was accepted.
 */
function openStream({ shardCount, fates }: { readonly shardCount: number; readonly fates: readonly Fate[] }) {
  let nowMs = 1_700_000_000_000;
  const kinesis = createKinesis({ now: () => nowMs });
  kinesis.createStream({ streamName, shardCount });
  const records: { readonly shardId: string; readonly keys: readonly string[] }[] = [];
  kinesis.onChange((change) => {
    if (change.kind !== 'records-put') return;
    for (const { shardId, record } of change.records) {
      const users = deaggregate(record.data);
      const keys = Array.isArray(users) ? users.map(({ partitionKey }) => partitionKey) : [record.partitionKey];
      records.push({ shardId, keys });
    }
  });
  const left = [...fates];
  const { settings, requests } = scriptRequests(({ operation, fields }) => {
    const fate = left.shift() ?? 'answered';
    if (fate === 'throttled') throw fault('ProvisionedThroughputExceededException');
    if (fate === 'unanswered') throw fault('TimeoutError');
    // As the SDK has it when a proxy answers with a page.
    if (fate === 'failed') throw Object.assign(fault('NetworkFault'), { $metadata: { httpStatusCode: 502 } });
    if (fate === 'split' || fate === 'merged') reshard(kinesis, fate);
    const answer =
      operation === 'ListShards'
        ? { Shards: kinesis.listShards(streamName).map(listed) }
        : putRecords(kinesis, { fields, isRefusing: fate === 'refused' });
    if (fate === 'cut off') throw Object.assign(fault('NetworkFault'), { code: 'ECONNRESET' });
    return answer;
  });
  const sleep = async (ms: number) => {
    nowMs += ms;
  };
  const client = new KinesisClient(settings);
  const producer = createKinesisProducer({ client, streamName, clock: { now: () => nowMs, sleep } });
  return { kinesis, producer, records, requests };
}

function putRecords(
  kinesis: Kinesis,
  { fields, isRefusing }: { readonly fields: ScriptedRequest['fields']; readonly isRefusing: boolean },
) {
  type Entry = { readonly PartitionKey: string; readonly ExplicitHashKey?: string; readonly Data: string };
  const Records = (fields['Records'] as readonly Entry[]).map((entry, index) => {
    if (isRefusing && index % 2 === 0) return { ErrorCode: 'InternalFailure' };
    const explicitHashKey = entry.ExplicitHashKey === undefined ? undefined : BigInt(entry.ExplicitHashKey);
    const data = Buffer.from(entry.Data, 'base64');
    const entries = [{ partitionKey: entry.PartitionKey, explicitHashKey, data }];
    const [outcome] = kinesis.putRecords({ streamName, entries });
    return outcome?.kind === 'accepted'
      ? { ShardId: outcome.shardId, SequenceNumber: outcome.sequenceNumber }
      : { ErrorCode: outcome?.code };
  });
  return { Records };
}

function openShards(kinesis: Kinesis): readonly Shard[] {
  return kinesis
    .listShards(streamName)
    .filter((shard) => shard.endingSequenceNumber === undefined)
    .sort((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1));
}

function reshard(kinesis: Kinesis, fate: 'split' | 'merged'): void {
  const [first, second] = openShards(kinesis);
  if (first === undefined) return;
  if (fate === 'split') {
    const newStartingHashKey = (first.startingHashKey + first.endingHashKey) / 2n;
    kinesis.splitShard({ streamName, shardId: first.shardId, newStartingHashKey });
  } else if (second !== undefined)
    kinesis.mergeShards({ streamName, shardId: first.shardId, adjacentShardId: second.shardId });
}

function listed(shard: Shard) {
  return {
    ShardId: shard.shardId,
    HashKeyRange: { StartingHashKey: String(shard.startingHashKey), EndingHashKey: String(shard.endingHashKey) },
    SequenceNumberRange: {
      StartingSequenceNumber: shard.startingSequenceNumber,
      ...(shard.endingSequenceNumber === undefined ? {} : { EndingSequenceNumber: shard.endingSequenceNumber }),
    },
  };
}

const key = (number: number): string => `file:${number}`;
const keysTo = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => key(index + 1));

/** Whether in each shard, behind what its ancestors have, records rise. What is there again since nobody answered is left out. */
function isInOrder(kinesis: Kinesis, records: ReturnType<typeof openStream>['records']): boolean {
  const numbers = new Map<string, number[]>();
  const seen = new Set<string>();
  for (const { shardId, keys } of records) {
    const own = numbers.get(shardId) ?? [];
    numbers.set(shardId, own);
    for (const one of keys) if (!seen.has(one)) own.push(Number(one.slice('file:'.length)));
    for (const one of keys) seen.add(one);
  }
  const lastOf = new Map<string | undefined, number>();
  for (const { shardId, parentShardId, adjacentParentShardId } of kinesis.listShards(streamName)) {
    let last = Math.max(lastOf.get(parentShardId) ?? 0, lastOf.get(adjacentParentShardId) ?? 0);
    for (const number of numbers.get(shardId) ?? []) {
      if (number <= last) return false;
      last = number;
    }
    lastOf.set(shardId, last);
  }
  return true;
}

const run = fc.record({
  shardCount: fc.integer({ min: 1, max: 4 }),
  fates: fc.array(fc.constantFrom(...fates), { maxLength: 30 }),
  // How many records come before each flush, and how long they are.
  groups: fc.array(
    fc.record({ count: fc.integer({ min: 1, max: 700 }), bytes: fc.constantFrom(1, 400, 5_000, 300_000) }),
    { minLength: 1, maxLength: 4 },
  ),
});

test(
  'whatever is refused, lost, split and merged, each shard has the records in their order, and all are put',
  async () => {
    await fc.assert(
      fc.asyncProperty(run, async ({ shardCount, fates, groups }) => {
        const { kinesis, producer, records } = openStream({ shardCount, fates });
        let put = 0;
        for (const { count, bytes } of groups) {
          const data = new Uint8Array(bytes);
          for (let left = Math.min(count, Math.ceil(1_000_000 / bytes)); left > 0; left -= 1) {
            put += 1;
            await producer.put({ data, partitionKey: key(put) });
          }
          await producer.flush();
        }
        const keys = records.flatMap((record) => record.keys);
        expect(new Set(keys)).toEqual(new Set(keysTo(put)));
        if (!fates.includes('cut off')) expect(keys).toHaveLength(put);
        expect({ isInOrder: isInOrder(kinesis, records), accepted: producer.acceptedCount() }).toEqual({
          isInOrder: true,
          accepted: put,
        });
      }),
      { numRuns: 40 },
    );
  },
  fuzzTimeoutMs,
);

describe('a producer', () => {
  async function put(count: number, shardCount: number, fates: readonly Fate[] = []) {
    const stream = openStream({ shardCount, fates });
    for (const partitionKey of keysTo(count)) await stream.producer.put({ data: new Uint8Array(9), partitionKey });
    await stream.producer.flush();
    return stream;
  }

  test('puts one of the last records into each shard', async () => {
    const { records } = await put(1_003, 3);
    const [first = '', second = '', third = ''] = ['000', '001', '002'].map((end) => `shardId-000000000${end}`);
    expect(records.map(({ shardId, keys }) => [shardId, keys[0], keys.length])).toEqual([
      [first, 'file:1', 500],
      [second, 'file:501', 500],
      [third, 'file:1001', 1],
      [first, 'file:1002', 1],
      [second, 'file:1003', 1],
    ]);
  });

  test('learns of a split by where a record lies', async () => {
    const { records, requests } = await put(4, 1, ['answered', 'split']);
    const shardIds = new Set(records.map(({ shardId }) => shardId));
    expect(shardIds).toEqual(new Set(['shardId-000000000001', 'shardId-000000000002']));
    expect(requests.filter(({ operation }) => operation === 'ListShards')).toHaveLength(2);
  });

  test('puts a record alone as it is', async () => {
    const { kinesis } = await put(1, 1);
    const page = { from: { type: 'TRIM_HORIZON' }, recordsMax: 1, bytesMax: 100 } as const;
    const { records } = kinesis.read({ streamName, shardId: 'shardId-000000000000', ...page });
    expect(records).toMatchObject([{ partitionKey: 'file:1', data: Buffer.alloc(9) }]);
  });

  test('puts a punctuation again that was refused', async () => {
    const { producer, records } = openStream({
      shardCount: 2,
      fates: ['failed', 'answered', 'refused', 'unanswered', 'answered', 'refused'],
    });
    await producer.punctuate(7);
    expect(records.map(({ keys }) => keys)).toEqual([[watermarkPartitionKey], [watermarkPartitionKey]]);
  });

  test('promises nothing where no shard is listed', async () => {
    const { settings } = scriptRequests(() => ({}));
    const clock = { now: () => 0, sleep: async () => {} };
    const producer = createKinesisProducer({ client: new KinesisClient(settings), streamName, clock });
    await expect(producer.punctuate(7)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });
});
