import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import type { Overflow } from '#shared/engine/state/overflow.ts';
import { Timers } from '#shared/engine/state/timers.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { Cadence, type SavedCadence } from './cadence.ts';
import { shownEvery } from './emit.ts';

/**
 * The keys of a step whose open windows have something to show, and when they are to show it: for windows that each key has of its own. Which
 * keys these are follows from the state, where each window says whether it was shown as it is.
 */
export class EarlyKeys {
  /** Without early rows nothing is noted, and nothing is due. */
  readonly areShown: boolean;
  readonly #cadence: Cadence;
  /** All of one time, so that those that memory has no room for lie on the disk. One that comes twice is looked at in vain. */
  readonly #keys: Timers;

  constructor(step: CompiledAggregate, overflow: Overflow | undefined) {
    this.areShown = shownEvery(step.plan) !== undefined;
    this.#cadence = new Cadence(step);
    this.#keys = new Timers(overflow);
  }

  /** A window of the key is not shown as it is. */
  note(key: string): void {
    if (this.areShown) this.#keys.add(0, key);
  }

  advance(watermarkMs: number): void {
    this.#cadence.watermarkMs = watermarkMs;
  }

  isDue(clockMs: number): boolean {
    return this.areShown && this.#cadence.isDue(clockMs);
  }

  /** Each key that was noted, which is then forgotten; those that are noted meanwhile too. Behind the last one all was shown, at `clockMs`. */
  *take(clockMs: number): Generator<string> {
    for (let next = this.#keys.pop(); next !== undefined; next = this.#keys.pop()) yield next.key;
    this.#cadence.shownMs = clockMs;
  }

  /** The entries of a save, with one before them of when rows were shown, as it is now. */
  saveBefore(entries: Iterable<Json>): Iterable<Json> {
    return this.areShown ? concat([this.#cadence.save()], entries) : entries;
  }

  /** False for an entry that another has saved. */
  restore(entry: Json): boolean {
    if (!isSavedCadence(entry)) return false;
    this.#cadence.restore(entry);
    return true;
  }

  close(): void {
    this.#keys.close();
  }
}

function* concat(first: Iterable<Json>, second: Iterable<Json>): Iterable<Json> {
  yield* first;
  yield* second;
}

/** Whether an entry says when rows were shown, and not what keys have. */
export function isSavedCadence(entry: unknown): entry is SavedCadence {
  return typeof entry === 'object' && entry !== null && 'emittedMs' in entry;
}
