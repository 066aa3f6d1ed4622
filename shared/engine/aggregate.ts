import type { Json } from '#shared/pipeline/aggregator.ts';
import { type SlidingWindow, sliceOf, type TumblingWindow } from '#shared/pipeline/window.ts';
import {
  type AccumulatorColumns,
  type Accumulators,
  accumulatorsAt,
  addToTotal,
  addValuesAt,
  createAccumulators,
  createColumns,
  decodeAccumulators,
  encodeAccumulators,
  mergeAccumulators,
  pushAccumulators,
} from './accumulate.ts';
import type { CompiledStep } from './compile.ts';
import { type Emission, type EmissionContext, emitRow, emitTotal, isRefreshDue } from './emit.ts';
import { alignDown, isClosed, lastStart, slideOf, type WindowRange } from './window.ts';

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
  ): boolean;
  /** Makes the final rows of what the watermark has closed, and forgets it. */
  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void;
  /** Refreshes the rows that changed since the last refresh, when it is due. */
  refresh(context: EmissionContext, emission: Emission): void;
  /** What `restoreOperator` needs to go on from here. */
  save(): Json;
  readonly keyCount: number;
  readonly openCount: number;
}

/** What came in [startMs, endMs) of event time. */
interface Slice {
  readonly startMs: number;
  readonly endMs: number;
  /** A watermark at or above this has closed all windows over the slice: what comes then is late. */
  readonly closedFromMs: number;
  /** Where each key is in `keys`, `keyTouchedMs` and `columns`. */
  readonly places: Map<string, number>;
  readonly keys: string[];
  /** The slot's clock when a key changed last. */
  readonly keyTouchedMs: number[];
  readonly columns: AccumulatorColumns;
  readonly total: Accumulators | undefined;
  /** The highest of `keyTouchedMs`. */
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
  /** Where the record before went, which is where the next one goes most often. */
  #lastSlice: Slice | undefined;
  /** By key id, the key's place in the slice where it was met last: looking there first saves most records a walk through a map. */
  readonly #recentPlaces: number[] = [];

  constructor(step: CompiledStep, window: TumblingWindow | SlidingWindow, saved?: Json) {
    this.#step = step;
    this.#window = window;
    this.#sliceMs = sliceOf(window);
    if (saved !== undefined) this.#restore(saved as unknown as SavedAggregate);
  }

  get keyCount(): number {
    let count = 0;
    for (const slice of this.#slices.values()) count += slice.keys.length;
    return count;
  }

  get openCount(): number {
    return this.#open.size;
  }

  add(
    key: string,
    keyId: number,
    timeMs: number,
    values: readonly unknown[],
    watermarkMs: number,
    clockMs: number,
  ): boolean {
    const last = this.#lastSlice;
    const isInLast = last !== undefined && timeMs >= last.startMs && timeMs < last.endMs;
    const slice = isInLast ? last : this.#findSlice(timeMs, watermarkMs);
    if (slice === undefined || watermarkMs >= slice.closedFromMs) return false;
    const recent = keyId < this.#recentPlaces.length ? (this.#recentPlaces[keyId] as number) : 0;
    const isRecent = recent < slice.keys.length && slice.keys[recent] === key;
    const place = isRecent ? recent : this.#findPlace(slice, key, keyId);
    addValuesAt(this.#step, slice.columns, place, values);
    slice.keyTouchedMs[place] = clockMs;
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
    for (const { startMs, closedFromMs } of this.#slices.values()) {
      // The last window over a slice has closed: nobody will ask for it again.
      if (watermarkMs >= closedFromMs) this.#slices.delete(startMs);
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
        slice.keys.map((key, place) => [
          key,
          slice.keyTouchedMs[place] as number,
          encodeAccumulators(this.#step, accumulatorsAt(slice.columns, place)),
        ]),
      ]),
    };
  }

  #restore(saved: SavedAggregate): void {
    this.#emittedMs = saved.emittedMs;
    for (const startMs of saved.open) this.#addOpen(startMs);
    for (const [startMs, touchedMs, total, keys] of saved.slices) {
      const slice = this.#createSlice(startMs, total === null ? undefined : decodeAccumulators(this.#step, total));
      slice.touchedMs = touchedMs;
      for (const [key, keyTouchedMs, encoded] of keys)
        slice.keyTouchedMs[addKey(slice, key, decodeAccumulators(this.#step, encoded))] = keyTouchedMs;
    }
  }

  /** The slice that holds `timeMs`, which is begun if there is none; undefined when there is none and it would be closed. */
  #findSlice(timeMs: number, watermarkMs: number): Slice | undefined {
    const startMs = alignDown(timeMs, this.#sliceMs);
    let slice = this.#slices.get(startMs);
    if (slice === undefined) {
      if (watermarkMs >= this.#closedFromMs(startMs)) return undefined;
      slice = this.#createSlice(startMs, this.#step.totals.length > 0 ? createAccumulators(this.#step) : undefined);
      this.#openWindowsOver(startMs, watermarkMs);
    }
    this.#lastSlice = slice;
    return slice;
  }

  #findPlace(slice: Slice, key: string, keyId: number): number {
    const place = slice.places.get(key) ?? addKey(slice, key, createAccumulators(this.#step));
    for (let id = this.#recentPlaces.length; id <= keyId; id += 1) this.#recentPlaces.push(0);
    this.#recentPlaces[keyId] = place;
    return place;
  }

  #createSlice(startMs: number, total: Accumulators | undefined): Slice {
    const slice = {
      startMs,
      endMs: startMs + this.#sliceMs,
      closedFromMs: this.#closedFromMs(startMs),
      places: new Map(),
      keys: [],
      keyTouchedMs: [],
      columns: createColumns(this.#step),
      total,
      touchedMs: 0,
    };
    this.#slices.set(startMs, slice);
    return slice;
  }

  /** The last window over a slice closes last. Windows begin and end between slices, so all records of a slice have the same one. */
  #closedFromMs(sliceStartMs: number): number {
    return lastStart(this.#window, sliceStartMs) + this.#window.sizeMs + this.#step.plan.allowedLatenessMs;
  }

  #openWindowsOver(sliceStartMs: number, watermarkMs: number): void {
    const { sizeMs } = this.#window;
    const slide = slideOf(this.#window);
    for (let startMs = lastStart(this.#window, sliceStartMs); startMs > sliceStartMs - sizeMs; startMs -= slide) {
      if (!isClosed(startMs + sizeMs, this.#step.plan.allowedLatenessMs, watermarkMs)) this.#addOpen(startMs);
    }
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
      for (let place = 0; place < only.keys.length; place += 1) {
        if ((only.keyTouchedMs[place] as number) < sinceMs) continue;
        isChanged = true;
        const accumulators = accumulatorsAt(only.columns, place);
        emitRow(emission, this.#step, context, { key: only.keys[place] as string, window, final, accumulators });
      }
    } else {
      for (const key of keysTouchedSince(slices, sinceMs)) {
        isChanged = true;
        const accumulators = this.#merged(slices.map((slice) => accumulatorsOf(slice, key)));
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

/** Makes a place for a key that has none. */
function addKey(slice: Slice, key: string, accumulators: Accumulators): number {
  const place = slice.keys.length;
  slice.places.set(key, place);
  slice.keys.push(key);
  slice.keyTouchedMs.push(0);
  pushAccumulators(slice.columns, accumulators);
  return place;
}

function accumulatorsOf(slice: Slice, key: string): Accumulators | undefined {
  const place = slice.places.get(key);
  return place === undefined ? undefined : accumulatorsAt(slice.columns, place);
}

function keysTouchedSince(slices: readonly Slice[], sinceMs: number): ReadonlySet<string> {
  const touched = new Set<string>();
  for (const slice of slices) {
    if (slice.touchedMs < sinceMs) continue;
    for (const [place, key] of slice.keys.entries())
      if ((slice.keyTouchedMs[place] as number) >= sinceMs) touched.add(key);
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
