import type { LogPosition } from './position.ts';
import type { LateMark, OriginCounts, SnapshotPiece, Stage } from './state.ts';

/**
 * What a savepoint holds, besides the objects that it names. Each slot's state is whole and of its own position: a slot's state is a
 * function of its log, and its marks say what of each raw shard is in it.
 */
export interface SavepointManifest {
  readonly version: 1;
  readonly id: string;
  readonly pipeline: string;
  /** ISO 8601. */
  readonly created: string;
  /** Hash of the plan, and its contract as JSON. */
  readonly plan: string;
  readonly contract: string;
  /** The highest generation of the exchange's shards: what comes after a restore must stand above (rule 7). */
  readonly generation: number;
  /** All slots of all stages have seen the same of every raw shard. Only then slots may become one. */
  readonly isAligned: boolean;
  /** All raw records were read, so the raw streams may be left behind. */
  readonly isDrained: boolean;
  readonly sources: readonly { readonly source: string; readonly stream: string }[];
  readonly slots: readonly SavedSlot[];
  readonly origins: readonly { readonly source: string; readonly shard: string; readonly counts: OriginCounts }[];
  readonly lateMarks: readonly LateMark[];
}

export interface SavedSlot {
  readonly stage: Stage;
  readonly slot: number;
  readonly position: LogPosition;
  readonly piece: SnapshotPiece;
}
