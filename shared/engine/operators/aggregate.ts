import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import { lookAtPlaces } from '#shared/engine/decode/look-ahead.ts';
import { absent, RecentPlaces } from '#shared/engine/keys/recent-places.ts';
import { LayerStack } from '#shared/engine/state/layer-stack.ts';
import type { Codec } from '#shared/engine/state/layers.ts';
import { type Overflow, SizeEstimate } from '#shared/engine/state/overflow.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import type { AlignedWindow } from '#shared/pipeline/window.ts';
import {
  type AddRecord,
  accumulatorsAt,
  addRecordOf,
  createAccumulators,
  decodeAccumulators,
  encodeAccumulators,
} from './accumulate.ts';
import { Cadence } from './cadence.ts';
import { type Emission, type EmissionContext, emitContents } from './emit.ts';
import type { Operator, StepInput } from './operator.ts';
import { createRunningFold, type RunningFold } from './running-fold.ts';
import {
  type BegunBase,
  type FrozenSlice,
  noBase,
  type SavedSlice,
  type SavedWindows,
  saveChangesOf,
  saveEntries,
} from './saved-slice.ts';
import {
  addKey,
  codecOf,
  contentsOf,
  createSlice,
  freeze,
  type KeyState,
  markChanged,
  markSaved,
  ownCountOf,
  placeOf,
  type Slice,
  setKey,
  thaw,
} from './slice.ts';
import { closesAtMs, gridOf, slicesOf, type WindowGrid, type WindowRange } from './window.ts';

/**
 * Windows that all keys share, in memory, cut into slices: one update per record whatever the overlap, and a window's row is
 * merged from its slices when it fires. A tumbling or calendar window is the case of one slice.
 */
export class WindowedAggregate implements Operator {
  readonly #step: CompiledAggregate;
  readonly #grid: WindowGrid;
  readonly #addRecord: AddRecord;
  readonly #slices = new Map<number, Slice>();
  /** Names of windows that hold something and have not fired. */
  readonly #open = new Set<number>();
  /** No window closes before the watermark reaches this. */
  #nextCloseMs = Number.POSITIVE_INFINITY;
  readonly #cadence: Cadence;
  /** Where the record before went, which is where the next one goes most often. */
  #lastSlice: Slice | undefined;
  /** Where keys were met last: most records are spared a walk through a map. */
  readonly #recent = new RecentPlaces((places, count) => {
    for (const column of this.#lastSlice?.columns ?? []) lookAtPlaces(column, places, count);
  });
  // What has changed since the last save.
  readonly #opened = new Set<number>();
  readonly #fired = new Set<number>();
  readonly #changedSlices = new Set<Slice>();
  readonly #dropped = new Set<number>();
  readonly #codec: Codec<KeyState>;
  readonly #overflow: Overflow | undefined;
  /** Rows that are refreshed are looked up by key. */
  readonly #isSearched: boolean;
  /** Of the base that is being written. */
  #base: BegunBase | undefined;
  #isRestoring = false;
  #tracksSaves = false;
  /** Undefined when nothing bounds memory. */
  readonly #size: SizeEstimate | undefined;
  /** For windows that overlap. */
  readonly #fold: RunningFold | undefined;
  /** The end of the last window that has closed: what comes before it may be in the fold. */
  #foldedMs = Number.NEGATIVE_INFINITY;

  constructor(step: CompiledAggregate, window: AlignedWindow, overflow?: Overflow) {
    this.#step = step;
    this.#grid = gridOf(window);
    this.#addRecord = addRecordOf(step);
    this.#cadence = new Cadence(step);
    this.#codec = codecOf(step);
    this.#overflow = overflow;
    this.#isSearched = step.plan.emit === 'on-update' || step.plan.early !== undefined;
    this.#size = overflow && new SizeEstimate(bytesPerKey);
    this.#fold = createRunningFold(step, slicesOf(window));
  }

  get keyCount(): number {
    let count = 0;
    for (const slice of this.#slices.values()) count += slice.keys.length + (slice.older?.count ?? 0);
    return count;
  }

  get openCount(): number {
    return this.#open.size;
  }

  add({ key, timeMs, values, watermarkMs, clockMs }: StepInput): boolean {
    const last = this.#lastSlice;
    const isInLast = last !== undefined && timeMs >= last.startMs && timeMs < last.endMs;
    const slice = isInLast ? last : this.#findSlice(timeMs, watermarkMs);
    if (slice === undefined || watermarkMs >= slice.closedFromMs) return false;
    const keyCount = slice.keys.length;
    let place = this.#recent.placeOf(slice, key);
    if (place < 0) {
      place = place === absent ? addKey(slice, key.text, this.#step) : placeOf(slice, key.text, this.#step);
      this.#recent.note(slice, key, place);
    }
    if (place < slice.savedCount) markChanged(slice, place);
    this.#addRecord(slice.columns, place, slice.total, values);
    // A run over files has no clock: what is 0 from the beginning need not be fetched for each key.
    if (clockMs !== 0) slice.keyTouchedMs[place] = clockMs;
    slice.touchedMs = clockMs;
    if (timeMs < this.#foldedMs) this.#fold?.note(slice, key.text, values, slice.keys.length > keyCount);
    if (this.#size?.isDue()) this.#size.take(encodeAccumulators(this.#step, accumulatorsAt(slice.columns, place)));
    return true;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    this.#cadence.watermarkMs = watermarkMs;
    if (watermarkMs >= this.#nextCloseMs) emission.rest.push(this.#close(watermarkMs, context, emission));
  }

  refresh(context: EmissionContext, emission: Emission): void {
    if (this.#cadence.isDue(context.clockMs)) emission.rest.push(this.#refresh(context, emission));
  }

  save(): Iterable<Json> {
    const windows: SavedWindows = { ...this.#cadence.save(), opened: [...this.#open], fired: [], dropped: [] };
    const slices: FrozenSlice[] = [];
    for (const slice of this.#slices.values()) {
      this.#freeze(slice);
      slice.older?.beginSave();
      slice.isSaved = true;
      slice.isChanged = false;
      const total = slice.total === undefined ? null : encodeAccumulators(this.#step, slice.total);
      const { startMs, touchedMs, older } = slice;
      if (older !== undefined) slices.push({ startMs, touchedMs, total, part: 0, held: older.hold() });
    }
    this.#base = {
      held: slices,
      opened: [...this.#opened],
      fired: [...this.#fired],
      dropped: [...this.#dropped],
      changedSlices: [...this.#changedSlices],
    };
    this.#changedSlices.clear();
    this.markSaved();
    return this.#entriesOf(windows, slices);
  }

  endSave(isStored: boolean): void {
    const { held, opened, fired, dropped, changedSlices } = this.#base ?? noBase;
    this.#base = undefined;
    for (const one of held) one.held.release();
    for (const slice of this.#slices.values()) {
      if (!isStored) slice.older?.undoSave();
      // Beside what is on the disk it can only be one more layer there.
      if (thaw(slice, this.#step, isStored) === 0) slice.older?.leave();
    }
    this.#lastSlice = undefined;
    if (isStored) return;
    for (const nameMs of opened) this.#opened.add(nameMs);
    for (const nameMs of fired) this.#fired.add(nameMs);
    for (const startMs of dropped) this.#dropped.add(startMs);
    for (const slice of changedSlices) if (this.#slices.get(slice.startMs) === slice) this.#noteChange(slice);
  }

  *saveChanges(): Iterable<Json> {
    yield {
      ...this.#cadence.save(),
      opened: [...this.#opened],
      fired: [...this.#fired],
      dropped: [...this.#dropped],
    } satisfies SavedWindows;
    for (const slice of this.#changedSlices) yield* saveChangesOf(slice, this.#step, this.#codec);
  }

  markSaved(): void {
    this.#tracksSaves = true;
    this.#opened.clear();
    this.#fired.clear();
    this.#dropped.clear();
    for (const slice of this.#changedSlices) markSaved(slice);
    this.#changedSlices.clear();
    // The next record finds its slice anew, which notes the change.
    this.#lastSlice = undefined;
  }

  restore(entry: Json): void {
    this.#isRestoring = true;
    if (Array.isArray(entry)) this.#restoreSlice(entry as unknown as SavedSlice);
    else this.#restoreWindows(entry as unknown as SavedWindows);
  }

  endRestore(): boolean {
    this.#isRestoring = false;
    let isOnePart = true;
    for (const slice of this.#slices.values()) {
      if (slice.older === undefined) continue;
      const layerCount = thaw(slice, this.#step, true);
      if (layerCount > 1) isOnePart = false;
      if (layerCount > 0) continue;
      this.#freeze(slice);
      // What comes now is added to what was restored, and does not take its place.
      slice.part += 1;
      slice.older.leave();
    }
    this.markSaved();
    return isOnePart;
  }

  get bytesHeld(): number {
    let count = 0;
    for (const slice of this.#slices.values()) count += ownCountOf(slice);
    count += this.#fold?.keyCount ?? 0;
    return count * (this.#size?.bytes ?? 0);
  }

  get bytesLeaving(): number {
    let count = 0;
    for (const { older } of this.#slices.values()) count += older?.memoryCounts.leaving ?? 0;
    return count * (this.#size?.bytes ?? 0);
  }

  spill(): void {
    let largest: Slice | undefined;
    for (const slice of this.#slices.values())
      if (largest === undefined || ownCountOf(slice) > ownCountOf(largest)) largest = slice;
    if (largest === undefined) return;
    this.#freeze(largest, this.#isRestoring ? largest.part : undefined);
    largest.older?.leave();
  }

  work(entryCount: number): void {
    for (const { older, part, places } of this.#slices.values()) {
      places.work(entryCount);
      older?.work(entryCount, part);
    }
  }

  close(): void {
    for (const { held } of this.#base?.held ?? []) held.release();
    for (const { older } of this.#slices.values()) older?.clear();
  }

  #freeze(slice: Slice, part = slice.part + 1): void {
    this.#fold?.clear();
    const disk = this.#overflow && { store: this.#overflow.store, isSearched: this.#isSearched };
    freeze(slice, this.#step, { part, newStack: () => new LayerStack(this.#codec, disk, this.#tracksSaves) });
  }

  *#entriesOf(windows: SavedWindows, slices: readonly FrozenSlice[]): Iterable<Json> {
    yield windows;
    for (const slice of slices) yield* saveEntries(slice, slice.held.entries(), this.#codec);
  }

  #restoreWindows({ opened, fired, dropped, ...shown }: SavedWindows): void {
    this.#cadence.restore(shown);
    for (const nameMs of opened) this.#addOpen(nameMs);
    for (const nameMs of fired) this.#open.delete(nameMs);
    for (const startMs of dropped) {
      this.#slices.get(startMs)?.older?.clear();
      this.#slices.delete(startMs);
    }
  }

  #restoreSlice([startMs, touchedMs, total, keys, part = 0]: SavedSlice): void {
    const slice = this.#slices.get(startMs) ?? this.#addSlice(startMs);
    this.#noteChange(slice);
    this.#fold?.clear();
    if (part > slice.part) {
      this.#freeze(slice, part);
      slice.part = part;
    }
    slice.touchedMs = touchedMs;
    if (total !== null) slice.total = decodeAccumulators(this.#step, total);
    for (const [key, ...state] of keys) setKey(slice, key, this.#step, this.#codec.decode(state as unknown as Json));
  }

  /** The slice that holds `timeMs`, which is begun if there is none; undefined when there is none and it would be closed. */
  #findSlice(timeMs: number, watermarkMs: number): Slice | undefined {
    const startMs = this.#grid.sliceStart(timeMs);
    let slice = this.#slices.get(startMs);
    if (slice === undefined) {
      if (watermarkMs >= this.#closedFromMs(startMs)) return undefined;
      slice = this.#addSlice(startMs);
      for (const nameMs of this.#grid.namesAt(startMs)) if (watermarkMs < this.#closesAt(nameMs)) this.#addOpen(nameMs);
    }
    this.#noteChange(slice);
    this.#lastSlice = slice;
    return slice;
  }

  #addSlice(startMs: number): Slice {
    const range = { startMs, endMs: this.#grid.sliceEnd(startMs), closedFromMs: this.#closedFromMs(startMs) };
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
    slice.older?.clear();
    this.#slices.delete(slice.startMs);
    this.#changedSlices.delete(slice);
    if (slice.isSaved) this.#dropped.add(slice.startMs);
  }

  /** The last window over a slice closes last. Windows begin and end between slices, so all records of a slice have the same one. */
  #closedFromMs(sliceStartMs: number): number {
    return closesAtMs(this.#grid.lastEnd(sliceStartMs), this.#step.plan.allowedLatenessMs);
  }

  #addOpen(nameMs: number): void {
    if (this.#open.has(nameMs)) return;
    this.#open.add(nameMs);
    this.#opened.add(nameMs);
    this.#nextCloseMs = Math.min(this.#nextCloseMs, this.#closesAt(nameMs));
  }

  /** The watermark that closes a window. */
  #closesAt(nameMs: number): number {
    return closesAtMs(this.#grid.rangeOf(nameMs).endMs, this.#step.plan.allowedLatenessMs);
  }

  *#close(watermarkMs: number, context: EmissionContext, emission: Emission): Generator<number> {
    const closed = [...this.#open].filter((nameMs) => watermarkMs >= this.#closesAt(nameMs));
    for (const nameMs of closed.sort((a, b) => a - b)) {
      yield* this.#emitWindow(this.#grid.rangeOf(nameMs), true, 0, context, emission);
      this.#open.delete(nameMs);
      if (!this.#opened.delete(nameMs)) this.#fired.add(nameMs);
    }
    this.#nextCloseMs = Number.POSITIVE_INFINITY;
    for (const nameMs of this.#open) this.#nextCloseMs = Math.min(this.#nextCloseMs, this.#closesAt(nameMs));
    for (const slice of this.#slices.values()) {
      // The last window over a slice has closed: nobody will ask for it again.
      if (watermarkMs >= slice.closedFromMs) this.#drop(slice);
    }
    this.#lastSlice = undefined;
  }

  *#refresh(context: EmissionContext, emission: Emission): Generator<number> {
    for (const nameMs of this.#open)
      yield* this.#emitWindow(this.#grid.rangeOf(nameMs), false, this.#cadence.shownMs, context, emission);
    this.#cadence.shownMs = context.clockMs;
  }

  /** Without `sinceMs` it is all that the window holds, which is asked for once. */
  #contentsOf(window: WindowRange, slices: readonly Slice[], sinceMs: number | undefined) {
    const canFold = sinceMs === undefined && slices.every(({ older }) => older === undefined);
    if (this.#fold === undefined || !canFold) return contentsOf(slices, sinceMs ?? 0, this.#step, this.#codec);
    this.#foldedMs = Math.max(this.#foldedMs, window.endMs);
    return this.#fold.contents(slices);
  }

  /** Emits the keys of a window that changed at or after `sinceMs`, with a pause after some, and its total when it changed. */
  *#emitWindow(
    window: WindowRange,
    final: boolean,
    sinceMs: number,
    context: EmissionContext,
    emission: Emission,
  ): Generator<number> {
    const slices: Slice[] = [];
    for (let startMs = window.startMs; startMs < window.endMs; startMs = this.#grid.sliceEnd(startMs)) {
      const slice = this.#slices.get(startMs);
      if (slice !== undefined) slices.push(slice);
    }
    const contents = this.#contentsOf(window, slices, final ? undefined : sinceMs);
    const totals = slices.flatMap(({ total }) => (total === undefined ? [] : [total]));
    yield* emitContents(emission, this.#step, context, { window, final, contents, totals });
  }
}

/** Of the structures around a key's accumulators. */
const bytesPerKey = 200;
