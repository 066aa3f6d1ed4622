import type { RecordPosition } from './position.ts';
import type { Stage } from './state.ts';

/**
 * What crosses the exchange: all outputs of one origin for one slot in the range of positions (from, to], packed by column
 * (rule 3). Without outputs it is a heartbeat (rule 5); a tick has no origin and only carries its arrival time (rule 10).
 */
export interface Block {
  readonly version: 1;
  readonly pipeline: string;
  /** The hash of the plan that made it. A consumer with another plan reads what is for steps that it has too (rule 6). */
  readonly plan: string;
  readonly slots: number;
  readonly slot: number;
  readonly origin?: BlockOrigin;
  readonly routes: readonly RouteOutputs[];
}

export interface BlockOrigin {
  /** The stream, or the step whose rows are a stream again. */
  readonly source: string;
  /** The raw shard, or the slot whose rows these are: its log takes the place of a shard. */
  readonly shard: string;
  /** For people only; overlaps are found by the mark. */
  readonly from: RecordPosition | null;
  readonly to: RecordPosition;
  /** Over positions up to `to` (rule 3). Null while no event time was seen. */
  readonly watermarkMs: number | null;
  /** The raw shards with their parents (rule 3). */
  readonly roster: Roster;
}

/** Shard id to the ids of its parents. */
export type Roster = Readonly<Record<string, readonly string[]>>;

/** A step that reads a route. */
export interface RouteReader {
  readonly step: string;
  /** The token of the step's contract. */
  readonly contract: string;
  readonly stage: Stage;
  /** Which of the step's inputs the route is: a join has two. */
  readonly input: number;
  /** For each value that the step reads of the route, in its own order, the number of the column. */
  readonly columns: readonly number[];
}

/** The outputs of one route, in the order of their positions; element i of each array is of output i. */
export interface RouteOutputs {
  readonly route: string;
  /** For whom the columns are, so that a consumer of another plan can tell; none in blocks from before there were contracts. */
  readonly readers?: readonly RouteReader[];
  /** Raw sequence numbers, each once, rising. */
  readonly sequences: readonly string[];
  /** Index into `sequences`. */
  readonly sequence: readonly number[];
  readonly sub: readonly number[];
  readonly timeMs: readonly number[];
  /** Canonical keys, each once. */
  readonly keys: readonly string[];
  /** Index into `keys`. */
  readonly key: readonly number[];
  /** How many (output, stage) pairs the raw record became in all: what it takes to tell that all of them were late. None for a step's row. */
  readonly shares: readonly number[];
  /** For each selected column of the route its values. */
  readonly columns: readonly (readonly unknown[])[];
}

/** Kinesis takes 1 MiB a record; the rest is left for the partition key and the packing of a retried put. */
export const blockBytesMax = 1_000_000;
