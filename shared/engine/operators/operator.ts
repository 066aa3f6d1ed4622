import type { RecordKey } from '#shared/engine/keys/key.ts';
import type { Holder } from '#shared/engine/state/overflow.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import type { Emission, EmissionContext } from './emit.ts';

/** A record as it is given to a step. The object and its values are used again for the next one: whoever keeps something of them copies it. */
export interface StepInput {
  key: RecordKey;
  /** Event time. */
  timeMs: number;
  /** By the route's columns. */
  values: readonly unknown[];
  /** W of the step's sources, by which it is judged whether the record is late. */
  watermarkMs: number;
  /** The slot's clock. */
  clockMs: number;
  /** With `origin`, `sequence` and `sub` it is what tells the record apart from all others of the route. */
  route: string;
  /** The raw shard or, of a step's row, the slot; where the route has several sources, behind the source and a `/`. */
  origin: string;
  sequence: string | number;
  sub: number;
}

/** One stateful step over one slot, with its state in memory and, when that is bounded, on a scratch disk. */
export interface Operator extends Holder {
  /** Takes a record unless all its windows are closed; false says it was late. */
  add(input: StepInput): boolean;
  /** Makes the final rows of what the watermark has closed, and forgets it. */
  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void;
  /** Refreshes the rows that changed since the last refresh, when it is due. */
  refresh(context: EmissionContext, emission: Emission): void;
  /**
   * All of the state as it is now, in entries of bounded length that are made as they are asked for, whatever becomes of the state
   * meanwhile; `endSave` ends it. Changes count from here. An entry says what something is now and not what was done to it, so one that
   * comes again later simply takes the place of the one before.
   */
  save(): Iterable<Json>;
  /** Nobody asks for entries of `save` any more. When they are not stored, changes count from the save before again. */
  endSave(isStored: boolean): void;
  /**
   * What of the state is not as it was at the last `save` or `markSaved`, removals too: the state must stand still meanwhile. Its cost
   * follows what has changed, not what is held.
   */
  saveChanges(): Iterable<Json>;
  /** Changes count from here. Before the first time none are noted: a run that never saves pays nothing. */
  markSaved(): void;
  /** Takes an entry of a `save` into an empty operator, or of the `saveChanges` that followed, in their order. */
  restore(entry: Json): void;
  /** That was all, and changes count from here. False: they cannot be told as changes of what was restored, so all must be saved next. */
  endRestore(): boolean;
  /** Goes no further: lets go of what it has on the disk. */
  close(): void;
  /** A key of which memory and disk both have something counts with each. */
  readonly keyCount: number;
  readonly openCount: number;
}

/** At 16 KB a key, which is what the largest sketches take, an entry has 1.6 MB. */
export const keysPerEntry = 100;

/** Cuts a list that may be long into the lists of its entries. */
export function* perEntry<T>(items: Iterable<T>): Iterable<readonly T[]> {
  let some: T[] = [];
  for (const item of items) {
    if (some.push(item) < keysPerEntry) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}
