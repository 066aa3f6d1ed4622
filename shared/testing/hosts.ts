import { createMemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import { createMemoryDeadLetters } from '#shared/adapters/memory/dead-letters.ts';
import { createMemoryLeaseStore } from '#shared/adapters/memory/lease-store.ts';
import { createMemoryLookupTables } from '#shared/adapters/memory/lookup-tables.ts';
import { createMemoryResultStore } from '#shared/adapters/memory/result-store.ts';
import { createMemoryRunStore } from '#shared/adapters/memory/run-store.ts';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import type { OverflowLimits } from '#shared/engine/state/overflow.ts';
import type { ChunkLimits } from '#shared/engine/transform/exchange.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { sinksOf, stepsOf } from '#shared/pipeline/plan.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { ShardDirectory } from '#shared/ports/shard-directory.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { type Aggregate, createAggregate } from '#shared/runtime/aggregate.ts';
import { createPreprocess, type Preprocess, type RawRecord } from '#shared/runtime/preprocess.ts';
import { createReader, type Reader } from '#shared/runtime/read.ts';
import { createTick } from '#shared/runtime/tick.ts';
import { createWorker, type Worker } from '#shared/runtime/worker.ts';
import { hasCode } from '#shared/schemas/error.ts';
import { type FaultOptions, Faults, FaultyExchange, HostProcess, Killed } from './faults.ts';
import { createManualClock } from './manual-clock.ts';
import { MemoryStream } from './memory-stream.ts';

/** Enough to wait until a lease has run out, to take what has become free, to restore it and to read it. */
const quietRoundsMaxDefault = 20;
/** Of one batch. A lone record whose process dies three times is taken for poison (rule 6), and nothing tells a fault from a record. */
const killsMax = 2;
/** Of one batch, for each that has died. */
const resentMax = killsMax;

export interface HostsOptions {
  readonly startMs?: number;
  readonly exchangeShards?: number;
  /** What the hosts go by, made of the clock of the streams; by default that clock, so that a host that sleeps moves all time. */
  readonly hostClock?: (clock: Clock) => Clock;
  readonly chunkLimits?: ChunkLimits;
  readonly readRecordsMax?: number;
  readonly faults?: FaultOptions | undefined;
  /** After how many rounds in which it has read nothing a worker stops. */
  readonly quietRoundsMax?: number;
  /** Whether metrics and logs are gathered. Default true. */
  readonly isHeard?: boolean;
}

/** The hosts of one pipeline, all of them as they are deployed, over streams and stores in memory. */
export class Hosts {
  readonly pipeline: Pipeline;
  readonly clock;
  readonly exchange: MemoryStream;
  readonly state = createMemoryStateStore();
  readonly leases = createMemoryLeaseStore();
  readonly results = createMemoryResultStore();
  readonly blobs = createMemoryBlobStore();
  readonly archive = createMemoryBlobStore();
  readonly deadLetters = createMemoryDeadLetters();
  /** What the hosts have reported, unless nobody wants to hear it. */
  readonly telemetry = createMemoryTelemetry();
  readonly #isHeard: boolean;
  readonly #quietRoundsMax: number;
  /** The workers' scratch disk. */
  readonly runs = createMemoryRunStore();
  /** The tables that records are enriched from. */
  readonly lookupTables;
  /** The streams of the views that go to one. */
  readonly rowStreams: ReadonlyMap<string, MemoryStream>;
  readonly faults: Faults;
  readonly #network: FaultyExchange;
  readonly #hostClock: Clock;
  readonly #chunkLimits: ChunkLimits | undefined;
  /** By source; undefined after a death. */
  readonly #preprocess = new Map<string, Preprocess>();
  #workers = 0;
  #reader: Reader | undefined;
  readonly #aggregated = new Map<string, number>();

  constructor(pipeline: Pipeline, options: HostsOptions = {}) {
    this.pipeline = pipeline;
    this.clock = createManualClock(options.startMs);
    this.#hostClock = options.hostClock?.(this.clock) ?? this.clock;
    this.#chunkLimits = options.chunkLimits;
    this.#isHeard = options.isHeard ?? true;
    this.#quietRoundsMax = options.quietRoundsMax ?? quietRoundsMaxDefault;
    this.faults = new Faults(options.faults);
    const { clock } = this;
    const read = options.readRecordsMax === undefined ? {} : { readRecordsMax: options.readRecordsMax };
    const shardIds = Array.from({ length: options.exchangeShards ?? 1 }, (_, index) => `shard-${index}`);
    this.exchange = new MemoryStream({ clock, shardIds, ...read });
    this.#network = new FaultyExchange(this.exchange, this.faults);
    this.lookupTables = createMemoryLookupTables(lookupTablesOf(pipeline.plan).map(({ spec }) => spec));
    this.rowStreams = new Map(
      stepsOf(pipeline.plan)
        .filter((step) => sinksOf(step).stream !== undefined)
        .map(({ id }) => [id, new MemoryStream({ clock })]),
    );
  }

  createPreprocess(source: string, directory: ShardDirectory, process = this.#immortal()): Preprocess {
    return createPreprocess({
      ...this.#ports(process),
      exchange: process.port(this.#network),
      directory: process.port(directory),
      lookupTables: process.port(this.lookupTables),
      source,
      ...(this.#chunkLimits && { limits: this.#chunkLimits }),
    });
  }

  /** The preprocess stage takes a batch of a raw shard, however often it dies on the way, and perhaps once more. */
  async preprocessBatch(
    source: string,
    directory: ShardDirectory,
    batch: { readonly shardId: string; readonly records: readonly RawRecord[] },
  ): Promise<void> {
    do {
      let { records } = batch;
      await this.#survive(async (process) => {
        const stage = process && this.createPreprocess(source, directory, process);
        const { failedFrom } = await (stage ?? this.#warm(source, directory)).process({ ...batch, records });
        if (failedFrom !== undefined) records = records.slice(records.findIndex((one) => one.sequence === failedFrom));
        return failedFrom === undefined;
      });
    } while (this.faults.isFault('redelivery'));
  }

  async tick(): Promise<void> {
    await createTick({ ...this.#ports(this.#immortal()), exchange: this.exchange }).tick();
  }

  /** The aggregate stage takes all that it has not seen, in batches of `batchMax`. */
  async aggregate(batchMax = 4): Promise<void> {
    const warm = this.#createAggregate(this.#immortal());
    for (const { shardId, records } of this.exchange.stored) {
      for (let at = this.#aggregated.get(shardId) ?? 0; at < records.length; at += batchMax) {
        const batch = { shardId, records: records.slice(at, at + batchMax) };
        do {
          await this.#survive(async (process) => {
            await (process === undefined ? warm : this.#createAggregate(process)).process(batch);
            return true;
          });
        } while (this.faults.isFault('redelivery'));
      }
      this.#aggregated.set(shardId, records.length);
    }
  }

  /** A worker runs until it finds nothing new, or has read `readsMax` times, and stops. It may have little memory. */
  async work(readsMax = Number.POSITIVE_INFINITY, memory?: OverflowLimits): Promise<void> {
    await this.#survive(async (process = this.#immortal()) => {
      await this.#workOnce(process, readsMax, memory);
      return true;
    });
  }

  /** What was put and given up for lost comes through. */
  async land(): Promise<void> {
    await this.#network.land();
  }

  reader(): Reader {
    this.#reader ??= createReader(this);
    return this.#reader;
  }

  async #workOnce(process: HostProcess, readsMax: number, memory: OverflowLimits | undefined): Promise<void> {
    let reads = 0;
    let quietRounds = 0;
    this.#workers += 1;
    let isStopping = false;
    const stop = (): void => {
      // Each call wakes it up, and who is woken again and again lets nobody else have a turn.
      if (!isStopping) worker.stop().catch(() => undefined);
      isStopping = true;
    };
    const read = async (shardId: string, after: string | undefined) => {
      const batch = await this.exchange.read(shardId, after);
      if (batch.records.length > 0 || batch.ended) quietRounds = 0;
      reads += 1;
      if (reads >= readsMax) stop();
      return batch;
    };
    const worker: Worker = createWorker({
      ...this.#ports(process),
      worker: `worker-${this.#workers}`,
      // What they are asked again and again would only bring forward when it dies.
      leases: process.port(this.leases, true),
      reader: process.port({ shards: this.exchange.shards, read }, true),
      exchange: process.port(this.#network),
      blobs: process.port(this.blobs),
      archive: process.port(this.archive),
      rowStreams: new Map([...this.rowStreams].map(([view, stream]) => [view, process.port(stream)])),
      ...(memory && { overflow: { store: this.runs, ...memory } }),
      onAlive: () => {
        quietRounds += 1;
        if (quietRounds > this.#quietRoundsMax) stop();
      },
    });
    await process.run(() => worker.run());
  }

  /** Starts a process for `work` until one comes through; undefined: any that is warm will do, since none can die. */
  async #survive(work: (process: HostProcess | undefined) => Promise<boolean>): Promise<void> {
    for (let kills = 0, resent = 0; ; ) {
      const process = this.faults.canKill && kills < killsMax ? new HostProcess(this.faults, true) : undefined;
      try {
        if (await (process?.run(() => work(process)) ?? work(undefined))) return;
      } catch (error) {
        if (error instanceof Killed) kills += 1;
        // Who has died was ahead of it: as its message says, the batch is sent again.
        else if (kills > 0 && resent < resentMax && hasCode(error, 'STORE_CONFLICT')) resent += 1;
        else throw error;
      }
    }
  }

  #warm(source: string, directory: ShardDirectory): Preprocess {
    const known = this.#preprocess.get(source) ?? this.createPreprocess(source, directory);
    this.#preprocess.set(source, known);
    return known;
  }

  #createAggregate(process: HostProcess): Aggregate {
    return createAggregate({ ...this.#ports(process), directory: process.port(this.exchange) });
  }

  #immortal(): HostProcess {
    return new HostProcess(this.faults, false);
  }

  #ports(process: HostProcess) {
    return {
      pipeline: this.pipeline,
      clock: process.port(this.#hostClock, true),
      state: process.port(this.state),
      results: process.port(this.results),
      deadLetters: process.port(this.deadLetters),
      telemetry: this.#isHeard ? this.telemetry : silent,
    };
  }
}

const silent: Telemetry = { metric: () => {}, log: () => {}, flush: () => {} };
