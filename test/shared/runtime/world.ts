import { Buffer } from 'node:buffer';
import { createMemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import { createMemoryDeadLetters } from '#shared/adapters/memory/dead-letters.ts';
import { createMemoryLeaseStore } from '#shared/adapters/memory/lease-store.ts';
import { createMemoryResultStore } from '#shared/adapters/memory/result-store.ts';
import { createMemoryRunStore } from '#shared/adapters/memory/run-store.ts';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import type { OverflowLimits } from '#shared/engine/overflow.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { Exchange, ExchangeEntry } from '#shared/ports/exchange.ts';
import type { ExchangeReader, ExchangeRecord, ExchangeShard } from '#shared/ports/exchange-reader.ts';
import type { ShardDirectory } from '#shared/ports/shard-directory.ts';
import { createAggregate } from '#shared/runtime/aggregate.ts';
import { createPreprocess, type Preprocess, type RawRecord } from '#shared/runtime/preprocess.ts';
import { createReader } from '#shared/runtime/read.ts';
import { createTick } from '#shared/runtime/tick.ts';
import { createWorker, type Worker } from '#shared/runtime/worker.ts';
import { watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';

/** Time that moves when somebody sleeps, and not otherwise. */
export interface ManualClock extends Clock {
  readonly slept: readonly number[];
  readonly move: (ms: number) => void;
}

export function createManualClock(startMs = 1_000_000): ManualClock {
  let nowMs = startMs;
  const slept: number[] = [];
  return {
    slept,
    now: () => nowMs,
    sleep: async (ms) => {
      slept.push(ms);
      nowMs += ms;
    },
    move: (ms) => {
      nowMs += ms;
    },
  };
}

interface StoredShard extends ExchangeShard {
  readonly records: ExchangeRecord[];
  closed: boolean;
}

/** A stream with shards by ranges of the hash key, which can be split. */
export class MemoryExchange implements Exchange, ExchangeReader, ShardDirectory {
  readonly stored: StoredShard[];
  readonly #clock: Clock;
  #sequence = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.stored = [shardOf('shard-0', [], 0n, 2n ** 128n - 1n)];
  }

  readonly put = async (entries: readonly ExchangeEntry[]): Promise<readonly number[]> => {
    for (const { explicitHashKey, bytes } of entries) {
      const hashKey = BigInt(explicitHashKey);
      const shard = this.stored.find(
        (one) => !one.closed && one.startingHashKey <= hashKey && hashKey <= one.endingHashKey,
      );
      this.#sequence += 1;
      shard?.records.push({ sequence: String(this.#sequence), arrivalMs: this.#clock.now(), bytes });
    }
    return [];
  };

  readonly shards = async (): Promise<readonly ExchangeShard[]> => [...this.stored];

  readonly list = async () => this.stored.map(({ shardId, parents }) => ({ shardId, parents }));

  readonly read = async (shardId: string, after: string | undefined) => {
    const shard = this.stored.find((one) => one.shardId === shardId) as StoredShard;
    const behind = shard.records.filter(({ sequence }) => after === undefined || Number(sequence) > Number(after));
    // A few at a time, so that a reader has to come again.
    const records = behind.slice(0, 3);
    const ended = shard.closed && records.length === behind.length;
    return { records, ended, millisBehindLatest: behind.length - records.length };
  };

  /** Cuts the first open shard in two. */
  split(): void {
    const parent = this.stored.find((one) => !one.closed) as StoredShard;
    const middle = (parent.startingHashKey + parent.endingHashKey) / 2n;
    parent.closed = true;
    const { shardId, startingHashKey, endingHashKey } = parent;
    this.stored.push(
      shardOf(`${shardId}-low`, [shardId], startingHashKey, middle),
      shardOf(`${shardId}-high`, [shardId], middle + 1n, endingHashKey),
    );
  }
}

function shardOf(
  shardId: string,
  parents: readonly string[],
  startingHashKey: bigint,
  endingHashKey: bigint,
): StoredShard {
  return { shardId, parents, startingHashKey, endingHashKey, closed: false, records: [] };
}

/** Enough to take what has become free, to restore it and to read it. */
const quietRoundsMax = 20;

/** The hosts of one pipeline over stores in memory. */
export class World {
  readonly pipeline: Pipeline;
  readonly clock = createManualClock();
  readonly exchange = new MemoryExchange(this.clock);
  readonly state = createMemoryStateStore();
  readonly leases = createMemoryLeaseStore();
  readonly results = createMemoryResultStore();
  readonly blobs = createMemoryBlobStore();
  readonly archive = createMemoryBlobStore();
  readonly deadLetters = createMemoryDeadLetters();
  readonly telemetry = createMemoryTelemetry();
  /** The workers' scratch disk. */
  readonly runs = createMemoryRunStore();
  readonly #rawShards: readonly string[];
  #workers = 0;
  readonly #aggregated = new Map<string, number>();

  constructor(pipeline: Pipeline, rawShards: readonly string[]) {
    this.pipeline = pipeline;
    this.#rawShards = rawShards;
  }

  preprocess(source = 'readings'): Preprocess {
    const directory = { list: async () => this.#rawShards.map((shardId) => ({ shardId, parents: [] })) };
    // Small chunks, so that a batch is several and a record is cut.
    const limits = { outputsPerChunkMax: 5, blockBytesMax: 2_000 };
    return createPreprocess({ ...this.#ports(), exchange: this.exchange, directory, source, limits });
  }

  async tick(): Promise<void> {
    await createTick({ ...this.#ports(), exchange: this.exchange }).tick();
  }

  /** The aggregate stage takes all that it has not seen, in batches of `batchMax`. */
  async aggregate(batchMax = 4): Promise<void> {
    const { process } = createAggregate({ ...this.#ports(), directory: this.exchange });
    for (const { shardId, records } of this.exchange.stored) {
      for (let at = this.#aggregated.get(shardId) ?? 0; at < records.length; at += batchMax)
        await process({ shardId, records: records.slice(at, at + batchMax) });
      this.#aggregated.set(shardId, records.length);
    }
  }

  /** A worker runs until it finds nothing new, or has read `readsMax` times, and stops. It may have little memory. */
  async work(readsMax = Number.POSITIVE_INFINITY, memory?: OverflowLimits): Promise<void> {
    let reads = 0;
    let quietRounds = 0;
    this.#workers += 1;
    const read = async (shardId: string, after: string | undefined) => {
      const batch = await this.exchange.read(shardId, after);
      if (batch.records.length > 0 || batch.ended) quietRounds = 0;
      reads += 1;
      if (reads >= readsMax) worker.stop().catch(() => undefined);
      return batch;
    };
    const worker: Worker = createWorker({
      ...this.#ports(),
      worker: `worker-${this.#workers}`,
      leases: this.leases,
      reader: { shards: this.exchange.shards, read },
      exchange: this.exchange,
      blobs: this.blobs,
      archive: this.archive,
      ...(memory && { overflow: { store: this.runs, ...memory } }),
      onAlive: () => {
        quietRounds += 1;
        if (quietRounds > quietRoundsMax) worker.stop().catch(() => undefined);
      },
    });
    await worker.run();
  }

  /** All rows of a view as JSON, a line each. */
  async lines(view: string): Promise<readonly string[]> {
    return linesOf(await createReader(this.#ports()).rows({ view, fromMs: Number.MIN_SAFE_INTEGER }));
  }

  counts() {
    return createReader(this.#ports()).counts();
  }

  #ports() {
    const { pipeline, clock, state, results, deadLetters, telemetry } = this;
    return { pipeline, clock, state, results, deadLetters, telemetry };
  }
}

export function linesOf(rows: readonly PrintedRow[]): readonly string[] {
  return rows.map((row) => JSON.stringify(row));
}

export function rawRecord(sequence: number, text: string, partitionKey = 'p'): RawRecord {
  return { sequence: String(sequence), partitionKey, bytes: Buffer.from(text), arrivalMs: sequence };
}

/** A promise that nothing older follows. */
export function punctuation(sequence: number, watermarkMs: number): RawRecord {
  return rawRecord(sequence, JSON.stringify({ watermark: watermarkMs }), watermarkPartitionKey);
}
