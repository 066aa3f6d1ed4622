import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import type { HeldLayers } from '#shared/engine/state/layer-stack.ts';
import { type Codec, entriesOf, jsonOf, type Stored } from '#shared/engine/state/layers.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { encodeAccumulators } from './accumulate.ts';
import type { SavedCadence } from './cadence.ts';
import { perEntry } from './operator.ts';
import { changedPlaces, contentOf, type KeyState, type Slice } from './slice.ts';

/** What is not of one slice alone. A `type`, since an interface is no JSON. */
export type SavedWindows = SavedCadence & {
  /** Names of the windows that became open, and of those that are no longer. */
  readonly opened: readonly number[];
  readonly fired: readonly number[];
  /** Starts of the slices that are gone. */
  readonly dropped: readonly number[];
};

/** Some keys of a slice. The total is null when there is none, or when an entry before has it. Without a part it is of the first. */
export type SavedSlice = readonly [
  startMs: number,
  touchedMs: number,
  total: readonly Json[] | null,
  keys: readonly SavedKey[],
  part?: number,
];

type SavedKey = readonly [key: string, ...state: SavedKeyState];
type SavedKeyState = readonly [touchedMs: number, accumulators: readonly Json[]];

interface SavedRange {
  readonly startMs: number;
  readonly touchedMs: number;
  readonly total: readonly Json[] | null;
  readonly part: number;
}

/** A slice in a base that is being written. */
export interface FrozenSlice extends SavedRange {
  readonly held: HeldLayers<KeyState>;
}

/** A base, and what had changed when it began. */
export interface BegunBase {
  readonly held: readonly FrozenSlice[];
  readonly opened: readonly number[];
  readonly fired: readonly number[];
  readonly dropped: readonly number[];
  readonly changedSlices: readonly Slice[];
}

export const noBase: BegunBase = { held: [], opened: [], fired: [], dropped: [], changedSlices: [] };

/** What has changed in a slice since the last save, part by part. A layer is told whole: some of it may be in an earlier save too. */
export function* saveChangesOf(slice: Slice, step: CompiledAggregate, codec: Codec<KeyState>): Iterable<Json> {
  let total = slice.total === undefined ? null : encodeAccumulators(step, slice.total);
  for (const layer of slice.older?.unsaved ?? []) {
    yield* saveEntries({ ...slice, total, part: layer.part }, entriesOf([layer], codec), codec);
    total = null;
  }
  yield* saveEntries({ ...slice, total }, contentOf(slice, changedPlaces(slice)), codec);
}

/** Keys of a slice, cut into entries. */
export function* saveEntries(
  { startMs, touchedMs, total, part }: SavedRange,
  entries: Iterable<readonly [key: string, stored: Stored<KeyState>]>,
  codec: Codec<KeyState>,
): Iterable<Json> {
  let first = total;
  for (const some of perEntry(entries)) {
    const keys = some.map(([key, stored]): SavedKey => [key, ...(jsonOf(codec, stored) as SavedKeyState)]);
    const slice: SavedSlice = [startMs, touchedMs, first, keys];
    yield (part === 0 ? slice : [...slice, part]) as unknown as Json;
    first = null;
  }
}
