import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import {
  type Accumulators,
  accumulatorsAt,
  addValues,
  createAccumulators,
  mergeAccumulators,
  mergeAccumulatorsAt,
} from './accumulate.ts';
import type { Slice } from './slice.ts';

type Contents = Iterable<readonly [key: string, accumulators: Accumulators]>;

/**
 * What the slices of a window hold together, kept from one firing to the next: windows that overlap share most of their slices, and are not
 * merged from all of them each time. It is made of the slices alone, so it is no state: nothing of it is saved.
 */
export interface RunningFold {
  /**
   * All keys of the slices, which are those of a window and in order. Windows are asked for in their order too. What it gives is only read,
   * and before anything else happens here.
   */
  contents(slices: readonly Slice[]): Contents;
  /** A record came into a slice that may be in the fold; `isNewKey`: the slice did not have its key before. */
  note(slice: Slice, key: string, values: readonly unknown[], isNewKey: boolean): void;
  /** Forgets everything, as when slices have changed in another way than record by record. */
  clear(): void;
  /** Keys in memory, each with accumulators of its own. */
  readonly keyCount: number;
}

/** From so many slices a window on it is cheaper to keep what they hold together. */
const slicesToFold = 4;

/**
 * The fold that fits the step's aggregators: what can be taken away again need not be merged twice. Undefined for windows of so few slices
 * that none is worth its memory.
 */
export function createRunningFold(step: CompiledAggregate, slicesPerWindow: number): RunningFold | undefined {
  if (slicesPerWindow < slicesToFold) return undefined;
  return step.aggregators.every(({ subtract }) => subtract !== undefined)
    ? new SubtractingFold(step)
    : new TwoStacks(step);
}

interface Running {
  readonly accumulators: Accumulators;
  /** In how many of the slices the key is. */
  sliceCount: number;
}

/** Subtract-on-evict (Tangwongsan, Hirzel and Schneider, "In-Order Sliding-Window Aggregation in Worst-Case Constant Time", 2021, section 3). */
class SubtractingFold implements RunningFold {
  readonly #step: CompiledAggregate;
  readonly #running = new Map<string, Running>();
  #slices: Slice[] = [];

  constructor(step: CompiledAggregate) {
    this.#step = step;
  }

  get keyCount(): number {
    return this.#running.size;
  }

  *contents(slices: readonly Slice[]): Contents {
    const firstMs = slices[0]?.startMs ?? Number.POSITIVE_INFINITY;
    const goneCount = countOf(this.#slices, ({ startMs }) => startMs < firstMs);
    const kept = this.#slices.slice(goneCount);
    // Taking away more than stays costs more than to begin anew.
    if (goneCount > kept.length || kept.some((slice, at) => slice !== slices[at])) this.clear();
    else for (const slice of this.#slices.splice(0, goneCount)) this.#subtract(slice);
    for (const slice of slices.slice(this.#slices.length)) this.#add(slice);
    for (const [key, { accumulators }] of this.#running) yield [key, accumulators];
  }

  note(slice: Slice, key: string, values: readonly unknown[], isNewKey: boolean): void {
    if (!this.#slices.includes(slice)) return;
    const running = this.#find(key);
    if (isNewKey) running.sliceCount += 1;
    addValues(this.#step, running.accumulators, values);
  }

  clear(): void {
    this.#running.clear();
    this.#slices = [];
  }

  #add(slice: Slice): void {
    this.#slices.push(slice);
    const { keys, columns } = slice;
    for (let place = 0; place < keys.length; place += 1) {
      const running = this.#find(keys[place] as string);
      running.sliceCount += 1;
      mergeAccumulatorsAt(this.#step, running.accumulators, columns, place);
    }
  }

  #subtract(slice: Slice): void {
    const { aggregators } = this.#step;
    const { keys, columns } = slice;
    for (let place = 0; place < keys.length; place += 1) {
      const key = keys[place] as string;
      const running = this.#running.get(key) as Running;
      running.sliceCount -= 1;
      if (running.sliceCount === 0) {
        this.#running.delete(key);
        continue;
      }
      const { accumulators } = running;
      for (let index = 0; index < aggregators.length; index += 1)
        accumulators[index] = aggregators[index]?.subtract?.(accumulators[index], columns[index]?.[place]);
    }
  }

  #find(key: string): Running {
    let running = this.#running.get(key);
    if (running === undefined) {
      running = { accumulators: createAccumulators(this.#step), sliceCount: 0 };
      this.#running.set(key, running);
    }
    return running;
  }
}

type Fold = Map<string, Accumulators>;

/**
 * Two stacks, for what cannot be taken away again, such as a maximum: the new slices are folded as they come; of the old ones each has the fold
 * of itself and all behind it, made when the last of the generation before is gone. So a slice is merged twice, however many windows
 * it is in (the same paper, section 4; the queue of two stacks is folklore).
 */
class TwoStacks implements RunningFold {
  readonly #step: CompiledAggregate;
  /** The next to go is the last. */
  #front: { readonly slice: Slice; readonly fold: Fold }[] = [];
  #backSlices: Slice[] = [];
  #back: Fold = new Map();

  constructor(step: CompiledAggregate) {
    this.#step = step;
  }

  get keyCount(): number {
    let count = this.#back.size;
    for (const { fold } of this.#front) count += fold.size;
    return count;
  }

  *contents(slices: readonly Slice[]): Contents {
    const firstMs = slices[0]?.startMs ?? Number.POSITIVE_INFINITY;
    this.#evict(firstMs);
    const kept = [...this.#front.map(({ slice }) => slice).reverse(), ...this.#backSlices];
    if (kept.some((slice, at) => slice !== slices[at])) this.clear();
    for (const slice of slices.slice(this.#front.length + this.#backSlices.length)) {
      this.#backSlices.push(slice);
      this.#mergeSlice(this.#back, slice);
    }
    const older = this.#front.at(-1)?.fold;
    for (const [key, accumulators] of this.#back) {
      const ofOlder = older?.get(key);
      yield [key, ofOlder === undefined ? accumulators : this.#merged(ofOlder, accumulators)];
    }
    for (const [key, accumulators] of older ?? []) if (!this.#back.has(key)) yield [key, accumulators];
  }

  note(slice: Slice): void {
    // It is in many folds. A record for a window that has fired already is rare.
    if (this.#backSlices.includes(slice) || this.#front.some((one) => one.slice === slice)) this.clear();
  }

  clear(): void {
    this.#front = [];
    this.#backSlices = [];
    this.#back = new Map();
  }

  #evict(beforeMs: number): void {
    for (;;) {
      while ((this.#front.at(-1)?.slice.startMs ?? beforeMs) < beforeMs) this.#front.pop();
      if (this.#front.length > 0 || (this.#backSlices[0]?.startMs ?? beforeMs) >= beforeMs) return;
      this.#turnOver(beforeMs);
    }
  }

  /** What came in becomes what goes out: the fold of a slice is its own with that of the one behind it. */
  #turnOver(fromMs: number): void {
    let fold: Fold = new Map();
    for (const slice of this.#backSlices.filter(({ startMs }) => startMs >= fromMs).reverse()) {
      fold = new Map(fold);
      this.#mergeSlice(fold, slice, true);
      this.#front.push({ slice, fold });
    }
    this.#backSlices = [];
    this.#back = new Map();
  }

  /** `isShared`: the accumulators in it are those of another fold too. */
  #mergeSlice(fold: Fold, slice: Slice, isShared = false): void {
    for (const [place, key] of slice.keys.entries()) {
      const known = fold.get(key);
      const own = accumulatorsAt(slice.columns, place);
      if (known === undefined || isShared) fold.set(key, this.#merged(own, known));
      else mergeAccumulators(this.#step, known, own);
    }
  }

  #merged(first: Accumulators, second: Accumulators | undefined): Accumulators {
    const merged = createAccumulators(this.#step);
    mergeAccumulators(this.#step, merged, first);
    if (second !== undefined) mergeAccumulators(this.#step, merged, second);
    return merged;
  }
}

function countOf<One>(all: readonly One[], is: (one: One) => boolean): number {
  let count = 0;
  for (const one of all) if (is(one)) count += 1;
  return count;
}
