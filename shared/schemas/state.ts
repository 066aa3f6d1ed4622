import type { LogPosition, RecordPosition } from './position.ts';

/**
 * The version of what operators save. Whoever changes an operator's entries raises it and adds to the migrations of
 * `shared/engine/slots/state-versions.ts` how a part of the version before becomes one of this, with a test that reads a stored part of that version.
 */
export const stateVersion = 4;

/** What the state was made under last: the plan's hash, and its contract as JSON. */
export interface RecordedContract {
  readonly plan: string;
  readonly body: string;
}

/** The stages that keep state, each with its own checkpoint per slot. */
export type Stage = 'aggregate' | 'window';

/** All that a stage keeps for a slot besides its items: a pure function of the slot's log up to `position` (rule 8). */
export interface Checkpoint {
  readonly version: 1;
  readonly plan: string;
  readonly slots: number;
  /** P: the last block of the slot's log that is applied. */
  readonly position: LogPosition;
  /** The highest arrival time of the log up to here. */
  readonly clockMs: number;
  readonly sources: Readonly<Record<string, SourceProgress>>;
  /** W of each step that several sources feed, by its id; null is minus infinity. */
  readonly joins?: Readonly<Record<string, number | null>>;
  /** Of each step whose rows are a stream again, what this slot has put of them. */
  readonly rows?: Readonly<Record<string, RowProgress>>;
  readonly counts: SlotCounts;
  readonly steps: Readonly<Record<string, StepProgress>>;
  /** Into how many key groups cells are cut. */
  readonly groups?: number;
  /** Names this write of a window checkpoint: no other has or will have the same. */
  readonly revision?: string;
  /** Where the state of the window stage at `position` is. A text is the one blob of version 1. */
  readonly snapshot?: SnapshotManifest | string;
}

/**
 * What of the blob store a window checkpoint refers to. With a name, a checksum and a size a save, at most `deltasMax` deltas a chain and
 * a text that compresses well, it takes a few KB of the 400 that an item may have, whatever the state's size.
 */
export interface SnapshotManifest {
  /** Of the newest state in it. */
  readonly version: number;
  /** How many owners the slot had, this one included. */
  readonly epoch: number;
  readonly owner: string;
  readonly chain: SnapshotChain;
  /** The chain that `chain.base` took the place of: what is left when something of `chain` is unreadable. */
  readonly previous?: SnapshotChain;
}

/** A whole state, and what has changed since in the order of the saves. */
export interface SnapshotChain {
  readonly base: SnapshotPiece;
  readonly deltas: readonly SnapshotPiece[];
}

/** A base or a delta, in `objectCount` objects `<name>/<index>`. */
export interface SnapshotPiece {
  readonly name: string;
  readonly objectCount: number;
  readonly bytes: number;
  /** Of all objects' bytes, in order. */
  readonly crc32: number;
}

export interface SourceProgress {
  /** W of the source in this slot; null is minus infinity. */
  readonly watermarkMs: number | null;
  /** When all of its shards were last waited for anew (rule 10); none when they never were. */
  readonly wokenMs?: number;
  /** Every raw shard that a block has listed, with its parents and when it was first listed. */
  readonly roster: Readonly<Record<string, { readonly parents: readonly string[]; readonly sinceMs: number }>>;
  readonly origins: Readonly<Record<string, OriginProgress>>;
  /**
   * Of rows that are a source: blocks whose place in their slot's log, as `sequenceInLog` says it, is below this are of the deployment before a
   * savepoint was restored. The exchange may hold them still, and nothing of them counts: the slots make those rows anew.
   */
  readonly since?: string;
}

/** How far a slot has come with putting a step's rows on the exchange again. */
export interface RowProgress {
  /** The watermark that it has told all slots; null is minus infinity. Not of the log, but true: who goes on from here need not tell it again. */
  readonly toldMs: number | null;
  /** The block up to which it has told all slots that there are no more rows. As true as `toldMs`. */
  readonly toldAt: LogPosition;
  /** The last block that made rows, all of which the exchange has taken. */
  readonly madeAt: LogPosition;
}

export interface OriginProgress {
  /** The highest position covered: at or below it everything was seen. Null for one that was retired unseen. */
  readonly mark: RecordPosition | null;
  readonly watermarkMs: number | null;
  /** The slot's clock at the origin's last block, or when it was retired. */
  readonly lastMs: number;
  /** Its descendants were seen: it is out of the minimum for good, but its mark stays (rule 9). */
  readonly retired: boolean;
}

/** Records by what became of them; see `Dispositions` for those that became several outputs or went to several stages. */
export interface SlotCounts {
  readonly counted: number;
  readonly late: number;
  /** Records with several outputs or stages whose first output came to this slot and stage. */
  readonly shared: number;
  /** Outputs that were dropped because an earlier attempt's block held them. */
  readonly duplicates: number;
}

export interface StepProgress {
  /** The token of the step's contract, which says what the state means; none in what was written before there were contracts. */
  readonly contract?: string;
  /** The slot's P when the step began here: what is stored of it up to there is of an earlier one of its name. */
  readonly since?: LogPosition;
  readonly counted: number;
  readonly late: number;
  /** How often a callback threw in the stage itself; what it was called for is among the counted. */
  readonly threw?: number;
  /** Names of panes that hold something and are not closed, ascending. */
  readonly open: readonly number[];
  /** When rows were last emitted, on the slot's clock. */
  readonly emittedMs: number;
  /** Cells touched since then: `pane/group`. */
  readonly pending: readonly string[];
  /** Final rows that wait for their file. */
  readonly waiting?: number;
}

/** The identity of a state item (rule 12): one key group of one pane of one step in one slot. */
export interface CellId {
  readonly step: string;
  readonly slot: number;
  /** The pane's name: where its window starts or, where several start together, where it ends, in event time. */
  readonly paneMs: number;
  /** A key group, or `totalGroup`. */
  readonly group: number;
}

/** The group that holds a pane's total over all keys of the slot. */
export const totalGroup = -1;

/** A state item: the accumulators of a cell, with the position it has counted up to. */
export interface StoredCell {
  readonly id: CellId;
  readonly position: LogPosition;
  /** JSON of the cell's keys and accumulators. */
  readonly body: string;
}

/** DynamoDB takes 400 KB an item; the rest is left for its keys. */
export const cellBytesMax = 390 * 1024;

/** What the preprocess stage keeps for a raw shard: how many records it has told apart up to `sequence`. */
export interface OriginCounts {
  readonly sequence: string;
  readonly sent: number;
  readonly filtered: number;
  readonly rejected: number;
  /**
   * The lone record that is being tried, and how often: one that kills the process cannot report itself (rule 6). 0 once it has come through the
   * callbacks of the plan.
   */
  readonly attempt?: {
    readonly sequence: string;
    readonly count: number;
    readonly plan?: string;
    /** Of an aggregate that was poison as a whole. */
    readonly apart?: TriedApart;
  };
}

/** How far the user records of an aggregate were tried one by one. */
export interface TriedApart {
  /** The one that is being tried, and how often; as many as there are when all were. */
  readonly at: number;
  readonly count: number;
  /** The places of those that are poison. */
  readonly poison: readonly number[];
}

/** One text for equal counts, whatever the order of their fields: the condition of a write compares it. */
export function encodeCounts({ sequence, sent, filtered, rejected, attempt }: OriginCounts): string {
  return JSON.stringify({
    sequence,
    sent,
    filtered,
    rejected,
    ...(attempt && {
      attempt: { sequence: attempt.sequence, count: attempt.count, plan: attempt.plan, ...encodeApart(attempt.apart) },
    }),
  });
}

function encodeApart(apart: TriedApart | undefined): { readonly apart?: TriedApart } {
  return apart === undefined ? {} : { apart: { at: apart.at, count: apart.count, poison: apart.poison } };
}

/** An output of a record with several shares that every step of its stage found late. */
export interface LateMark {
  readonly source: string;
  readonly origin: string;
  readonly position: RecordPosition;
  readonly stage: Stage;
  readonly shares: number;
}
