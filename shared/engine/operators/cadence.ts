import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import { isRefreshDue, shownEvery } from './emit.ts';
import { alignDown } from './window.ts';

/** When rows were shown. A `type`, since an interface is no JSON. */
export type SavedCadence = {
  readonly emittedMs: number;
  /** Of early rows by event time. */
  readonly earlyMs?: number;
};

/** When the windows of a step show what they have so far. A function of the slot's log: of its clock, or of the step's watermark. */
export class Cadence {
  /** When rows were last shown, on the slot's clock: what has changed since is shown next. */
  shownMs = 0;
  /** Of the step. */
  watermarkMs = Number.NEGATIVE_INFINITY;
  readonly #step: CompiledAggregate;
  /** Of early rows by event time: the last multiple of `every` that the watermark had reached when they were shown. */
  #reachedMs = Number.NEGATIVE_INFINITY;

  constructor(step: CompiledAggregate) {
    this.#step = step;
  }

  /** Whether rows are to be shown now. By event time that is once for each multiple that is passed. */
  isDue(clockMs: number): boolean {
    const every = shownEvery(this.#step.plan);
    if (every?.time !== 'event') return isRefreshDue(this.#step, this.shownMs, clockMs);
    const reachedMs = alignDown(this.watermarkMs, every.everyMs);
    if (!(reachedMs > this.#reachedMs)) return false;
    this.#reachedMs = reachedMs;
    return true;
  }

  save(): SavedCadence {
    return { emittedMs: this.shownMs, ...(Number.isFinite(this.#reachedMs) ? { earlyMs: this.#reachedMs } : {}) };
  }

  restore({ emittedMs, earlyMs = Number.NEGATIVE_INFINITY }: SavedCadence): void {
    this.shownMs = emittedMs;
    this.#reachedMs = earlyMs;
  }
}
