import type { NotedLookups } from '#shared/schemas/lookup.ts';
import type { LogPosition } from '#shared/schemas/position.ts';
import type {
  CellId,
  Checkpoint,
  LateMark,
  OriginCounts,
  RecordedContract,
  Stage,
  StoredCell,
} from '#shared/schemas/state.ts';

/** A write either happened, or found that somebody else had written first. */
export type WriteOutcome = 'written' | 'conflict';

/** On what condition a checkpoint is replaced. */
export type CheckpointCondition =
  /** The stored position is the one that was read (rule 13); undefined: there was none. */
  | { readonly kind: 'unchanged'; readonly position: LogPosition | undefined }
  /**
   * The stored revision is the one that was read or written last, and the stored position is not above the new one (rule 15). Undefined:
   * there was no checkpoint, or one without a revision.
   *
   * The position alone would not do: the state at a position is one, but the blobs that hold it are not. Two owners at the same P have
   * chains of their own, a delta fits only onto the chain that it was made for, and who replaces a chain removes it.
   */
  | { readonly kind: 'revision'; readonly revision: string | undefined };

/** State of one pipeline. Every read is strongly consistent (rule 11). Rejects with `STORE_UNAVAILABLE` when trying again may help. */
export interface StateStore {
  readonly readCheckpoint: (stage: Stage, slot: number) => Promise<Checkpoint | undefined>;
  readonly writeCheckpoint: (request: {
    readonly stage: Stage;
    readonly slot: number;
    readonly checkpoint: Checkpoint;
    readonly condition: CheckpointCondition;
  }) => Promise<WriteOutcome>;

  /** The cells asked for, in that order; undefined where there is none. */
  readonly readCells: (ids: readonly CellId[]) => Promise<readonly (StoredCell | undefined)[]>;
  /** All cells of a pane in a slot, its total included. */
  readonly listCells: (pane: Omit<CellId, 'group'>) => Promise<readonly StoredCell[]>;
  /** Writes on condition that the stored position is the one read (rule 12); undefined: there was no such cell. */
  readonly writeCell: (request: {
    readonly cell: StoredCell;
    readonly read: LogPosition | undefined;
    /** When the store may remove it, in milliseconds since the epoch. */
    readonly expiresMs: number;
  }) => Promise<WriteOutcome>;

  readonly readOrigin: (source: string, shard: string) => Promise<OriginCounts | undefined>;
  /** Writes on condition that the stored counts are still those that were read. */
  readonly writeOrigin: (request: {
    readonly source: string;
    readonly shard: string;
    readonly counts: OriginCounts;
    readonly read: OriginCounts | undefined;
  }) => Promise<WriteOutcome>;
  readonly listOrigins: () => Promise<
    readonly { readonly source: string; readonly shard: string; readonly counts: OriginCounts }[]
  >;

  /** The note of what was looked up for records of a raw shard. */
  readonly readLookups: (source: string, shard: string) => Promise<NotedLookups | undefined>;
  /** Writes on condition that the stored note is the one read; undefined: there was none. */
  readonly writeLookups: (request: {
    readonly source: string;
    readonly shard: string;
    readonly lookups: NotedLookups;
    readonly read: string | undefined;
    /** When the store may remove it, in milliseconds since the epoch. */
    readonly expiresMs: number;
  }) => Promise<WriteOutcome>;

  /** Idempotent: a mark is the same whenever it is made. */
  readonly addLateMarks: (marks: readonly LateMark[]) => Promise<void>;
  readonly listLateMarks: () => Promise<readonly LateMark[]>;

  readonly readContract: () => Promise<RecordedContract | undefined>;
  /** Writes on condition that the stored contract is still the one that was read; undefined: there was none. */
  readonly writeContract: (request: {
    readonly contract: RecordedContract;
    readonly read: RecordedContract | undefined;
  }) => Promise<WriteOutcome>;

  /** Generations of exchange shards by shard id (rule 7). */
  readonly readGenerations: () => Promise<ReadonlyMap<string, number>>;
  /** Recorded when first seen; what is recorded stays. */
  readonly recordGeneration: (shardId: string, generation: number) => Promise<void>;
}
