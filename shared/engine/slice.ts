import {
  type AccumulatorColumns,
  type Accumulators,
  accumulatorsAt,
  createColumns,
  pushAccumulators,
  setAccumulatorsAt,
} from './accumulate.ts';
import type { CompiledAggregate } from './compile.ts';
import type { WindowRange } from './window.ts';

/** What came in [startMs, endMs) of event time. */
export interface Slice extends WindowRange {
  /** A watermark at or above this has closed all windows over the slice: what comes then is late. */
  readonly closedFromMs: number;
  /** Where each key is in `keys`, `keyTouchedMs` and `columns`. */
  readonly places: Map<string, number>;
  readonly keys: string[];
  /** The slot's clock when a key changed last. */
  readonly keyTouchedMs: number[];
  readonly columns: AccumulatorColumns;
  total: Accumulators | undefined;
  /** The highest of `keyTouchedMs`. */
  touchedMs: number;
  /** It may differ from the last save. */
  isChanged: boolean;
  /** The last save has the places below this; those above are new. */
  savedCount: number;
  /** Of the places below `savedCount` those that have changed since, each once. */
  readonly changedPlaces: number[];
  /** By place below `savedCount`, whether it is in `changedPlaces`. */
  readonly placeIsChanged: boolean[];
}

export function createSlice(
  step: CompiledAggregate,
  range: WindowRange & { readonly closedFromMs: number },
  total: Accumulators | undefined,
): Slice {
  const { startMs, endMs, closedFromMs } = range;
  return {
    startMs,
    endMs,
    closedFromMs,
    places: new Map(),
    keys: [],
    keyTouchedMs: [],
    columns: createColumns(step),
    total,
    touchedMs: 0,
    isChanged: false,
    savedCount: 0,
    changedPlaces: [],
    placeIsChanged: [],
  };
}

/** Makes a place for a key that has none. */
export function addKey(slice: Slice, key: string, accumulators: Accumulators): number {
  const place = slice.keys.length;
  slice.places.set(key, place);
  slice.keys.push(key);
  slice.keyTouchedMs.push(0);
  pushAccumulators(slice.columns, accumulators);
  return place;
}

/** Puts a key's state in the place of what is there. */
export function setKey(slice: Slice, key: string, touchedMs: number, accumulators: Accumulators): void {
  const known = slice.places.get(key);
  if (known !== undefined) setAccumulatorsAt(slice.columns, known, accumulators);
  slice.keyTouchedMs[known ?? addKey(slice, key, accumulators)] = touchedMs;
}

export function accumulatorsOf(slice: Slice, key: string): Accumulators | undefined {
  const place = slice.places.get(key);
  return place === undefined ? undefined : accumulatorsAt(slice.columns, place);
}

export function keysTouchedSince(slices: readonly Slice[], sinceMs: number): ReadonlySet<string> {
  const touched = new Set<string>();
  for (const slice of slices) {
    if (slice.touchedMs < sinceMs) continue;
    for (const [place, key] of slice.keys.entries())
      if ((slice.keyTouchedMs[place] as number) >= sinceMs) touched.add(key);
  }
  return touched;
}

/** Notes a change of a place below `savedCount`. */
export function markChanged(slice: Slice, place: number): void {
  if (slice.placeIsChanged[place]) return;
  slice.placeIsChanged[place] = true;
  slice.changedPlaces.push(place);
}

/** What `markSaved` is about in this slice. */
export function* changedPlaces(slice: Slice): Iterable<number> {
  yield* slice.changedPlaces;
  for (let place = slice.savedCount; place < slice.keys.length; place += 1) yield place;
}

/** The last save has all of it. */
export function markSaved(slice: Slice): void {
  for (const place of slice.changedPlaces) slice.placeIsChanged[place] = false;
  slice.changedPlaces.length = 0;
  for (; slice.savedCount < slice.keys.length; slice.savedCount += 1) slice.placeIsChanged.push(false);
  slice.isChanged = false;
}
