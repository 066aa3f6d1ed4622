import type { Json } from '#shared/pipeline/aggregator.ts';
import { type SlidingWindow, sliceOf, type TumblingWindow } from '#shared/pipeline/window.ts';
import {
  type Accumulators,
  accumulatorsAt,
  addToTotal,
  addValuesAt,
  createAccumulators,
  decodeAccumulators,
  encodeAccumulators,
  mergeAccumulators,
} from './accumulate.ts';
import type { CompiledAggregate } from './compile.ts';
import { type Emission, type EmissionContext, emitRow, emitTotal, isRefreshDue } from './emit.ts';
import { type Operator, perEntry } from './operator.ts';
import {
  accumulatorsOf,
  addKey,
  changedPlaces,
  createSlice,
  keysTouchedSince,
  markChanged,
  markSaved,
  type Slice,
  setKey,
} from './slice.ts';
import { alignDown, isClosed, lastStart, slideOf, type WindowRange } from './window.ts';

/**
 * Tumbling and sliding windows in memory, cut into slices: one update per record whatever the overlap, and a window's row is
 * merged from its slices when it fires. A tumbling window is the case of one slice.
 */
export class WindowedAggregate implements Operator {
  readonly #step: CompiledAggregate;
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
  // What has changed since the last save.
  readonly #opened = new Set<number>();
  readonly #fired = new Set<number>();
  readonly #changedSlices = new Set<Slice>();
  readonly #dropped = new Set<number>();

  constructor(step: CompiledAggregate, window: TumblingWindow | SlidingWindow) {
    this.#step = step;
    this.#window = window;
    this.#sliceMs = sliceOf(window);
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
    if (place < slice.savedCount) markChanged(slice, place);
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
      if (!this.#opened.delete(startMs)) this.#fired.add(startMs);
    }
    this.#nextCloseMs = Number.POSITIVE_INFINITY;
    for (const startMs of this.#open)
      this.#nextCloseMs = Math.min(this.#nextCloseMs, startMs + this.#window.sizeMs + allowedLatenessMs);
    for (const slice of this.#slices.values()) {
      // The last window over a slice has closed: nobody will ask for it again.
      if (watermarkMs >= slice.closedFromMs) this.#drop(slice);
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

  *save(): Iterable<Json> {
    yield { emittedMs: this.#emittedMs, opened: [...this.#open], fired: [], dropped: [] } satisfies SavedWindows;
    for (const slice of this.#slices.values()) yield* this.#saveSlice(slice, slice.keys.keys());
  }

  *saveChanges(): Iterable<Json> {
    yield {
      emittedMs: this.#emittedMs,
      opened: [...this.#opened],
      fired: [...this.#fired],
      dropped: [...this.#dropped],
    } satisfies SavedWindows;
    for (const slice of this.#changedSlices) yield* this.#saveSlice(slice, changedPlaces(slice));
  }

  markSaved(): void {
    this.#opened.clear();
    this.#fired.clear();
    this.#dropped.clear();
    for (const slice of this.#changedSlices) markSaved(slice);
    this.#changedSlices.clear();
    // The next record finds its slice anew, which notes the change.
    this.#lastSlice = undefined;
  }

  restore(entry: Json): void {
    if (Array.isArray(entry)) this.#restoreSlice(entry as unknown as SavedSlice);
    else this.#restoreWindows(entry as unknown as SavedWindows);
  }

  *#saveSlice(slice: Slice, places: Iterable<number>): Iterable<SavedSlice> {
    let total = slice.total === undefined ? null : encodeAccumulators(this.#step, slice.total);
    for (const some of perEntry(places)) {
      const keys = some.map(
        (place): SavedKey => [
          slice.keys[place] as string,
          slice.keyTouchedMs[place] as number,
          encodeAccumulators(this.#step, accumulatorsAt(slice.columns, place)),
        ],
      );
      yield [slice.startMs, slice.touchedMs, total, keys];
      total = null;
    }
  }

  #restoreWindows({ emittedMs, opened, fired, dropped }: SavedWindows): void {
    this.#emittedMs = emittedMs;
    for (const startMs of opened) this.#addOpen(startMs);
    for (const startMs of fired) this.#open.delete(startMs);
    for (const startMs of dropped) this.#slices.delete(startMs);
  }

  #restoreSlice([startMs, touchedMs, total, keys]: SavedSlice): void {
    const slice = this.#slices.get(startMs) ?? this.#addSlice(startMs);
    this.#noteChange(slice);
    slice.touchedMs = touchedMs;
    if (total !== null) slice.total = decodeAccumulators(this.#step, total);
    for (const [key, keyTouchedMs, encoded] of keys)
      setKey(slice, key, keyTouchedMs, decodeAccumulators(this.#step, encoded));
  }

  /** The slice that holds `timeMs`, which is begun if there is none; undefined when there is none and it would be closed. */
  #findSlice(timeMs: number, watermarkMs: number): Slice | undefined {
    const startMs = alignDown(timeMs, this.#sliceMs);
    let slice = this.#slices.get(startMs);
    if (slice === undefined) {
      if (watermarkMs >= this.#closedFromMs(startMs)) return undefined;
      slice = this.#addSlice(startMs);
      this.#openWindowsOver(startMs, watermarkMs);
    }
    this.#noteChange(slice);
    this.#lastSlice = slice;
    return slice;
  }

  #findPlace(slice: Slice, key: string, keyId: number): number {
    const place = slice.places.get(key) ?? addKey(slice, key, createAccumulators(this.#step));
    for (let id = this.#recentPlaces.length; id <= keyId; id += 1) this.#recentPlaces.push(0);
    this.#recentPlaces[keyId] = place;
    return place;
  }

  #addSlice(startMs: number): Slice {
    const range = { startMs, endMs: startMs + this.#sliceMs, closedFromMs: this.#closedFromMs(startMs) };
    const total = this.#step.totals.length > 0 ? createAccumulators(this.#step) : undefined;
    const slice = createSlice(this.#step, range, total);
    this.#slices.set(startMs, slice);
    return slice;
  }

  #noteChange(slice: Slice): void {
    if (slice.isChanged) return;
    slice.isChanged = true;
    this.#changedSlices.add(slice);
  }

  #drop(slice: Slice): void {
    this.#slices.delete(slice.startMs);
    this.#changedSlices.delete(slice);
    if (slice.savedCount > 0) this.#dropped.add(slice.startMs);
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
    if (this.#open.has(startMs)) return;
    this.#open.add(startMs);
    this.#opened.add(startMs);
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

/** What is not of one slice alone. A `type`, since an interface is no JSON. */
export type SavedWindows = {
  readonly emittedMs: number;
  /** Starts of the windows that became open, and of those that are no longer. */
  readonly opened: readonly number[];
  readonly fired: readonly number[];
  /** Starts of the slices that are gone. */
  readonly dropped: readonly number[];
};

/** Some keys of a slice. The total is null when there is none, or when an entry before has it. */
export type SavedSlice = readonly [
  startMs: number,
  touchedMs: number,
  total: readonly Json[] | null,
  keys: readonly SavedKey[],
];

type SavedKey = readonly [key: string, touchedMs: number, accumulators: readonly Json[]];
