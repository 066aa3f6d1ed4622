import type { Json } from '#shared/pipeline/aggregator.ts';
import type { SlidingWindow, TumblingWindow } from '#shared/pipeline/window.ts';
import {
  type Accumulators,
  addToTotal,
  addValues,
  createAccumulators,
  decodeAccumulators,
  encodeAccumulators,
  mergeAccumulators,
} from './accumulate.ts';
import type { CompiledStep } from './compile.ts';
import { type Emission, type EmissionContext, emitRow, emitTotal, isRefreshDue } from './emit.ts';
import { alignDown, isClosed, lastStart, sliceOf, slideOf, type WindowRange } from './window.ts';

/** One stateful step over one slot, with all of its state in memory. */
export interface Operator {
  /** Takes a record unless all its windows are closed; false says it was late. Time and watermark in event time. */
  add(key: string, timeMs: number, values: readonly unknown[], watermarkMs: number, clockMs: number): boolean;
  /** Makes the final rows of what the watermark has closed, and forgets it. */
  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void;
  /** Refreshes the rows that changed since the last refresh, when it is due. */
  refresh(context: EmissionContext, emission: Emission): void;
  /** What `restoreOperator` needs to go on from here. */
  save(): Json;
  readonly keyCount: number;
  readonly openCount: number;
}

interface KeyState {
  readonly accumulators: Accumulators;
  /** The slot's clock when it changed last. */
  touchedMs: number;
}

interface Slice {
  readonly keys: Map<string, KeyState>;
  readonly total: Accumulators | undefined;
  touchedMs: number;
}

/**
 * Tumbling and sliding windows in memory, cut into slices: one update per record whatever the overlap, and a window's row is
 * merged from its slices when it fires. A tumbling window is the case of one slice.
 */
export class WindowedAggregate implements Operator {
  readonly #step: CompiledStep;
  readonly #window: TumblingWindow | SlidingWindow;
  readonly #sliceMs: number;
  readonly #slices = new Map<number, Slice>();
  /** Starts of windows that hold something and have not fired. */
  readonly #open = new Set<number>();
  /** No window closes before the watermark reaches this. */
  #nextCloseMs = Number.POSITIVE_INFINITY;
  #emittedMs = 0;
  #lastStartMs = Number.NaN;
  #lastSlice: Slice | undefined;

  constructor(step: CompiledStep, window: TumblingWindow | SlidingWindow, saved?: Json) {
    this.#step = step;
    this.#window = window;
    this.#sliceMs = sliceOf(window);
    if (saved !== undefined) this.#restore(saved as unknown as SavedAggregate);
  }

  get keyCount(): number {
    let count = 0;
    for (const slice of this.#slices.values()) count += slice.keys.size;
    return count;
  }

  get openCount(): number {
    return this.#open.size;
  }

  add(key: string, timeMs: number, values: readonly unknown[], watermarkMs: number, clockMs: number): boolean {
    const { allowedLatenessMs } = this.#step.plan;
    // The last window that holds the record closes last: when it is closed, all are.
    if (isClosed(lastStart(this.#window, timeMs) + this.#window.sizeMs, allowedLatenessMs, watermarkMs)) return false;
    const startMs = alignDown(timeMs, this.#sliceMs);
    const slice =
      startMs === this.#lastStartMs && this.#lastSlice !== undefined
        ? this.#lastSlice
        : this.#sliceAt(startMs, watermarkMs);
    let state = slice.keys.get(key);
    if (state === undefined) {
      state = { accumulators: createAccumulators(this.#step), touchedMs: clockMs };
      slice.keys.set(key, state);
    }
    addValues(this.#step, state.accumulators, values);
    state.touchedMs = clockMs;
    slice.touchedMs = clockMs;
    if (slice.total !== undefined) addToTotal(this.#step, slice.total, values);
    return true;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    if (watermarkMs < this.#nextCloseMs) return;
    const { allowedLatenessMs } = this.#step.plan;
    const closed = [...this.#open].filter((startMs) =>
      isClosed(startMs + this.#window.sizeMs, allowedLatenessMs, watermarkMs),
    );
    for (const startMs of closed.sort((a, b) => a - b)) {
      this.#emitWindow({ startMs, endMs: startMs + this.#window.sizeMs }, true, 0, context, emission);
      this.#open.delete(startMs);
    }
    this.#nextCloseMs = Number.POSITIVE_INFINITY;
    for (const startMs of this.#open)
      this.#nextCloseMs = Math.min(this.#nextCloseMs, startMs + this.#window.sizeMs + allowedLatenessMs);
    for (const startMs of this.#slices.keys()) {
      // The last window over a slice has closed: nobody will ask for it again.
      if (isClosed(lastStart(this.#window, startMs) + this.#window.sizeMs, allowedLatenessMs, watermarkMs))
        this.#slices.delete(startMs);
    }
    this.#lastSlice = undefined;
  }

  refresh(context: EmissionContext, emission: Emission): void {
    if (!isRefreshDue(this.#step, this.#emittedMs, context.clockMs)) return;
    for (const startMs of this.#open) {
      this.#emitWindow({ startMs, endMs: startMs + this.#window.sizeMs }, false, this.#emittedMs, context, emission);
    }
    this.#emittedMs = context.clockMs;
  }

  save(): Json {
    return {
      emittedMs: this.#emittedMs,
      open: [...this.#open],
      slices: [...this.#slices].map(([startMs, slice]) => [
        startMs,
        slice.touchedMs,
        slice.total === undefined ? null : encodeAccumulators(this.#step, slice.total),
        [...slice.keys].map(([key, state]) => [
          key,
          state.touchedMs,
          encodeAccumulators(this.#step, state.accumulators),
        ]),
      ]),
    };
  }

  #restore(saved: SavedAggregate): void {
    this.#emittedMs = saved.emittedMs;
    for (const startMs of saved.open) this.#addOpen(startMs);
    for (const [startMs, touchedMs, total, keys] of saved.slices) {
      this.#slices.set(startMs, {
        touchedMs,
        total: total === null ? undefined : decodeAccumulators(this.#step, total),
        keys: new Map(
          keys.map(([key, keyTouchedMs, accumulators]) => [
            key,
            { touchedMs: keyTouchedMs, accumulators: decodeAccumulators(this.#step, accumulators) },
          ]),
        ),
      });
    }
  }

  #sliceAt(startMs: number, watermarkMs: number): Slice {
    let slice = this.#slices.get(startMs);
    if (slice === undefined) {
      slice = {
        keys: new Map(),
        total: this.#step.totals.length > 0 ? createAccumulators(this.#step) : undefined,
        touchedMs: 0,
      };
      this.#slices.set(startMs, slice);
      const slide = slideOf(this.#window);
      for (let start = lastStart(this.#window, startMs); start > startMs - this.#window.sizeMs; start -= slide) {
        if (!isClosed(start + this.#window.sizeMs, this.#step.plan.allowedLatenessMs, watermarkMs))
          this.#addOpen(start);
      }
    }
    this.#lastStartMs = startMs;
    this.#lastSlice = slice;
    return slice;
  }

  #addOpen(startMs: number): void {
    this.#open.add(startMs);
    this.#nextCloseMs = Math.min(this.#nextCloseMs, startMs + this.#window.sizeMs + this.#step.plan.allowedLatenessMs);
  }

  /** Emits the keys of a window that changed at or after `sinceMs`, and its total when it changed. */
  #emitWindow(
    window: WindowRange,
    final: boolean,
    sinceMs: number,
    context: EmissionContext,
    emission: Emission,
  ): void {
    const slices: Slice[] = [];
    for (let startMs = window.startMs; startMs < window.endMs; startMs += this.#sliceMs) {
      const slice = this.#slices.get(startMs);
      if (slice !== undefined) slices.push(slice);
    }
    const [only] = slices;
    let isChanged = false;
    if (slices.length === 1 && only !== undefined) {
      // The tumbling window: its one slice is the window.
      for (const [key, { accumulators, touchedMs }] of only.keys) {
        if (touchedMs < sinceMs) continue;
        isChanged = true;
        emitRow(emission, this.#step, context, { key, window, final, accumulators });
      }
    } else {
      for (const key of keysTouchedSince(slices, sinceMs)) {
        isChanged = true;
        const accumulators = this.#merged(slices.map((slice) => slice.keys.get(key)?.accumulators));
        emitRow(emission, this.#step, context, { key, window, final, accumulators });
      }
    }
    if (!isChanged || this.#step.totals.length === 0) return;
    emitTotal(emission, this.#step, context, {
      window,
      final,
      accumulators: this.#merged(slices.map((slice) => slice.total)),
    });
  }

  /** One part is given as it is; several are merged into a new one, for the slices are needed by the next windows too. */
  #merged(parts: readonly (Accumulators | undefined)[]): Accumulators {
    const present = parts.filter((part) => part !== undefined);
    const [only] = present;
    if (present.length === 1 && only !== undefined) return only;
    const merged = createAccumulators(this.#step);
    for (const part of present) mergeAccumulators(this.#step, merged, part);
    return merged;
  }
}

function keysTouchedSince(slices: readonly Slice[], sinceMs: number): ReadonlySet<string> {
  const touched = new Set<string>();
  for (const slice of slices) {
    if (slice.touchedMs < sinceMs) continue;
    for (const [key, state] of slice.keys) if (state.touchedMs >= sinceMs) touched.add(key);
  }
  return touched;
}

interface SavedAggregate {
  readonly emittedMs: number;
  readonly open: readonly number[];
  readonly slices: readonly (readonly [
    startMs: number,
    touchedMs: number,
    total: readonly Json[] | null,
    keys: readonly (readonly [key: string, touchedMs: number, accumulators: readonly Json[]])[],
  ])[];
}
