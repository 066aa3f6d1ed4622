import type { Change, Consumer, StreamSettings, TimedShard } from './change.ts';
import { demand, KinesisError } from './error.ts';
import {
  consumersPerStreamMax,
  onDemandShardCount,
  recordBytesCeiling,
  recordBytesDefault,
  retentionHoursMax,
  retentionHoursMin,
  shardCountMax,
  streamNameLengthMax,
  tagsPerStreamMax,
} from './limits.ts';
import { type PutEntry, type PutOutcome, placeEntries } from './put.ts';
import { firstShards, merge, type Shards, scale, split } from './reshard.ts';
import { readRecords } from './shard-records.ts';
import {
  applyChange,
  findShard,
  findStream,
  replayChanges,
  type StreamState,
  type Streams,
  shardEntries,
  trimStream,
} from './stream-state.ts';
import type { KinesisReader } from './types.ts';

export interface KinesisOptions {
  /** Milliseconds since the epoch. The model has no other clock. */
  readonly now: () => number;
  /** What retention goes by, if not by `now`. */
  readonly retentionNow?: (() => number) | undefined;
  /** Whether shards refuse what exceeds their throughput; what AWS calls malformed is always refused. Default: true. */
  readonly throttle?: boolean | undefined;
  /** Changes to begin with, as `journal` was told them or as `snapshot` gave them. */
  readonly history?: Iterable<Change> | undefined;
  /** Told of each change before it is made. If it throws, the change is not made and the caller gets the error. */
  readonly journal?: ((change: Change) => void) | undefined;
}

export interface StreamDescription extends StreamSettings {
  readonly streamName: string;
  readonly openShardCount: number;
}

/** Kinesis in memory: synchronous, on the clock that it is given, with no timers and no randomness. */
export interface Kinesis extends KinesisReader {
  readonly now: () => number;
  readonly isThrottled: boolean;

  readonly createStream: (request: {
    readonly streamName: string;
    /** Default: 1, on demand 4. */
    readonly shardCount?: number | undefined;
    readonly mode?: StreamSettings['mode'] | undefined;
    readonly retentionHours?: number | undefined;
    readonly recordBytesMax?: number | undefined;
    readonly tags?: Readonly<Record<string, string>> | undefined;
  }) => void;
  readonly deleteStream: (streamName: string) => void;
  /** In the order of their names. */
  readonly listStreams: () => readonly string[];
  readonly describeStream: (streamName: string) => StreamDescription;
  readonly listShards: (streamName: string) => readonly TimedShard[];

  /** Throws ProvisionedThroughputExceededException where `putRecords` gives an outcome. */
  readonly putRecord: (request: PutEntry & { readonly streamName: string }) => {
    readonly shardId: string;
    readonly sequenceNumber: string;
  };
  /** One outcome for each entry, in their order. */
  readonly putRecords: (request: {
    readonly streamName: string;
    readonly entries: readonly PutEntry[];
  }) => readonly PutOutcome[];

  readonly splitShard: (request: {
    readonly streamName: string;
    readonly shardId: string;
    readonly newStartingHashKey: bigint;
  }) => void;
  readonly mergeShards: (request: {
    readonly streamName: string;
    readonly shardId: string;
    readonly adjacentShardId: string;
  }) => void;
  readonly updateShardCount: (request: { readonly streamName: string; readonly targetShardCount: number }) => void;

  readonly setRetention: (request: { readonly streamName: string; readonly retentionHours: number }) => void;
  readonly addTags: (request: { readonly streamName: string; readonly tags: Readonly<Record<string, string>> }) => void;
  readonly registerConsumer: (request: { readonly streamName: string; readonly consumerName: string }) => Consumer;
  readonly deregisterConsumer: (request: { readonly streamName: string; readonly consumerName: string }) => void;

  /**
   * Calls `listener` after each change, until the function that it returns is called. A reader that has caught up waits for
   * a change of its stream: new records, or the end of its shard.
   */
  readonly onChange: (listener: (change: Change) => void) => () => void;
  /** The changes that make an empty model equal to this one. */
  readonly snapshot: () => Iterable<Change>;
}

/**
 * A Kinesis of one's own.
 *
 * @example
 * const kinesis = createKinesis({ now: () => 0 });
 * kinesis.createStream({ streamName: 'clicks', shardCount: 2 });
 * kinesis.putRecord({ streamName: 'clicks', partitionKey: 'a', data: new Uint8Array([1]) });
 */
export function createKinesis(options: KinesisOptions): Kinesis {
  const { now, retentionNow = now, journal } = options;
  const isThrottled = options.throttle ?? true;
  const streams = replayChanges(options.history ?? []);
  const listeners = new Set<(change: Change) => void>();

  function commit(change: Change): void {
    journal?.(change);
    applyChange(streams, change);
    for (const listener of listeners) listener(change);
  }

  function find(streamName: string): StreamState {
    return findStream(streams, streamName);
  }

  /** The stream, trimmed: what describes its shards must not show the expired. */
  function findTrimmed(streamName: string): StreamState {
    const stream = find(streamName);
    trimStream(stream, retentionNow());
    return stream;
  }

  function setSettings(streamName: string, settings: Partial<StreamSettings>): void {
    const stream = findTrimmed(streamName);
    commit({
      kind: 'stream-set',
      streamName,
      settings: { ...stream.settings, ...settings },
      shards: shardEntries(stream),
    });
  }

  function setShards(streamName: string, reshard: (shards: Shards, nowMs: number) => Shards): void {
    const stream = findTrimmed(streamName);
    const shards = reshard(shardEntries(stream), now());
    commit({ kind: 'stream-set', streamName, settings: stream.settings, shards });
  }

  function put(streamName: string, entries: readonly PutEntry[]): readonly PutOutcome[] {
    const placed = placeEntries(find(streamName), { entries, nowMs: now(), isThrottled });
    if (placed.records.length > 0) commit({ kind: 'records-put', streamName, records: placed.records });
    return placed.outcomes;
  }

  return {
    now,
    isThrottled,

    createStream: (request) => commit(newStream(streams, { ...request, nowMs: now() })),
    deleteStream: (streamName) => commit({ kind: 'stream-deleted', streamName: find(streamName).streamName }),
    listStreams: () => [...streams.keys()].sort(),
    describeStream: (streamName) => {
      const stream = find(streamName);
      return { streamName, ...stream.settings, openShardCount: stream.open.length };
    },
    listShards: (streamName) => [...findTrimmed(streamName).shards.values()].map((log) => log.shard),

    putRecord: ({ streamName, ...entry }) => {
      const [outcome] = put(streamName, [entry]);
      if (outcome?.kind === 'accepted') return { shardId: outcome.shardId, sequenceNumber: outcome.sequenceNumber };
      throw new KinesisError('ProvisionedThroughputExceededException', outcome?.message ?? 'Rate exceeded.');
    },
    putRecords: ({ streamName, entries }) => put(streamName, entries),
    read: ({ streamName, shardId, ...page }) => {
      const log = findShard(find(streamName), { shardId, nowMs: retentionNow() });
      return readRecords(log, { ...page, nowMs: now() });
    },

    splitShard: ({ streamName, ...request }) =>
      setShards(streamName, (shards, nowMs) => split(shards, { ...request, nowMs })),
    mergeShards: ({ streamName, ...request }) =>
      setShards(streamName, (shards, nowMs) => merge(shards, { ...request, nowMs })),
    updateShardCount: ({ streamName, targetShardCount }) =>
      setShards(streamName, (shards, nowMs) => scale(shards, { targetShardCount, nowMs })),

    setRetention: ({ streamName, retentionHours }) => {
      demandRetention(retentionHours);
      setSettings(streamName, { retentionHours });
    },
    addTags: ({ streamName, tags }) => {
      const all = { ...find(streamName).settings.tags, ...tags };
      demandTags(all);
      setSettings(streamName, { tags: all });
    },
    registerConsumer: ({ streamName, consumerName }) => {
      const consumer = { consumerName, createdMs: now() };
      setSettings(streamName, { consumers: withConsumer(find(streamName), consumer) });
      return consumer;
    },
    deregisterConsumer: ({ streamName, consumerName }) =>
      setSettings(streamName, { consumers: withoutConsumer(find(streamName), consumerName) }),

    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    snapshot: () => snapshotOf(streams, retentionNow()),
  };
}

function newStream(
  streams: Streams,
  request: Parameters<Kinesis['createStream']>[0] & { readonly nowMs: number },
): Change {
  const { streamName, nowMs } = request;
  const mode = request.mode ?? 'PROVISIONED';
  const shardCount = request.shardCount ?? (mode === 'ON_DEMAND' ? onDemandShardCount : 1);
  const retentionHours = request.retentionHours ?? retentionHoursMin;
  const recordBytesMax = request.recordBytesMax ?? recordBytesDefault;
  const tags = request.tags ?? {};
  demand(
    /^[a-zA-Z0-9_.-]+$/.test(streamName) && streamName.length <= streamNameLengthMax,
    'ValidationException',
    () => `StreamName '${streamName}' must have 1 to ${streamNameLengthMax} characters of [a-zA-Z0-9_.-].`,
  );
  demand(!streams.has(streamName), 'ResourceInUseException', () => `Stream ${streamName} already exists.`);
  demand(
    Number.isInteger(shardCount) && shardCount >= 1 && shardCount <= shardCountMax,
    'ValidationException',
    () => `ShardCount ${shardCount} is not within 1 and ${shardCountMax}.`,
  );
  demand(
    recordBytesMax >= recordBytesDefault && recordBytesMax <= recordBytesCeiling,
    'ValidationException',
    () =>
      `A record's largest size of ${recordBytesMax} bytes is not within ${recordBytesDefault} and ${recordBytesCeiling}.`,
  );
  demandRetention(retentionHours);
  demandTags(tags);
  return {
    kind: 'stream-set',
    streamName,
    settings: { createdMs: nowMs, mode, retentionHours, recordBytesMax, tags, consumers: [] },
    shards: firstShards({ shardCount, nowMs }),
  };
}

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_IncreaseStreamRetentionPeriod.html */
function demandRetention(retentionHours: number): void {
  demand(
    retentionHours >= retentionHoursMin && retentionHours <= retentionHoursMax,
    'InvalidArgumentException',
    () => `Retention of ${retentionHours} hours is not within ${retentionHoursMin} and ${retentionHoursMax}.`,
  );
}

function demandTags(tags: Readonly<Record<string, string>>): void {
  const tagCount = Object.keys(tags).length;
  demand(
    tagCount <= tagsPerStreamMax,
    'LimitExceededException',
    () => `A stream has ${tagsPerStreamMax} tags at most, not ${tagCount}.`,
  );
}

function withConsumer(stream: StreamState, consumer: Consumer): readonly Consumer[] {
  const { consumers } = stream.settings;
  demand(
    consumers.every((other) => other.consumerName !== consumer.consumerName),
    'ResourceInUseException',
    () => `Consumer ${consumer.consumerName} of stream ${stream.streamName} already exists.`,
  );
  demand(
    consumers.length < consumersPerStreamMax,
    'LimitExceededException',
    () => `Stream ${stream.streamName} has ${consumersPerStreamMax} consumers, which is the most it may have.`,
  );
  return [...consumers, consumer];
}

function withoutConsumer(stream: StreamState, consumerName: string): readonly Consumer[] {
  const { consumers } = stream.settings;
  const rest = consumers.filter((consumer) => consumer.consumerName !== consumerName);
  demand(
    rest.length < consumers.length,
    'ResourceNotFoundException',
    () => `Consumer ${consumerName} of stream ${stream.streamName} not found.`,
  );
  return rest;
}

function* snapshotOf(streams: Streams, nowMs: number): Generator<Change> {
  for (const [streamName, stream] of streams) {
    trimStream(stream, nowMs);
    yield { kind: 'stream-set', streamName, settings: stream.settings, shards: shardEntries(stream) };
    for (const [shardId, log] of stream.shards) {
      const records = log.records.slice(log.head).map((record) => ({ shardId, record }));
      if (records.length > 0) yield { kind: 'records-put', streamName, records };
    }
  }
}
