import type { ShardEntry, TimedShard } from './change.ts';
import { demand } from './error.ts';
import { type HashKeyRange, uniformRanges } from './hash-key.ts';
import { shardCountMax } from './limits.ts';
import { parseSequenceNumber, sequenceBase, sequenceNumber } from './sequence.ts';

/**
 * The shards of a stream before and after a split or a merge, as data. A parent is closed, never removed: its records are
 * read before those of its children.
 * https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html
 */
export type Shards = readonly ShardEntry[];

/** The shards of a new stream. */
export function firstShards(request: { readonly shardCount: number; readonly nowMs: number }): Shards {
  return uniformRanges(request.shardCount).map((range, shardIndex) =>
    openShard({ shardIndex, createdSecond: Math.floor(request.nowMs / 1_000), nowMs: request.nowMs, range }),
  );
}

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SplitShard.html */
export function split(
  shards: Shards,
  request: { readonly shardId: string; readonly newStartingHashKey: bigint; readonly nowMs: number },
): Shards {
  const parent = findOpen(shards, request.shardId);
  const { startingHashKey, endingHashKey } = parent.shard;
  const cut = request.newStartingHashKey;
  demand(
    cut > startingHashKey && cut <= endingHashKey,
    'InvalidArgumentException',
    () =>
      `NewStartingHashKey ${cut} is not within (${startingHashKey}, ${endingHashKey}], the hash keys of ${request.shardId}.`,
  );
  return replace(shards, {
    parents: [parent],
    ranges: [
      { startingHashKey, endingHashKey: cut - 1n },
      { startingHashKey: cut, endingHashKey },
    ],
    nowMs: request.nowMs,
  });
}

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_MergeShards.html */
export function merge(
  shards: Shards,
  request: { readonly shardId: string; readonly adjacentShardId: string; readonly nowMs: number },
): Shards {
  const parent = findOpen(shards, request.shardId);
  const adjacent = findOpen(shards, request.adjacentShardId);
  const [lower, upper] =
    parent.shard.startingHashKey <= adjacent.shard.startingHashKey ? [parent, adjacent] : [adjacent, parent];
  demand(
    lower.shard.endingHashKey + 1n === upper.shard.startingHashKey,
    'InvalidArgumentException',
    () => `Shards ${request.shardId} and ${request.adjacentShardId} are not adjacent, so they cannot be merged.`,
  );
  return replace(shards, {
    parents: [parent, adjacent],
    ranges: [{ startingHashKey: lower.shard.startingHashKey, endingHashKey: upper.shard.endingHashKey }],
    nowMs: request.nowMs,
  });
}

/**
 * Uniform scaling: splits at every bound that is wanted and missing, then merges across every bound that is not wanted. The
 * shards between the two are short-lived, as in AWS.
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateShardCount.html
 */
export function scale(shards: Shards, request: { readonly targetShardCount: number; readonly nowMs: number }): Shards {
  demandScale({ current: openShards(shards).length, target: request.targetShardCount });
  const { nowMs } = request;
  const bounds = new Set(uniformRanges(request.targetShardCount).map((range) => range.startingHashKey));
  let result = shards;
  for (const newStartingHashKey of bounds) {
    const shard = openShards(result).find((entry) => holds(entry.shard, newStartingHashKey))?.shard;
    if (shard === undefined || shard.startingHashKey === newStartingHashKey) continue;
    result = split(result, { shardId: shard.shardId, newStartingHashKey, nowMs });
  }
  for (;;) {
    const open = openShards(result);
    const at = open.findIndex((entry, index) => index > 0 && !bounds.has(entry.shard.startingHashKey));
    const [lower, upper] = [open[at - 1], open[at]];
    if (lower === undefined || upper === undefined) return result;
    result = merge(result, { shardId: lower.shard.shardId, adjacentShardId: upper.shard.shardId, nowMs });
  }
}

/** Those that take records, in the order of their hash keys, which they partition. */
export function openShards(shards: Shards): Shards {
  return shards
    .filter((entry) => entry.shard.endingSequenceNumber === undefined)
    .sort((a, b) => (a.shard.startingHashKey < b.shard.startingHashKey ? -1 : 1));
}

function demandScale(count: { readonly current: number; readonly target: number }): void {
  demand(
    count.target >= 1 && count.target <= shardCountMax,
    'InvalidArgumentException',
    () => `TargetShardCount ${count.target} is not within 1 and ${shardCountMax}.`,
  );
  demand(
    count.target <= count.current * 2 && count.target * 2 >= count.current,
    'InvalidArgumentException',
    () =>
      `UpdateShardCount cannot scale up over double or down below half of the current open shard count. ` +
      `Current open shard count: ${count.current} Target shard count: ${count.target}`,
  );
}

function findOpen(shards: Shards, shardId: string): ShardEntry {
  const entry = shards.find((candidate) => candidate.shard.shardId === shardId);
  demand(entry !== undefined, 'ResourceNotFoundException', () => `Shard ${shardId} does not exist in the stream.`);
  demand(
    entry.shard.endingSequenceNumber === undefined,
    'InvalidArgumentException',
    () => `Shard ${shardId} is closed: it was split or merged before.`,
  );
  return entry;
}

function holds(range: HashKeyRange, hashKey: bigint): boolean {
  return range.startingHashKey <= hashKey && hashKey <= range.endingHashKey;
}

/** Closes `parents` and opens a child of them for each of `ranges`. */
function replace(
  shards: Shards,
  change: {
    readonly parents: readonly [ShardEntry] | readonly [ShardEntry, ShardEntry];
    readonly ranges: readonly HashKeyRange[];
    readonly nowMs: number;
  },
): Shards {
  const { nowMs } = change;
  const [parent, adjacent] = change.parents;
  // A child's numbers are larger than its parents' only if its second is.
  const createdSecond = Math.max(
    Math.floor(nowMs / 1_000),
    ...change.parents.map((entry) => originOf(entry.shard).createdSecond + 1),
  );
  const nextShardIndex = Math.max(...shards.map((entry) => originOf(entry.shard).shardIndex)) + 1;
  const children = change.ranges.map((range, offset) =>
    openShard({
      shardIndex: nextShardIndex + offset,
      createdSecond,
      nowMs,
      range,
      parentShardId: parent.shard.shardId,
      adjacentParentShardId: adjacent?.shard.shardId,
    }),
  );
  return [...shards.map((entry) => (change.parents.includes(entry) ? close(entry, nowMs) : entry)), ...children];
}

function openShard(child: {
  readonly shardIndex: number;
  readonly createdSecond: number;
  readonly nowMs: number;
  readonly range: HashKeyRange;
  readonly parentShardId?: string;
  readonly adjacentParentShardId?: string | undefined;
}): ShardEntry {
  const { createdSecond } = child;
  return {
    nextRecordIndex: 1,
    shard: {
      shardId: `shardId-${String(child.shardIndex).padStart(12, '0')}`,
      ...(child.parentShardId !== undefined && { parentShardId: child.parentShardId }),
      ...(child.adjacentParentShardId !== undefined && { adjacentParentShardId: child.adjacentParentShardId }),
      ...child.range,
      startingSequenceNumber: sequenceNumber(sequenceBase(child), { recordIndex: 0, second: createdSecond }),
      createdMs: child.nowMs,
    },
  };
}

function close(entry: ShardEntry, nowMs: number): ShardEntry {
  const second = Math.floor(nowMs / 1_000);
  const base = sequenceBase(originOf(entry.shard));
  return {
    ...entry,
    shard: {
      ...entry.shard,
      endingSequenceNumber: sequenceNumber(base, { recordIndex: entry.nextRecordIndex, second }),
      closedMs: nowMs,
    },
  };
}

function originOf(shard: TimedShard): { readonly createdSecond: number; readonly shardIndex: number } {
  return parseSequenceNumber(shard.startingSequenceNumber) ?? { createdSecond: 0, shardIndex: 0 };
}
