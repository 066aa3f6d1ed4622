import type { CompiledPipeline } from '#shared/engine/compile/compile.ts';
import type { Overflow } from '#shared/engine/state/overflow.ts';
import type { ChunkLimits } from '#shared/engine/transform/exchange.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { DeadLetters } from '#shared/ports/dead-letters.ts';
import type { Exchange } from '#shared/ports/exchange.ts';
import type { ExchangeReader, ExchangeShard } from '#shared/ports/exchange-reader.ts';
import type { ResultStore } from '#shared/ports/result-store.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import type { ReadBudget } from './read-budget.ts';
import type { SnapshotLimits } from './snapshots.ts';

/** What a worker reads from, keeps its state in, and writes to: each of its readers alike. */
export interface ReadingOptions {
  readonly reader: ExchangeReader;
  /** The way into the stream that is read: rows that are a stream again go through it. Only where steps have some. */
  readonly exchange?: Exchange;
  readonly state: StateStore;
  readonly results: ResultStore;
  readonly blobs: BlobStore;
  /** Where the views' files go; needed by a pipeline that has a view with files. */
  readonly archive?: BlobStore;
  /** The views' streams; needed for each view that goes to one. */
  readonly rowStreams?: ReadonlyMap<string, Exchange>;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly snapshotLimits?: Partial<SnapshotLimits>;
  readonly chunkLimits?: ChunkLimits;
  /** Of what a block closes or shows: looked at in one go. */
  readonly keysAtOnceMax?: number;
  /** How often at most all slots are told that the watermarks of rows have moved. By default it follows the number of slots. */
  readonly heartbeatEveryMs?: number;
}

/** What the reader of one shard is given. */
export interface ShardReaderOptions extends ReadingOptions {
  readonly pipeline: CompiledPipeline;
  readonly shard: ExchangeShard;
  /** Of the shard (rule 7). */
  readonly generation: number;
  readonly generationOf: (shardId: string) => Promise<number>;
  /** Of the snapshots: unique to this reader. */
  readonly owner: string;
  /** Shared by all readers of the process. Without it all state is in memory. */
  readonly overflow?: Overflow;
  /** How often at most the state is written. A crash repeats the work since the last time. */
  readonly checkpointEveryMs: number;
  /** Of all readers of the worker. */
  readonly budget: ReadBudget;
  /** When the state was written last, where the reader before this one failed: one that fails again and again must not look well. */
  readonly savedMs?: number | undefined;
}
