import { createHash } from 'node:crypto';
import type { KinesisEvent } from '#local/event-source-mapping/event.ts';
import type { FailureMessage } from '#local/event-source-mapping/failure-message.ts';
import type { EventSourceMapping, MappingOptions } from '#local/event-source-mapping/mapping.ts';
import { createEventSourceMapping } from '#local/event-source-mapping/mapping.ts';
import type { MappingSettings } from '#local/event-source-mapping/settings.ts';
import { defaultSettings } from '#local/event-source-mapping/settings.ts';
import type { KinesisReader, Shard, StartingPoint, StoredRecord } from '#local/kinesis/types.ts';
import type { InvocationOutcome } from '#local/lambda/outcome.ts';
import type { Clock } from '#shared/ports/clock.ts';

/** Time that moves only when the test moves it. */
export interface VirtualClock extends Clock {
  /** Goes on by `ms`, waking each sleeper at its time and letting all that follows from it happen first. */
  readonly advance: (ms: number) => Promise<void>;
}

export function createVirtualClock(startMs = 0): VirtualClock {
  let nowMs = startMs;
  let sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];
  return {
    now: () => nowMs,
    sleep: (ms) => new Promise((wake) => sleepers.push({ atMs: nowMs + ms, wake })),
    advance: async (ms) => {
      const untilMs = nowMs + ms;
      await settle();
      for (;;) {
        const due = sleepers.filter(({ atMs }) => atMs <= untilMs).sort((one, other) => one.atMs - other.atMs)[0];
        if (due === undefined) break;
        sleepers = sleepers.filter((sleeper) => sleeper !== due);
        nowMs = Math.max(nowMs, due.atMs);
        due.wake();
        await settle();
      }
      nowMs = untilMs;
    },
  };
}

/** Lets every promise that can go on do so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The least that can be read from: shards as lists of records. */
export function createStream(clock: Clock) {
  const shards: { shard: Shard; records: StoredRecord[]; trimmed: number }[] = [];
  const listeners = new Set<() => void>();
  let lastSequence = 10n ** 55n;
  const nextSequence = () => String(++lastSequence);
  const notify = () =>
    listeners.forEach((listener) => {
      listener();
    });
  const entryOf = (shardId: string) => {
    const entry = shards.find(({ shard }) => shard.shardId === shardId);
    if (entry === undefined) throw new Error(`There is no shard ${shardId}.`);
    return entry;
  };
  const reader: KinesisReader = {
    listShards: () => shards.map(({ shard }) => shard),
    read: ({ shardId, from, recordsMax, bytesMax }) => {
      const { shard, records, trimmed } = entryOf(shardId);
      const begin = Math.max(trimmed, firstIndex(records, from));
      let bytes = 0;
      let end = begin;
      while (end < records.length && end - begin < recordsMax && bytes < bytesMax) {
        bytes += records[end]?.data.byteLength ?? 0;
        end += 1;
      }
      const last = records[end - 1];
      const next: StartingPoint = {
        type: 'AFTER_SEQUENCE_NUMBER',
        sequenceNumber: last?.sequenceNumber ?? shard.startingSequenceNumber,
      };
      const isAtEnd = end === records.length;
      return {
        records: records.slice(begin, end),
        next,
        ended: isAtEnd && shard.endingSequenceNumber !== undefined,
        millisBehindLatest: isAtEnd ? 0 : clock.now() - (records[end]?.arrivalMs ?? 0),
      };
    },
  };
  return {
    reader,
    notify,
    onArrival: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    open: (shardId: string, parents: readonly string[] = []) => {
      const [parentShardId, adjacentParentShardId] = parents;
      shards.push({
        shard: {
          shardId,
          ...(parentShardId === undefined ? {} : { parentShardId }),
          ...(adjacentParentShardId === undefined ? {} : { adjacentParentShardId }),
          startingHashKey: 0n,
          endingHashKey: 2n ** 128n - 1n,
          startingSequenceNumber: nextSequence(),
        },
        records: [],
        trimmed: 0,
      });
    },
    close: (shardId: string) => {
      const entry = entryOf(shardId);
      entry.shard = { ...entry.shard, endingSequenceNumber: nextSequence() };
    },
    /** Puts a record and gives its sequence number. */
    put: (shardId: string, text: string, partitionKey = text): string => {
      const sequenceNumber = nextSequence();
      const data = new TextEncoder().encode(text);
      entryOf(shardId).records.push({ sequenceNumber, partitionKey, data, arrivalMs: clock.now() });
      return sequenceNumber;
    },
    trim: (shardId: string, count: number) => {
      entryOf(shardId).trimmed = count;
    },
  };
}

export type TestStream = ReturnType<typeof createStream>;

function firstIndex(records: readonly StoredRecord[], from: StartingPoint): number {
  const find = (holds: (record: StoredRecord) => boolean) => {
    const index = records.findIndex(holds);
    return index === -1 ? records.length : index;
  };
  switch (from.type) {
    case 'TRIM_HORIZON':
      return 0;
    case 'LATEST':
      return records.length;
    case 'AT_TIMESTAMP':
      return find((record) => record.arrivalMs >= from.timestampMs);
    case 'AT_SEQUENCE_NUMBER':
      return find((record) => BigInt(record.sequenceNumber) >= BigInt(from.sequenceNumber));
    case 'AFTER_SEQUENCE_NUMBER':
      return find((record) => BigInt(record.sequenceNumber) > BigInt(from.sequenceNumber));
  }
}

/** One call of the function, which ends when the test says how. */
export interface Call {
  readonly event: KinesisEvent;
  readonly atMs: number;
  /** The data of its records. */
  readonly texts: readonly string[];
  readonly end: (outcome: InvocationOutcome) => void;
}

export interface World {
  readonly clock: VirtualClock;
  readonly stream: TestStream;
  readonly mapping: EventSourceMapping;
  /** All calls so far. */
  readonly calls: readonly Call[];
  readonly failures: readonly FailureMessage[];
}

export interface WorldOptions {
  readonly settings?: Partial<MappingSettings>;
  /** What a call's outcome is; undefined leaves it in flight. The default is success. */
  readonly answer?: (call: Call, index: number) => InvocationOutcome | undefined;
  /** What is in the stream before the mapping is made; the default is one open shard `shard-0`. */
  readonly before?: (stream: TestStream, clock: VirtualClock) => void | Promise<void>;
  readonly overrides?: Partial<MappingOptions>;
}

export const succeeded: InvocationOutcome = { kind: 'response', payload: null };
export const failed: InvocationOutcome = {
  kind: 'function-error',
  error: { errorType: 'Error', errorMessage: 'no', trace: [] },
  requestId: 'request-1',
};

export function failedFrom(...sequenceNumbers: readonly unknown[]): InvocationOutcome {
  const batchItemFailures = sequenceNumbers.map((itemIdentifier) => ({ itemIdentifier }));
  return { kind: 'response', payload: { batchItemFailures } };
}

export const source = {
  streamArn: 'arn:aws:kinesis:eu-west-1:000000000000:stream/raw',
  functionArn: 'arn:aws:lambda:eu-west-1:000000000000:function:aggregate',
  roleArn: 'arn:aws:iam::000000000000:role/aggregate',
  region: 'eu-west-1',
};

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1));
  const stream = createStream(clock);
  await (options.before ?? ((empty: TestStream) => empty.open('shard-0')))(stream, clock);
  const calls: Call[] = [];
  const failures: FailureMessage[] = [];
  const mapping = createEventSourceMapping({
    reader: stream.reader,
    clock,
    streamName: 'raw',
    source,
    settings: { ...defaultSettings, ...options.settings },
    invoke: (event) =>
      new Promise((end) => {
        const texts = event.Records.map(({ kinesis }) => Buffer.from(kinesis.data, 'base64').toString());
        const call: Call = { event, atMs: clock.now(), texts, end };
        calls.push(call);
        const outcome = (options.answer ?? (() => succeeded))(call, calls.length - 1);
        if (outcome !== undefined) end(outcome);
      }),
    onFailure: async (message) => {
      failures.push(message);
    },
    ...options.overrides,
  });
  await settle();
  return { clock, stream, mapping, calls, failures };
}

/** What each call held, in order: `['a b', 'c']`. */
export function textsOf(calls: readonly Call[]): readonly string[] {
  return calls.map(({ texts }) => texts.join(' '));
}

/** Numbers below `below` that depend on the seed and the name alone. */
export function draw(seed: number, name: string, below: number): number {
  return createHash('sha256').update(`${seed}:${name}`).digest().readUInt32BE() % below;
}
