import { type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import { LeaseBook } from '#shared/engine/slots/leases.ts';
import { Overflow, type OverflowLimits } from '#shared/engine/state/overflow.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { ExchangeShard } from '#shared/ports/exchange-reader.ts';
import type { LeaseStore } from '#shared/ports/lease-store.ts';
import type { RunStore } from '#shared/ports/run-store.ts';
import { hasCode, MillraceError } from '#shared/schemas/error.ts';
import type { Lease } from '#shared/schemas/lease.ts';
import { createAdmission } from './admission.ts';
import { createGenerations } from './generations.ts';
import { ReadBudget } from './read-budget.ts';
import { type ReaderEnd, ShardReader } from './shard-reader.ts';
import type { ReadingOptions } from './shard-reader-options.ts';

export interface WorkerOptions extends ReadingOptions {
  readonly pipeline: Pipeline;
  /** A name that no other process has or had. */
  readonly worker: string;
  readonly leases: LeaseStore;
  /** How often at most the state is written. A crash repeats the work since the last time. Default 10 s. */
  readonly checkpointEveryMs?: number;
  /** Where state goes that memory has no room for, and how much that has. Without it all state is in memory. */
  readonly overflow?: OverflowLimits & { readonly store: RunStore };
  /** After how long without progress a shard goes to somebody else. Default 10 s. */
  readonly leasePeriodMs?: number;
  /** Bytes that may have been read and not applied yet, over all its shards. Default 64 MiB. */
  readonly readBudget?: ReadBudget;
  /** Called while the worker lives and none of its readers hangs: its sign of life. */
  readonly onAlive?: () => void;
}

export interface Worker {
  /** Whether it takes part in the work: it reads a shard, or there are fewer shards than workers. */
  readonly isReady: () => boolean;
  /** Whether the state of a shard is on its way: it is being restored, or handed over. */
  readonly isMoving: () => boolean;
  /** Works until `stop`. Rejects when the outside world fails for good: the host then exits, and others go on from the snapshots. */
  readonly run: () => Promise<void>;
  /** Hands over: ends after the batches at hand, with a snapshot of everything, and frees the leases. */
  readonly stop: () => Promise<void>;
}

const checkpointEveryMsDefault = 10_000;
const leasePeriodMsDefault = 10_000;
/** In one period there is time to notice a newcomer, to hand over, and to take. */
const roundsPerPeriod = 5;
/** A split or merge is noticed at the latest after this; the end of a shard is noticed at once. */
const listEveryMs = 10_000;
/** A reader that was given up and still hangs after so many periods: the process had better be replaced. */
const hangingPeriodsMax = 6;

/**
 * A worker of the window stage. It shares the shards of the exchange with the other workers by leases, and reads its own side by side.
 * Leases keep two workers from doing the same work; if two do it all the same, positions keep the results right (rule 15).
 */
export function createWorker(options: WorkerOptions): Worker {
  const run = new WorkerRun(options, compile(options.pipeline));
  let running: Promise<void> | undefined;
  return {
    isReady: () => run.isReady,
    isMoving: () => run.isMoving,
    run: () => {
      running = run.run();
      return running;
    },
    stop: async () => {
      run.stop();
      await running;
    },
  };
}

/** A shard that this worker reads. */
interface Reading {
  readonly reader: ShardReader;
  /** Of the lease under which it reads. */
  readonly epoch: number;
  /** The reader's progress at the last renewal, and when that was. */
  renewedProgress: number;
  renewedMs: number;
  /** How long it may stand still. */
  patienceMs: number;
  end: ReaderEnd | 'failed' | undefined;
}

class WorkerRun {
  readonly #options: WorkerOptions;
  readonly #pipeline: CompiledPipeline;
  readonly #periodMs: number;
  readonly #book: LeaseBook;
  readonly #readings = new Map<string, Reading>();
  /** Given up, and still in the middle of a call. */
  readonly #hanging = new Map<Reading, number>();
  /** By shard, after a reader that was stuck: what the next one is given. Else a restore that takes longer than a lease would begin for ever. */
  readonly #patienceMs = new Map<string, number>();
  readonly #admit: () => Promise<void>;

  readonly #budget: ReadBudget;
  readonly #overflow: Overflow | undefined;
  readonly #generationOf: (shardId: string) => Promise<number>;
  #shards: readonly ExchangeShard[] = [];
  #listedMs = Number.NEGATIVE_INFINITY;
  #beats = 0;
  #readerCount = 0;
  /** How many shards it should read; undefined before it has looked. */
  #quota: number | undefined;
  #isStopping = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;
  #isWoken = false;

  constructor(options: WorkerOptions, pipeline: CompiledPipeline) {
    this.#options = options;
    this.#pipeline = pipeline;
    this.#overflow = options.overflow && new Overflow(options.overflow.store, options.overflow);
    this.#periodMs = options.leasePeriodMs ?? leasePeriodMsDefault;
    this.#budget = options.readBudget ?? new ReadBudget();
    this.#book = new LeaseBook(options.worker, this.#periodMs);
    this.#admit = createAdmission(options.pipeline, options.state);
    this.#generationOf = createGenerations({ list: () => options.reader.shards() }, options.state);
  }

  async run(): Promise<void> {
    try {
      while (!this.#isStopping || this.#readings.size > 0) {
        await this.#tryRound();
        if (this.#failure !== undefined) throw this.#failure.error;
        if (!this.#isStopping || this.#readings.size > 0) await this.#pause();
      }
    } finally {
      for (const { reader } of this.#readings.values()) reader.abandon();
    }
  }

  get isReady(): boolean {
    if (this.#isStopping || this.#quota === undefined) return false;
    return this.#quota === 0 || this.#readings.size > 0;
  }

  get isMoving(): boolean {
    return [...this.#readings.values()].some(({ reader }) => reader.isMoving);
  }

  stop(): void {
    this.#isStopping = true;
    for (const { reader } of this.#readings.values()) reader.stop();
    this.#wakeUp();
  }

  /** Waits for the next round, or until a reader has come to its end. */
  #pause(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wake = resolve;
      if (this.#isWoken) resolve();
      else this.#options.clock.sleep(this.#periodMs / roundsPerPeriod).then(resolve, reject);
      this.#isWoken = false;
    });
  }

  #wakeUp(): void {
    this.#isWoken = true;
    this.#wake();
  }

  /** What does not work for the moment is tried again in the next round; until then nothing is renewed. */
  async #tryRound(): Promise<void> {
    try {
      await this.#round();
    } catch (error) {
      if (!(error instanceof MillraceError && error.retry)) throw error;
      this.#options.telemetry.log('warn', 'The leases could not be looked after; that is tried again.', {
        error: error.message,
      });
    }
  }

  async #round(): Promise<void> {
    if (this.#beats === 0) await this.#admit();
    const { clock, leases, worker, telemetry } = this.#options;
    this.#beats += 1;
    // Who leaves says so first: while it still hands over, the others see that there will be more for them.
    if (this.#isStopping) await leases.leave(worker);
    else await leases.announce({ worker, beats: this.#beats });
    const isListed = await this.#listShards();
    this.#book.observe(await leases.list(), clock.now());
    if (isListed) await this.#forgetUnlisted();
    for (const [shardId, reading] of this.#readings) await this.#lookAfter(shardId, reading);
    if (!this.#isStopping) await this.#share();
    this.#reportLife();
    telemetry.metric('leases', this.#readings.size, { stage: 'window' });
    const readers = [...this.#readings.values()].map(({ reader }) => reader);
    telemetry.metric(
      'state_keys',
      sum(readers, (reader) => reader.keyCount),
      { stage: 'window' },
    );
    telemetry.metric(
      'open_windows',
      sum(readers, (reader) => reader.openCount),
      { stage: 'window' },
    );
    telemetry.metric('checkpoint_age_ms', Math.max(0, ...readers.map((reader) => clock.now() - reader.savedMs)), {
      stage: 'window',
    });
  }

  /** True when the list is a new one. */
  async #listShards(): Promise<boolean> {
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#listedMs < listEveryMs) return false;
    this.#shards = await this.#options.reader.shards();
    this.#listedMs = nowMs;
    return true;
  }

  /** A shard leaves the list with its retention; nobody asks any more whether it is finished. */
  async #forgetUnlisted(): Promise<void> {
    const listed = new Set(this.#shards.map(({ shardId }) => shardId));
    for (const { shardId, finished } of this.#book.leases)
      if (finished && !listed.has(shardId)) await this.#options.leases.remove(shardId);
  }

  /** Renews, gives back, or gives up one lease, as its reader and the table say. */
  async #lookAfter(shardId: string, reading: Reading): Promise<void> {
    const { clock, worker, telemetry } = this.#options;
    const lease = this.#book.leaseOf(shardId);
    if (lease === undefined || lease.owner !== worker || lease.epoch !== reading.epoch) {
      this.#giveUp(shardId, reading, 'Another worker has taken the shard.');
      return;
    }
    if (reading.end === 'failed') {
      // The lease stays: whoever goes on from the snapshots may well be this worker.
      this.#readings.delete(shardId);
      await this.#read(shardId, lease, reading.reader.savedMs);
      return;
    }
    // Nobody waits until a large state is there, only to hand it over.
    if (reading.end === undefined && this.#isStopping && !reading.reader.isRestored) {
      this.#giveUp(shardId, reading, 'The worker stops, and has not restored it yet.');
      await this.#write({ ...lease, owner: undefined }, lease);
      return;
    }
    if (reading.end !== undefined) {
      this.#readings.delete(shardId);
      const finished = reading.end === 'ended';
      await this.#write({ ...lease, owner: undefined, finished }, lease);
      if (finished) {
        this.#listedMs = Number.NEGATIVE_INFINITY;
        telemetry.log('info', 'A shard has been read to its end.', { shard: shardId });
      }
      return;
    }
    if (reading.reader.progress !== reading.renewedProgress) {
      const { progress } = reading.reader;
      if (!(await this.#write({ ...lease, renewals: lease.renewals + 1 }, lease))) {
        this.#giveUp(shardId, reading, 'Another worker has taken the shard.');
        return;
      }
      reading.renewedProgress = progress;
      reading.renewedMs = clock.now();
      if (reading.reader.hasSaved) reading.patienceMs = this.#periodMs;
      return;
    }
    // Whoever holds on to a lease without getting on keeps others from doing the work; what is more than its share those take after one period (see `LeaseBook.plan`).
    if (clock.now() - reading.renewedMs < reading.patienceMs) return;
    this.#patienceMs.set(shardId, 2 * reading.patienceMs);
    this.#giveUp(shardId, reading, 'Its reader is stuck.');
  }

  async #share(): Promise<void> {
    const { quota, take, release } = this.#book.plan(this.#shards, this.#readings);
    this.#quota = quota;
    for (const shardId of release) {
      const reading = this.#readings.get(shardId);
      if (reading?.reader.isBehind === false) reading.reader.stop();
    }
    for (const read of take) {
      const { shardId } = read;
      const lease = { ...read, owner: this.#options.worker, epoch: read.epoch + 1, renewals: read.renewals + 1 };
      if (!(await this.#write(lease, read.epoch === 0 ? undefined : read))) continue;
      await this.#read(shardId, lease);
    }
  }

  /** False when somebody else was first. */
  async #write(lease: Lease, read: Lease | undefined): Promise<boolean> {
    if ((await this.#options.leases.write(lease, read)) === 'conflict') return false;
    this.#book.replace(lease);
    return true;
  }

  async #read(shardId: string, { epoch }: Lease, savedMs?: number): Promise<void> {
    const { clock, telemetry, checkpointEveryMs = checkpointEveryMsDefault } = this.#options;
    const shard = this.#shards.find((listed) => listed.shardId === shardId);
    if (shard === undefined) return;
    this.#readerCount += 1;
    const { overflow: _, ...options } = this.#options;
    const reader = new ShardReader({
      ...options,
      ...(this.#overflow && { overflow: this.#overflow }),
      owner: `${this.#options.worker}.${this.#readerCount}`,
      pipeline: this.#pipeline,
      shard,
      generation: await this.#generationOf(shardId),
      generationOf: this.#generationOf,
      checkpointEveryMs,
      savedMs,
      budget: this.#budget,
    });
    const patienceMs = this.#patienceMs.get(shardId) ?? this.#periodMs;
    this.#patienceMs.delete(shardId);
    const reading: Reading = { reader, epoch, renewedProgress: 0, renewedMs: clock.now(), patienceMs, end: undefined };
    this.#readings.set(shardId, reading);
    // Asked to stop while the lease was being taken: it is handed over like the others.
    if (this.#isStopping) reader.stop();
    telemetry.log('info', 'A shard is taken.', { shard: shardId, epoch });
    reader.run().then(
      (end) => this.#ended(reading, end),
      (error: unknown) => this.#failed(shardId, reading, error),
    );
  }

  #ended(reading: Reading, end: ReaderEnd): void {
    reading.end = end;
    this.#hanging.delete(reading);
    this.#wakeUp();
  }

  #failed(shardId: string, reading: Reading, error: unknown): void {
    const isGivenUp = this.#readings.get(shardId) !== reading;
    // Fenced: somebody else has written a snapshot of one of our slots. It is as good as ours; we go on from there if the lease is ours.
    const canGoOn = hasCode(error, 'SNAPSHOT_FENCED') || (error instanceof MillraceError && error.retry);
    if (!isGivenUp && !canGoOn) this.#failure ??= { error };
    this.#options.telemetry.log('warn', 'The reader of a shard has stopped.', {
      shard: shardId,
      error: error instanceof Error ? error.message : String(error),
    });
    reading.end = 'failed';
    this.#hanging.delete(reading);
    // No waking up: what has just failed is not tried again at once.
  }

  #giveUp(shardId: string, reading: Reading, reason: string): void {
    const { clock, telemetry } = this.#options;
    reading.reader.abandon();
    this.#readings.delete(shardId);
    // It is no shorter when the shard comes back from another worker.
    if (!this.#patienceMs.has(shardId)) this.#patienceMs.set(shardId, reading.patienceMs);
    if (reading.end === undefined) this.#hanging.set(reading, clock.now());
    telemetry.log('warn', 'A shard is given up.', { shard: shardId, epoch: reading.epoch, reason });
  }

  #reportLife(): void {
    const hangsSinceMs = Math.min(...this.#hanging.values());
    const nowMs = this.#options.clock.now();
    if (this.#hanging.size === 0 || nowMs - hangsSinceMs < this.#periodMs * hangingPeriodsMax)
      this.#options.onAlive?.();
  }
}

function sum<Value>(values: readonly Value[], of: (value: Value) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}
