import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createKinesis, type Kinesis } from '#local/kinesis/model.ts';
import type { Shard, StartingPoint } from '#local/kinesis/types.ts';

const streamName = 's';

/** What a producer and an operator may do to a stream. `at` picks among what there is. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      keys: fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 20 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('split' as const), at: fc.nat(), part: fc.bigInt(1n, 99n) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('merge' as const), at: fc.nat(), isUpward: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('scale' as const), count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 5_000 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

const scenario = fc.record({ shardCount: fc.integer({ min: 1, max: 5 }), steps: fc.array(step, { maxLength: 30 }) });

interface Run {
  readonly kinesis: Kinesis;
  /** What was accepted, by partition key, in order. */
  readonly accepted: ReadonlyMap<string, readonly number[]>;
}

/** Runs a scenario; `check` is called after each step. */
function play(
  { shardCount, steps }: { readonly shardCount: number; readonly steps: readonly Step[] },
  check: (kinesis: Kinesis) => void = () => {},
): Run {
  let nowMs = 1_700_000_000_000;
  let count = 0;
  const kinesis = createKinesis({ now: () => nowMs, throttle: false });
  const accepted = new Map<string, number[]>();
  kinesis.createStream({ streamName, shardCount });
  for (const step of steps) {
    if (step.kind === 'pass') nowMs += step.ms;
    else if (step.kind === 'put') {
      const entries = step.keys.map((partitionKey) => {
        count += 1;
        accepted.set(partitionKey, [...(accepted.get(partitionKey) ?? []), count]);
        return { partitionKey, data: Buffer.from(String(count)) };
      });
      kinesis.putRecords({ streamName, entries });
    } else reshard(kinesis, step);
    check(kinesis);
  }
  return { kinesis, accepted };
}

function reshard(kinesis: Kinesis, step: Extract<Step, { kind: 'split' | 'merge' | 'scale' }>): void {
  const open = openShards(kinesis);
  if (step.kind === 'scale') {
    const targetShardCount = Math.max(Math.ceil(open.length / 2), Math.min(open.length * 2, step.count));
    kinesis.updateShardCount({ streamName, targetShardCount });
    return;
  }
  const index = step.at % open.length;
  const shard = open[index];
  if (shard === undefined) return;
  if (step.kind === 'split') {
    const width = shard.endingHashKey - shard.startingHashKey;
    const newStartingHashKey = shard.startingHashKey + (width * step.part) / 100n;
    if (newStartingHashKey > shard.startingHashKey)
      kinesis.splitShard({ streamName, shardId: shard.shardId, newStartingHashKey });
    return;
  }
  const adjacent = open[index + (step.isUpward ? 1 : -1)];
  if (adjacent !== undefined)
    kinesis.mergeShards({ streamName, shardId: shard.shardId, adjacentShardId: adjacent.shardId });
}

function openShards(kinesis: Kinesis): readonly Shard[] {
  return kinesis
    .listShards(streamName)
    .filter((shard) => shard.endingSequenceNumber === undefined)
    .toSorted((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1));
}

/** Reads a shard to its tip in pages of `recordsMax`. */
function readShard(
  kinesis: Kinesis,
  { shardId, recordsMax }: { readonly shardId: string; readonly recordsMax: number },
) {
  const records = [];
  let from: StartingPoint = { type: 'TRIM_HORIZON' };
  for (;;) {
    const page = kinesis.read({ streamName, shardId, from, recordsMax, bytesMax: 1_000_000 });
    records.push(...page.records);
    expect(records.length, 'a reader that does not go on reads for ever').toBeLessThan(10_000);
    if (page.ended || page.records.length === 0) return records;
    from = page.next;
  }
}

/** Reads everything, a shard only when its parents were read. */
function readAll(kinesis: Kinesis, recordsMax: number): ReadonlyMap<string, readonly number[]> {
  const byKey = new Map<string, number[]>();
  const left = new Map(kinesis.listShards(streamName).map((shard) => [shard.shardId, shard]));
  while (left.size > 0) {
    for (const shard of left.values()) {
      if ([shard.parentShardId, shard.adjacentParentShardId].some((parent) => parent !== undefined && left.has(parent)))
        continue;
      for (const { partitionKey, data } of readShard(kinesis, { shardId: shard.shardId, recordsMax }))
        byKey.set(partitionKey, [...(byKey.get(partitionKey) ?? []), Number(Buffer.from(data).toString())]);
      left.delete(shard.shardId);
    }
  }
  return byKey;
}

test('every accepted record is read once and in the order of its key, whatever was split and merged', () => {
  fc.assert(
    fc.property(scenario, fc.integer({ min: 1, max: 7 }), (given, recordsMax) => {
      const { kinesis, accepted } = play(given);
      expect(readAll(kinesis, recordsMax)).toEqual(accepted);
    }),
    { numRuns: 300 },
  );
});

test('the open shards partition the hash space at all times', () => {
  fc.assert(
    fc.property(scenario, (given) => {
      play(given, (kinesis) => {
        const open = openShards(kinesis);
        const ends = open.map((shard) => shard.endingHashKey + 1n);
        expect(open.map((shard) => shard.startingHashKey)).toEqual([0n, ...ends.slice(0, -1)]);
        expect(ends.at(-1)).toBe(2n ** 128n);
      });
    }),
    { numRuns: 300 },
  );
});

test('sequence numbers rise within a shard and from parent to child', () => {
  fc.assert(
    fc.property(scenario, (given) => {
      const { kinesis } = play(given);
      const shards = new Map(kinesis.listShards(streamName).map((shard) => [shard.shardId, shard]));
      for (const shard of shards.values()) {
        const { shardId, parentShardId = '', adjacentParentShardId = '' } = shard;
        const endings = [parentShardId, adjacentParentShardId].map((id) => shards.get(id)?.endingSequenceNumber ?? '0');
        const own = readShard(kinesis, { shardId, recordsMax: 100 }).map((record) => record.sequenceNumber);
        const all = [shard.startingSequenceNumber, ...own, shard.endingSequenceNumber ?? '9'];
        for (const ending of endings) expect(ending < shard.startingSequenceNumber).toBe(true);
        expect(all).toEqual([...new Set(all)].toSorted());
        for (const number of own) expect(number).toMatch(/^\d{56}$/);
      }
    }),
    { numRuns: 300 },
  );
});

test('scaling leaves the number of shards that was asked for, all of one size', () => {
  fc.assert(
    fc.property(scenario, (given) => {
      const { kinesis } = play(given);
      const targetShardCount = Math.max(1, Math.floor(openShards(kinesis).length * 1.5));
      kinesis.updateShardCount({ streamName, targetShardCount });
      const open = openShards(kinesis);
      const widths = open.map((shard) => shard.endingHashKey - shard.startingHashKey);
      expect(open).toHaveLength(targetShardCount);
      const spread = widths.reduce((most, width) => (width > most ? width : most), 0n) - (widths[0] ?? 0n);
      expect(spread < BigInt(targetShardCount)).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('a model made from the snapshot of another is equal to it', () => {
  fc.assert(
    fc.property(scenario, (given) => {
      const { kinesis, accepted } = play(given);
      const copy = createKinesis({ now: kinesis.now, throttle: false, history: kinesis.snapshot() });
      expect(copy.listShards(streamName)).toEqual(kinesis.listShards(streamName));
      expect(readAll(copy, 100)).toEqual(accepted);
      const put = { streamName, partitionKey: 'k', data: new Uint8Array() };
      expect(copy.putRecord(put)).toEqual(kinesis.putRecord(put));
    }),
    { numRuns: 200 },
  );
});
