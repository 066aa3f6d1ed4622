import type { Change, StreamSettings, TimedShard } from './change.ts';
import { KinesisError } from './error.ts';
import { openShards, type Shards } from './reshard.ts';
import { appendRecord, createShardRecords, resumeNumbers, type ShardRecords, trimRecords } from './shard-records.ts';

/** A stream with its shards, open and closed. */
export interface StreamState {
  readonly streamName: string;
  readonly settings: StreamSettings;
  readonly shards: Map<string, ShardRecords>;
  /** Those that take records and their ranges, in the order of their hash keys. */
  readonly open: readonly ShardRecords[];
  readonly openRanges: readonly TimedShard[];
}

export type Streams = Map<string, StreamState>;

const hourMs = 3_600_000;

/** Does what a change says. It cannot fail: what may be refused was refused before the change was made. */
export function applyChange(streams: Streams, change: Change): void {
  switch (change.kind) {
    case 'stream-set':
      setStream(streams, change);
      return;
    case 'stream-deleted':
      streams.delete(change.streamName);
      return;
    case 'records-put': {
      const shards = streams.get(change.streamName)?.shards;
      for (const { shardId, record } of change.records) {
        const log = shards?.get(shardId);
        if (log !== undefined) appendRecord(log, record);
      }
    }
  }
}

/** The streams after all of `history`. */
export function replayChanges(history: Iterable<Change>): Streams {
  const streams: Streams = new Map();
  for (const change of history) applyChange(streams, change);
  for (const stream of streams.values()) for (const log of stream.shards.values()) resumeNumbers(log);
  return streams;
}

export function findStream(streams: Streams, streamName: string): StreamState {
  const stream = streams.get(streamName);
  if (stream !== undefined) return stream;
  throw new KinesisError('ResourceNotFoundException', `Stream ${streamName} not found.`);
}

/** The shard without the records, and the stream without the shards, that retention has trimmed. */
export function findShard(
  stream: StreamState,
  request: { readonly shardId: string; readonly nowMs: number },
): ShardRecords {
  const log = stream.shards.get(request.shardId);
  const horizonMs = trimHorizonMs(stream, request.nowMs);
  if (log === undefined || isExpired(log.shard, horizonMs)) {
    throw new KinesisError(
      'ResourceNotFoundException',
      `Shard ${request.shardId} in stream ${stream.streamName} does not exist.`,
    );
  }
  trimRecords(log, horizonMs);
  return log;
}

/** Trims all shards; a closed one is gone when its last moment is. */
export function trimStream(stream: StreamState, nowMs: number): void {
  const horizonMs = trimHorizonMs(stream, nowMs);
  for (const [shardId, log] of stream.shards) {
    if (isExpired(log.shard, horizonMs)) stream.shards.delete(shardId);
    else trimRecords(log, horizonMs);
  }
}

export function shardEntries(stream: StreamState): Shards {
  return [...stream.shards.values()].map(({ shard, nextRecordIndex }) => ({ shard, nextRecordIndex }));
}

function setStream(streams: Streams, change: Extract<Change, { kind: 'stream-set' }>): void {
  const { streamName, settings } = change;
  const before = streams.get(streamName)?.shards;
  const shards = new Map<string, ShardRecords>();
  for (const entry of change.shards) {
    const log = before?.get(entry.shard.shardId) ?? createShardRecords(entry);
    log.shard = entry.shard;
    log.nextRecordIndex = entry.nextRecordIndex;
    shards.set(entry.shard.shardId, log);
  }
  const open = openShards(change.shards).flatMap(({ shard }) => shards.get(shard.shardId) ?? []);
  streams.set(streamName, { streamName, settings, shards, open, openRanges: open.map((log) => log.shard) });
}

function isExpired(shard: TimedShard, horizonMs: number): boolean {
  return shard.closedMs !== undefined && shard.closedMs <= horizonMs;
}

function trimHorizonMs(stream: StreamState, nowMs: number): number {
  return nowMs - stream.settings.retentionHours * hourMs;
}
