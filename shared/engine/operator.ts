import type { Json } from '#shared/pipeline/aggregator.ts';
import type { Emission, EmissionContext } from './emit.ts';
import type { OutputOrigin } from './slot.ts';

/** One stateful step over one slot, with all of its state in memory. */
export interface Operator {
  /**
   * Takes a record unless all its windows are closed; false says it was late. Time and watermark in event time. `keyId` says where to
   * look for the key's state first; any number gives the same rows.
   */
  add(
    key: string,
    keyId: number,
    timeMs: number,
    values: readonly unknown[],
    watermarkMs: number,
    clockMs: number,
    from: Readonly<OutputOrigin>,
  ): boolean;
  /** Makes the final rows of what the watermark has closed, and forgets it. */
  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void;
  /** Refreshes the rows that changed since the last refresh, when it is due. */
  refresh(context: EmissionContext, emission: Emission): void;
  /**
   * All of the state, in entries of bounded length that are made as they are asked for. An entry says what something is now and not
   * what was done to it, so one that comes again later simply takes the place of the one before.
   */
  save(): Iterable<Json>;
  /** What of the state is not as it was at the last `markSaved`, removals too. Its cost follows what has changed, not what is held. */
  saveChanges(): Iterable<Json>;
  /** Changes count from here. Before the first time none are noted: a run that never saves pays nothing. */
  markSaved(): void;
  /** Takes an entry of a `save` into an empty operator, or of the `saveChanges` that followed, in their order. */
  restore(entry: Json): void;
  readonly keyCount: number;
  readonly openCount: number;
}

/** The keys that have changed since the last save, for an operator that saves its state key by key. */
export class ChangedKeys {
  /** Undefined before the first save, when all is new. */
  #keys: Set<string> | undefined;

  add(key: string): void {
    this.#keys?.add(key);
  }

  markSaved(): void {
    this.#keys = new Set();
  }

  [Symbol.iterator](): Iterator<string> {
    return (this.#keys ?? []).values();
  }
}

/** At 16 KB a key, which is what the largest sketches take, an entry has 1.6 MB. */
const keysPerEntry = 100;

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
