import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import { KeyPlaces } from '#shared/engine/keys/key-places.ts';
import { type SeenKeys, unseen } from '#shared/engine/keys/recent-places.ts';
import type { LayerStack } from '#shared/engine/state/layer-stack.ts';
import {
  type Codec,
  entriesOf,
  type Layer,
  MemoryLayer,
  mergeStacks,
  readStored,
  type Stored,
} from '#shared/engine/state/layers.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import {
  type AccumulatorColumns,
  type Accumulators,
  accumulatorsAt,
  createAccumulators,
  createColumns,
  decodeAccumulators,
  encodeAccumulators,
  mergeAccumulators,
  mergeAll,
  pushCreated,
  setAccumulatorsAt,
} from './accumulate.ts';
import type { WindowRange } from './window.ts';

/** Keys and what came of each. */
interface SliceContent {
  /** Where each key is in `keys`, `keyTouchedMs` and `columns`. */
  places: KeyPlaces;
  keys: string[];
  /** The slot's clock when a key changed last. */
  keyTouchedMs: number[];
  columns: AccumulatorColumns;
  /** See `Layer`. */
  part: number;
  /** The highest of `keyTouchedMs`. */
  touchedMs: number;
  /** See `RecentPlaces`. */
  seen: SeenKeys;
}

/** Which places of a content are not as they were in the last save. */
interface Changes {
  /** The last save has the places below this; those above are new. */
  savedCount: number;
  /** Of the places below `savedCount` those that have changed since, each once. */
  changedPlaces: number[];
  /** By place below `savedCount`, whether it is in `changedPlaces`. */
  placeIsChanged: boolean[];
}

/** What came in [startMs, endMs) of event time. Its own content changes; what is older does not. */
export interface Slice extends WindowRange, SliceContent, Changes {
  /** A watermark at or above this has closed all windows over the slice: what comes then is late. */
  readonly closedFromMs: number;
  /** Of all keys, whichever layer they are in. */
  total: Accumulators | undefined;
  /** Undefined as long as all is in memory, and no base is being written. */
  older: LayerStack<KeyState> | undefined;
  /** It may differ from the last save. */
  isChanged: boolean;
  /** The last save has something of it. */
  isSaved: boolean;
}

/** A key of a layer. */
export interface KeyState {
  readonly touchedMs: number;
  readonly accumulators: Accumulators;
}

/** Parts are merged: a key whose older part is on the disk begins anew in memory, so that nothing has to be read to add to it. */
export function codecOf(step: CompiledAggregate): Codec<KeyState> {
  return {
    encode: ({ touchedMs, accumulators }) => [touchedMs, encodeAccumulators(step, accumulators)] as Json,
    decode: (encoded) => {
      const [touchedMs, accumulators] = encoded as readonly [number, Json];
      return { touchedMs, accumulators: decodeAccumulators(step, accumulators) };
    },
    merge: (parts) => {
      const accumulators = createAccumulators(step);
      let touchedMs = 0;
      for (const part of parts) {
        mergeAccumulators(step, accumulators, part.accumulators);
        touchedMs = Math.max(touchedMs, part.touchedMs);
      }
      return { touchedMs, accumulators };
    },
    isGone: () => false,
  };
}

export function createSlice(
  step: CompiledAggregate,
  range: WindowRange & { readonly closedFromMs: number },
  total: Accumulators | undefined,
): Slice {
  const { startMs, endMs, closedFromMs } = range;
  const keys: string[] = [];
  return {
    startMs,
    endMs,
    closedFromMs,
    places: new KeyPlaces(keys),
    keys,
    keyTouchedMs: [],
    columns: createColumns(step),
    part: 0,
    touchedMs: 0,
    seen: unseen,
    total,
    older: undefined,
    isChanged: false,
    isSaved: false,
    savedCount: 0,
    changedPlaces: [],
    placeIsChanged: [],
  };
}

/** The place of a key, which is made if it has none: then the accumulators are as created. */
export function placeOf(slice: SliceContent, key: string, step: CompiledAggregate): number {
  const place = slice.places.take(key);
  if (place === slice.keyTouchedMs.length) pushState(slice, step);
  return place;
}

/** The place of a key that the slice does not have. */
export function addKey(slice: SliceContent, key: string, step: CompiledAggregate): number {
  pushState(slice, step);
  return slice.keys.push(key) - 1;
}

function pushState({ keyTouchedMs, columns }: SliceContent, step: CompiledAggregate): void {
  keyTouchedMs.push(0);
  pushCreated(columns, step);
}

/** Puts a key's state in the place of what is there. */
export function setKey(
  slice: SliceContent,
  key: string,
  step: CompiledAggregate,
  { touchedMs, accumulators }: KeyState,
): void {
  const place = placeOf(slice, key, step);
  slice.seen = unseen;
  setAccumulatorsAt(slice.columns, place, accumulators);
  slice.keyTouchedMs[place] = touchedMs;
}

/** What the keys that changed at or after `sinceMs` have in all of some slices, the oldest of which comes first. */
export function* contentsOf(
  slices: readonly Slice[],
  sinceMs: number,
  step: CompiledAggregate,
  codec: Codec<KeyState>,
): Iterable<readonly [key: string, accumulators: Accumulators]> {
  const [only] = slices;
  if (slices.length === 1 && only !== undefined && only.older === undefined) {
    // The tumbling window: its one slice is the window.
    for (let place = 0; place < only.keys.length; place += 1) {
      if ((only.keyTouchedMs[place] as number) < sinceMs) continue;
      yield [only.keys[place] as string, accumulatorsAt(only.columns, place)];
    }
  } else if (sinceMs === 0 && slices.some(({ older }) => older?.isOnDisk)) {
    // More than memory holds: every layer is read once, in its order.
    for (const [key, stored] of mergeStacks(slices.map(layersOf), codec))
      yield [key, readStored(codec, stored).accumulators];
  } else {
    for (const key of keysTouchedSince(slices, sinceMs))
      yield [
        key,
        mergeAll(
          step,
          slices.flatMap((slice) => accumulatorsOf(slice, key)),
        ),
      ];
  }
}

function accumulatorsOf(slice: Slice, key: string): readonly Accumulators[] {
  const older = slice.older?.get(key)?.accumulators;
  const place = slice.places.get(key);
  const own = place === undefined ? [] : [accumulatorsAt(slice.columns, place)];
  return older === undefined ? own : [older, ...own];
}

function keysTouchedSince(slices: readonly Slice[], sinceMs: number): ReadonlySet<string> {
  const touched = new Set<string>();
  for (const slice of slices) {
    for (const layer of slice.older?.layers ?? []) {
      if (layer.touchedMs < sinceMs) continue;
      const { codec } = slice.older as LayerStack<KeyState>;
      for (const [key, stored] of entriesOf([layer], codec))
        if (readStored(codec, stored).touchedMs >= sinceMs) touched.add(key);
    }
    if (slice.touchedMs < sinceMs) continue;
    for (const [place, key] of slice.keys.entries())
      if ((slice.keyTouchedMs[place] as number) >= sinceMs) touched.add(key);
  }
  return touched;
}

/** All of a slice, the oldest layer first. */
function layersOf(slice: Slice): readonly Layer<KeyState>[] {
  return [...(slice.older?.layers ?? []), new SliceLayer({ ...slice })];
}

/** Some places of a slice's own content. */
export function* contentOf(
  { keys, keyTouchedMs, columns }: Slice,
  places: Iterable<number>,
): Iterable<readonly [key: string, stored: Stored<KeyState>]> {
  for (const place of places) {
    const value = { touchedMs: keyTouchedMs[place] as number, accumulators: accumulatorsAt(columns, place) };
    yield [keys[place] as string, { value }];
  }
}

/** Keys in memory that are not being written to the disk. */
export function ownCountOf({ keys, older }: Slice): number {
  return keys.length + (older?.memoryCounts.staying ?? 0);
}

/** Makes what a slice has a layer of its own, which does not change any more: it goes on empty, with another part. */
export function freeze(
  slice: Slice,
  step: CompiledAggregate,
  next: { readonly part: number; readonly newStack: () => LayerStack<KeyState> },
): void {
  if (slice.keys.length === 0) return;
  slice.older ??= next.newStack();
  slice.older.push(new SliceLayer({ ...slice }));
  startPart(slice, step, next.part);
  slice.savedCount = 0;
  slice.changedPlaces = [];
  slice.placeIsChanged = [];
}

function startPart(slice: Slice, step: CompiledAggregate, part: number): void {
  slice.keys = [];
  slice.places = new KeyPlaces(slice.keys);
  slice.keyTouchedMs = [];
  slice.columns = createColumns(step);
  slice.part = part;
  slice.seen = unseen;
}

/**
 * When all older layers are in memory and may stay there, lets the slice go on with the oldest, into which the others are merged. Gives the
 * number of layers that became one.
 */
export function thaw(slice: Slice, step: CompiledAggregate, isSaved: boolean): number {
  const [first, ...others] = (slice.older?.takeAll() ?? []).map((layer) => (layer as SliceLayer).content);
  if (first === undefined) return 0;
  const newest = { ...slice };
  const { savedCount, changedPlaces, placeIsChanged } = first;
  slice.places = first.places;
  slice.keys = first.keys;
  slice.keyTouchedMs = first.keyTouchedMs;
  slice.columns = first.columns;
  slice.seen = unseen;
  // All of it is of one part again, and a base has it as the first.
  slice.part = 0;
  slice.older = undefined;
  Object.assign(slice, { savedCount, changedPlaces, placeIsChanged });
  if (isSaved) markPlacesSaved(slice);
  for (const content of [...others, newest]) mergeContent(slice, step, content);
  return 1 + others.length + (newest.keys.length > 0 ? 1 : 0);
}

function mergeContent(slice: Slice, step: CompiledAggregate, from: SliceContent): void {
  for (const [place, key] of from.keys.entries()) {
    const accumulators = accumulatorsAt(from.columns, place);
    const touchedMs = from.keyTouchedMs[place] as number;
    const known = slice.places.get(key);
    if (known === undefined) {
      setKey(slice, key, step, { touchedMs, accumulators });
      continue;
    }
    if (known < slice.savedCount) markChanged(slice, known);
    const merged = accumulatorsAt(slice.columns, known);
    mergeAccumulators(step, merged, accumulators);
    setAccumulatorsAt(slice.columns, known, merged);
    slice.keyTouchedMs[known] = Math.max(slice.keyTouchedMs[known] as number, touchedMs);
  }
}

class SliceLayer extends MemoryLayer<KeyState> {
  readonly content: SliceContent & Changes;

  constructor(content: SliceContent & Changes) {
    const { places, keyTouchedMs, columns } = content;
    const valueAt = (place: number): KeyState => ({
      touchedMs: keyTouchedMs[place] as number,
      accumulators: accumulatorsAt(columns, place),
    });
    super({
      ...content,
      valueAt,
      valueOf: (key) => {
        const place = places.get(key);
        return place === undefined ? undefined : valueAt(place);
      },
    });
    this.content = content;
  }
}

/** Notes a change of a place below `savedCount`. */
export function markChanged(slice: Slice, place: number): void {
  if (slice.placeIsChanged[place]) return;
  slice.placeIsChanged[place] = true;
  slice.changedPlaces.push(place);
}

/** What `markSaved` is about in a slice's own content. */
export function* changedPlaces(slice: Slice): Iterable<number> {
  yield* slice.changedPlaces;
  for (let place = slice.savedCount; place < slice.keys.length; place += 1) yield place;
}

function markPlacesSaved(slice: Slice): void {
  for (const place of slice.changedPlaces) slice.placeIsChanged[place] = false;
  slice.changedPlaces.length = 0;
  for (; slice.savedCount < slice.keys.length; slice.savedCount += 1) slice.placeIsChanged.push(false);
}

/** The last save has all of it. */
export function markSaved(slice: Slice): void {
  markPlacesSaved(slice);
  slice.older?.markSaved();
  slice.isChanged = false;
  slice.isSaved = true;
}
