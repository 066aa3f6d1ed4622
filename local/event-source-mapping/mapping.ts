import type { KinesisReader, Shard, StoredRecord } from '#local/kinesis/types.ts';
import type { InvocationOutcome } from '#local/lambda/outcome.ts';
import type { Clock } from '#shared/ports/clock.ts';
import { assert } from '#shared/schemas/error.ts';
import { createAlarm } from './alarm.ts';
import type { Batch, ReadRecord } from './batch.ts';
import { retryDelayMs, settleBatch, splitExpired } from './batch.ts';
import type { EventSource, KinesisEvent } from './event.ts';
import { eventRecord, measureRecord, windowFields } from './event.ts';
import type { FailureMessage } from './failure-message.ts';
import { failureMessage } from './failure-message.ts';
import { compileFilters } from './filter.ts';
import type { Lane } from './lane.ts';
import { decideNext, keepState } from './lane.ts';
import { pollMs, readBytesMax, readRecordsMax } from './limits.ts';
import { mayStart } from './lineage.ts';
import { judgeOutcome } from './response.ts';
import type { MappingSettings } from './settings.ts';
import type { ShardCheckpoint, ShardState } from './shard.ts';
import { advance, createShard, isFinished, rewindShard, saveShard, shouldRead, takeRecords } from './shard.ts';

export interface MappingOptions {
  readonly reader: KinesisReader;
  readonly clock: Clock;
  /** Calls the function. Rejects only on a bug, which stops the mapping. */
  readonly invoke: (event: KinesisEvent) => Promise<InvocationOutcome>;
  readonly streamName: string;
  readonly source: EventSource;
  readonly settings: MappingSettings;
  /** Draws the size of each batch instead of `settings.batchSize`, so that a simulation can cut them at will. */
  readonly batchSize?: () => number;
  /** Where an earlier mapping stopped. */
  readonly checkpoint?: MappingCheckpoint;
  /** Called when `checkpoint()` would give something new. */
  readonly onCheckpoint?: () => void;
  /** The on-failure destination. A batch is given up only after it was told; a rejection is tried again. */
  readonly onFailure?: (message: FailureMessage) => Promise<void>;
  /**
   * Registers a listener for new records and changed shards, and gives the way to take it off. Without it, each shard is
   * polled once per second as AWS does.
   */
  readonly onArrival?: (listener: () => void) => () => void;
}

/** How far a mapping is; plain data that survives JSON. */
export interface MappingCheckpoint {
  readonly shards: Readonly<Record<string, ShardCheckpoint>>;
}

export interface EventSourceMapping {
  readonly checkpoint: () => MappingCheckpoint;
  /**
   * Goes back to just after a record, or to the trim horizon, and cuts new batches from there. What is in flight goes on
   * with nobody waiting for it. With the checkpoint's own number it only cuts anew.
   */
  readonly rewind: (shardId: string, after: string | undefined) => void;
  readonly setEnabled: (isEnabled: boolean) => void;
  /** The age of the oldest record that is not done. */
  readonly iteratorAgeMs: () => number;
  /** As AWS words it. */
  readonly lastProcessingResult: () => string;
  /** Starts nothing more; resolves when what is in flight has ended. */
  readonly stop: () => Promise<void>;
  /** Resolves after `stop`; rejects when a bug stopped the mapping. */
  readonly closed: Promise<void>;
}

/** How many reads of a shard may follow one another before others get their turn. */
const readsPerTurnMax = 10;

/** An event source mapping of Lambda for a Kinesis stream: it reads, cuts batches, invokes, retries and checkpoints. */
export function createEventSourceMapping(options: MappingOptions): EventSourceMapping {
  const { clock, reader, settings, source } = options;
  const passes = compileFilters(settings.filters);
  const alarm = createAlarm(clock);
  const shards = new Map<string, ShardState>();
  const deliveries = new Set<Promise<void>>();
  let isEnabled = settings.enabled;
  let isStopped = false;
  let isFirstTurn = options.checkpoint === undefined;
  let result = 'No records processed';

  const shardOptions = () => ({
    settings,
    drawBatchSize: options.batchSize ?? (() => settings.batchSize),
    nowMs: clock.now(),
  });
  const arrived = () => {
    for (const shard of shards.values()) shard.readAgainMs = 0;
    alarm.ring();
  };
  for (const [shardId, checkpoint] of Object.entries(options.checkpoint?.shards ?? {})) {
    shards.set(shardId, createShard(shardId, checkpoint, shardOptions()));
  }

  /** Does all that can be done now, and says when there may be more. */
  function takeTurn(): number {
    const nowMs = clock.now();
    if (!isEnabled) return Number.POSITIVE_INFINITY;
    const listed = attempt(listShards);
    if (listed === undefined) return nowMs + pollMs;
    let wakeMs = options.onArrival === undefined ? nowMs + pollMs : Number.POSITIVE_INFINITY;
    for (const shard of listed.values()) {
      const state = shards.get(shard.shardId);
      if (state === undefined || isFinished(state)) continue;
      const isDone = (shardId: string) => isFinishedShard(shards.get(shardId));
      if (!mayStart(shard, listed, isDone)) continue;
      wakeMs = Math.min(wakeMs, attempt(() => stepShard(state)) ?? nowMs + pollMs);
    }
    return wakeMs;
  }

  /** The stream may not be there, or refuse reads for now; that is tried again at the next poll. */
  function attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      result = `PROBLEM: ${error instanceof Error ? error.message : String(error)}`;
      return undefined;
    }
  }

  /** Lists the stream's shards and takes up those that are new. */
  function listShards(): ReadonlyMap<string, Shard> {
    const listed = new Map(reader.listShards(options.streamName).map((shard) => [shard.shardId, shard]));
    for (const shardId of shards.keys()) if (!listed.has(shardId)) shards.delete(shardId);
    for (const shard of listed.values()) {
      if (shards.has(shard.shardId)) continue;
      shards.set(shard.shardId, createShard(shard.shardId, startOf(shard), shardOptions()));
    }
    isFirstTurn = false;
    return listed;
  }

  /** LATEST is for the shards that are open when the mapping is made; what they are split into later is read whole. */
  function startOf(shard: Shard): ShardCheckpoint {
    const from = settings.startingPosition;
    if (from.type !== 'LATEST') return { from, ended: false };
    if (!isFirstTurn) return { from: { type: 'TRIM_HORIZON' }, ended: false };
    // LATEST is where the shard ends now, not where it ends when its turn to be read comes.
    return { from: readShard(shard.shardId, from, 1).next, ended: false };
  }

  function readShard(shardId: string, from: ShardState['next'], recordsMax: number) {
    return reader.read({ streamName: options.streamName, shardId, from, recordsMax, bytesMax: readBytesMax });
  }

  function stepShard(shard: ShardState): number {
    const nowMs = clock.now();
    const mayMove: boolean[] = [];
    for (let reads = 0; reads < readsPerTurnMax; reads += 1) {
      if (shard.readAgainMs > nowMs || !shouldRead(shard, settings)) break;
      const recordsMax = Math.min(readRecordsMax, Math.max(...shard.lanes.map((lane) => lane.batchSize)));
      const read = readShard(shard.shardId, shard.next, recordsMax);
      const measure = measureRecord(source, shard.shardId);
      mayMove.push(takeRecords(shard, read, { passes, measure, nowMs, recordsMax }));
      if (shard.atTip) shard.readAgainMs = options.onArrival === undefined ? nowMs + pollMs : Number.POSITIVE_INFINITY;
    }
    if (mayMove.includes(true)) options.onCheckpoint?.();
    let wakeMs = shouldRead(shard, settings) ? Math.max(nowMs, shard.readAgainMs) : Number.POSITIVE_INFINITY;
    for (const lane of shard.lanes) {
      const decision = decideNext(lane, { settings, nowMs, ended: shard.ended, atTip: shard.atTip });
      if (decision.kind === 'wait') wakeMs = Math.min(wakeMs, decision.untilMs);
      else start(shard, lane, decision.batch);
    }
    if (!isFinished(shard)) return wakeMs;
    options.onCheckpoint?.();
    // Its children may start at once.
    return nowMs;
  }

  function start(shard: ShardState, lane: Lane, batch: Batch): void {
    lane.inFlight = batch;
    const delivery = deliver(shard, lane, batch).then(
      () => {
        deliveries.delete(delivery);
        alarm.ring();
      },
      (error: unknown) => {
        isStopped = true;
        alarm.ring();
        throw error;
      },
    );
    deliveries.add(delivery);
    // The rejection is for whoever awaits `closed`.
    delivery.catch(() => undefined);
  }

  /** Takes one batch through an invocation, or through being too old for one, and puts back what is left of it. */
  async function deliver(shard: ShardState, lane: Lane, batch: Batch): Promise<void> {
    const isCurrent = () => shard.lanes.includes(lane);
    const { expired, live } = splitExpired(batch, {
      recordAgeMsMax: settings.recordAgeMsMax,
      nowMs: clock.now(),
      isStored: findStored(shard, batch),
    });
    if (expired.length > 0) {
      const { invocations } = batch;
      const condition = 'RecordAgeExceeded';
      await report({
        shardId: shard.shardId,
        records: expired,
        condition,
        invocations,
        isFunctionError: invocations > 0,
      });
      if (isCurrent()) finish(shard, lane, expired, live.records.length > 0 ? [live] : []);
      return;
    }
    const outcome = await options.invoke(eventOf(shard, lane, batch));
    // After a rewind the outcome is nobody's: its records are delivered again.
    if (!isCurrent()) return;
    const verdict = judgeOutcome(outcome, {
      sequenceNumbers: batch.records.map(({ record }) => record.sequenceNumber),
      reportsItemFailures: settings.reportsItemFailures,
      hasWindow: settings.tumblingWindowMs > 0,
    });
    result = verdict.kind === 'succeeded' ? 'OK' : 'PROBLEM: Function call failed';
    const { again, discarded } = settleBatch(batch, verdict, { settings, nowMs: clock.now() });
    if (discarded.length > 0) {
      await report({
        shardId: shard.shardId,
        records: discarded,
        condition: 'RetryAttemptsExhausted',
        invocations: batch.invocations + 1,
        isFunctionError: verdict.kind === 'failed' && verdict.isFunctionError,
        requestId: outcome.kind === 'throttled' ? undefined : outcome.requestId,
      });
      if (!isCurrent()) return;
    }
    if (verdict.kind === 'succeeded' && batch.closes !== undefined) lane.window = undefined;
    else if ('state' in verdict && verdict.state !== undefined) keepState(lane, verdict.state);
    const left = new Set(again.flatMap(({ records }) => records));
    const done = batch.records.filter((record) => !left.has(record));
    finish(shard, lane, done, again);
  }

  /** A batch is retried until its records expire: those that the stream has trimmed since are given up. */
  function findStored(shard: ShardState, batch: Batch): (record: StoredRecord) => boolean {
    const first = batch.records[0]?.record;
    if (first === undefined || batch.invocations === 0) return () => true;
    const from = { type: 'AT_SEQUENCE_NUMBER', sequenceNumber: first.sequenceNumber } as const;
    const read = attempt(() => readShard(shard.shardId, from, 1));
    if (read === undefined) return () => true;
    const oldest = read.records[0];
    return (record) => oldest !== undefined && BigInt(record.sequenceNumber) >= BigInt(oldest.sequenceNumber);
  }

  function finish(shard: ShardState, lane: Lane, done: readonly ReadRecord[], again: readonly Batch[]): void {
    for (const record of done) record.isDone = true;
    lane.inFlight = undefined;
    lane.again.unshift(...again);
    lane.idleSinceMs = clock.now();
    lane.batchSize = shardOptions().drawBatchSize();
    const hasMoved = advance(shard);
    if (hasMoved || settings.tumblingWindowMs > 0) options.onCheckpoint?.();
  }

  async function report(discard: {
    readonly shardId: string;
    readonly records: readonly ReadRecord[];
    readonly condition: FailureMessage['requestContext']['condition'];
    readonly invocations: number;
    readonly isFunctionError: boolean;
    readonly requestId?: string | undefined;
  }): Promise<void> {
    if (options.onFailure === undefined) return;
    const message = failureMessage({ requestId: undefined, ...discard, source, nowMs: clock.now() });
    for (let attempts = 0; !isStopped; attempts += 1) {
      try {
        return await options.onFailure(message);
      } catch (error) {
        result = `PROBLEM: the on-failure destination refused: ${error instanceof Error ? error.message : String(error)}`;
        await clock.sleep(retryDelayMs(attempts));
      }
    }
  }

  function eventOf(shard: ShardState, lane: Lane, batch: Batch): KinesisEvent {
    const Records = batch.records.map(({ record }) => eventRecord(source, shard.shardId, record));
    if (settings.tumblingWindowMs === 0) return { Records };
    assert(lane.window !== undefined, 'with tumbling windows, what is offered belongs to one');
    const { startMs, state } = lane.window;
    const endMs = startMs + settings.tumblingWindowMs;
    const isFinal = batch.closes !== undefined;
    return {
      Records,
      ...windowFields(source, shard.shardId, { startMs, endMs, state, isFinal, isEarly: batch.closes === 'early' }),
    };
  }

  async function run(): Promise<void> {
    const unregister = options.onArrival?.(arrived);
    try {
      // What is put from now on is after LATEST; the first invocation comes when the caller has the mapping in hand.
      if (isEnabled) attempt(listShards);
      await undefined;
      while (!isStopped) await alarm.sleepUntil(takeTurn());
    } finally {
      unregister?.();
    }
    await Promise.all(deliveries);
  }

  const closed = run();
  closed.catch(() => undefined);

  return {
    checkpoint: () => ({
      shards: Object.fromEntries(Array.from(shards, ([shardId, shard]) => [shardId, saveShard(shard)])),
    }),
    rewind: (shardId, after) => {
      const shard = shards.get(shardId);
      assert(shard !== undefined, `there is a shard ${shardId} to rewind`);
      rewindShard(shard, after, shardOptions());
      options.onCheckpoint?.();
      alarm.ring();
    },
    setEnabled: (wanted) => {
      isEnabled = wanted;
      arrived();
    },
    iteratorAgeMs: () => Math.max(0, ...Array.from(shards.values(), (shard) => ageMs(shard, clock.now()))),
    lastProcessingResult: () => result,
    stop: () => {
      isStopped = true;
      alarm.ring();
      return closed;
    },
    closed,
  };
}

function isFinishedShard(shard: ShardState | undefined): boolean {
  return shard === undefined || isFinished(shard);
}

/** AWS reports the age of a batch's last record when the batch has ended; this also rises while one is stuck. */
function ageMs(shard: ShardState, nowMs: number): number {
  const oldest = shard.outstanding.find((record) => !record.isDone);
  return oldest === undefined ? shard.millisBehindLatest : nowMs - oldest.record.arrivalMs;
}
