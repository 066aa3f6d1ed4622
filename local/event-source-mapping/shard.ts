import { hashKeyOf } from '#local/kinesis/hash-key.ts';
import type { ReadResult, StartingPoint, StoredRecord } from '#local/kinesis/types.ts';
import { assert } from '#shared/schemas/error.ts';
import type { ReadRecord } from './batch.ts';
import type { RecordFilter } from './filter.ts';
import type { Lane, OpenWindow } from './lane.ts';
import { createLane, wantsRecords } from './lane.ts';
import { bufferedBytesMax, bufferedRecordsMax } from './limits.ts';
import type { MappingSettings } from './settings.ts';

/** How far a mapping is in one shard. */
export interface ShardState {
  readonly shardId: string;
  /** Everything before it is done; a restart begins here. */
  checkpoint: StartingPoint;
  /** Where the next read begins. */
  next: StartingPoint;
  /** The end of a closed shard has been read. */
  ended: boolean;
  /** The last read left nothing unread. */
  atTip: boolean;
  /** Not to be read before this time; nothing was there. */
  readAgainMs: number;
  millisBehindLatest: number;
  /** Read and not known to be done, in the shard's order. */
  outstanding: ReadRecord[];
  bufferedBytes: number;
  /** New ones after a rewind: what is in flight for an old one does not count any more. */
  lanes: readonly Lane[];
}

/** What must be kept of a shard to go on after a restart. */
export interface ShardCheckpoint {
  readonly from: StartingPoint;
  readonly ended: boolean;
  /** The open tumbling window of each lane. */
  readonly windows?: readonly (OpenWindow | null)[];
}

export interface ShardOptions {
  readonly settings: MappingSettings;
  readonly drawBatchSize: () => number;
  readonly nowMs: number;
}

export function createShard(shardId: string, checkpoint: ShardCheckpoint, options: ShardOptions): ShardState {
  return {
    shardId,
    checkpoint: checkpoint.from,
    next: checkpoint.from,
    ended: checkpoint.ended,
    atTip: checkpoint.ended,
    readAgainMs: 0,
    millisBehindLatest: 0,
    outstanding: [],
    bufferedBytes: 0,
    lanes: Array.from({ length: options.settings.parallelizationFactor }, (_, index) =>
      createLane(options.nowMs, options.drawBatchSize(), checkpoint.windows?.[index] ?? undefined),
    ),
  };
}

/**
 * Takes in what was read: each record goes to the lane of its key, or is done at once if the filters drop it. True if the
 * checkpoint moved.
 */
export function takeRecords(
  shard: ShardState,
  result: ReadResult,
  options: {
    readonly passes: RecordFilter;
    readonly measure: (record: StoredRecord) => number;
    readonly nowMs: number;
    readonly recordsMax: number;
  },
): boolean {
  shard.next = result.next;
  shard.ended = result.ended;
  shard.millisBehindLatest = result.millisBehindLatest;
  shard.atTip =
    result.ended ||
    result.records.length === 0 ||
    (result.records.length < options.recordsMax && result.millisBehindLatest === 0);
  for (const record of result.records) {
    const isWanted = options.passes(record);
    const read: ReadRecord = {
      record,
      bytes: isWanted ? options.measure(record) : 0,
      readMs: options.nowMs,
      isDone: !isWanted,
    };
    shard.outstanding.push(read);
    if (!isWanted) continue;
    const lane = laneOf(shard, record);
    lane.waiting.push(read);
    lane.waitingBytes += read.bytes;
    shard.bufferedBytes += read.bytes;
  }
  return advance(shard);
}

/** Moves the checkpoint behind the records at the front that are done. True if it moved. */
export function advance(shard: ShardState): boolean {
  let count = 0;
  for (const each of shard.outstanding) {
    if (!each.isDone) break;
    shard.bufferedBytes -= each.bytes;
    count += 1;
  }
  const last = shard.outstanding[count - 1];
  if (count > 0) shard.outstanding.splice(0, count);
  const before = shard.checkpoint;
  if (shard.outstanding.length === 0) shard.checkpoint = shard.next;
  else if (last !== undefined) {
    shard.checkpoint = { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: last.record.sequenceNumber };
  }
  return !isSamePoint(shard.checkpoint, before);
}

/** Whether a lane could use more, and what was read beyond a stuck one has not become too much. */
export function shouldRead(shard: ShardState, settings: MappingSettings): boolean {
  if (shard.ended || shard.outstanding.length >= bufferedRecordsMax) return false;
  if (shard.bufferedBytes >= bufferedBytesMax) return false;
  return shard.lanes.some((lane) => wantsRecords(lane, settings));
}

/** Whether all of a closed shard is done, its last window too: its children may start. */
export function isFinished(shard: ShardState): boolean {
  return shard.ended && shard.outstanding.length === 0 && shard.lanes.every(isAtRest);
}

/** Goes back to just after a sequence number, or to the trim horizon, and cuts batches anew from there. */
export function rewindShard(shard: ShardState, after: string | undefined, options: ShardOptions): void {
  assert(
    after === undefined || !isBehind(shard.checkpoint, after),
    `a rewind to ${after} in ${shard.shardId} would skip records: the checkpoint is ${JSON.stringify(shard.checkpoint)}`,
  );
  const from: StartingPoint =
    after === undefined ? { type: 'TRIM_HORIZON' } : { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: after };
  Object.assign(shard, createShard(shard.shardId, { from, ended: false }, options));
}

export function saveShard(shard: ShardState): ShardCheckpoint {
  const windows = shard.lanes.map((lane) => lane.window ?? null);
  return {
    from: shard.checkpoint,
    // An end that was read counts only when all before it is done.
    ended: shard.ended && shard.outstanding.length === 0,
    ...(windows.some((window) => window !== null) ? { windows } : {}),
  };
}

function laneOf(shard: ShardState, record: StoredRecord): Lane {
  const count = shard.lanes.length;
  const index = count === 1 ? 0 : Number(hashKeyOf(record.partitionKey) % BigInt(count));
  const lane = shard.lanes[index];
  assert(lane !== undefined, `lane ${index} of ${count} exists`);
  return lane;
}

function isAtRest(lane: Lane): boolean {
  return (
    lane.inFlight === undefined && lane.again.length === 0 && lane.waiting.length === 0 && lane.window === undefined
  );
}

function isSamePoint(one: StartingPoint, other: StartingPoint): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Whether the point stands before what follows `sequenceNumber`, or does not say. */
function isBehind(point: StartingPoint, sequenceNumber: string): boolean {
  switch (point.type) {
    case 'AFTER_SEQUENCE_NUMBER':
      return BigInt(point.sequenceNumber) < BigInt(sequenceNumber);
    case 'AT_SEQUENCE_NUMBER':
      return BigInt(point.sequenceNumber) <= BigInt(sequenceNumber);
    default:
      return true;
  }
}
