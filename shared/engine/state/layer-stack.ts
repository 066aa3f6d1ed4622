import type { Json } from '#shared/pipeline/aggregator.ts';
import { assert } from '#shared/schemas/error.ts';
import {
  type Codec,
  combine,
  type Disk,
  entriesOf,
  type Layer,
  MemoryLayer,
  RunLayer,
  readStored,
  type Stored,
  writeLayer,
  writeMerged,
} from './layers.ts';

/** So many runs of about the same size are made one: a key is looked up in each of them, or all are read at once. */
const runsPerTier = { searched: 12, merged: 128 } as const;
const workPerStep = 1_000;

interface Placed<V> {
  readonly layer: MemoryLayer<V> | RunLayer<V>;
  /** Snapshots have all of it, or the one that is being made. */
  isSaved: boolean;
  /** Snapshots had all of it before the one that is being made. */
  wasSaved: boolean;
  /** It is to be written to the disk, when it is in memory. */
  isLeaving: boolean;
}

/**
 * What of some keyed state lies below its top, which alone changes: layers that stand still, in memory or on a disk. A key's value is what
 * the layers that have it come to.
 *
 *     top     changes, in memory, the owner's
 *     layers  [memory][run][run][run, merged from several]    newest first here; the oldest comes first in the array
 *
 * A base is written from layers that are held fast while the top goes on; memory is made free by writing layers as runs.
 */
export class LayerStack<V> {
  readonly codec: Codec<V>;
  readonly #disk: Disk | undefined;
  #placed: Placed<V>[] = [];
  #tracksSaves: boolean;
  #task: Generator<void> | undefined;

  /** `tracksSaves`: something was saved before, so what is pushed is new. */
  constructor(codec: Codec<V>, disk: Disk | undefined, tracksSaves = false) {
    this.codec = codec;
    this.#disk = disk;
    this.#tracksSaves = tracksSaves;
  }

  get isEmpty(): boolean {
    return this.#placed.length === 0;
  }

  /** Of all layers; a key that several have counts with each. */
  get count(): number {
    return this.#placed.reduce((sum, { layer }) => sum + layer.count, 0);
  }

  /** Of those in memory: what stays there, and what is to be written to the disk. */
  get memoryCounts(): { readonly staying: number; readonly leaving: number } {
    let staying = 0;
    let leaving = 0;
    for (const { layer, isLeaving } of this.#placed) {
      if (!(layer instanceof MemoryLayer)) continue;
      if (isLeaving) leaving += layer.count;
      else staying += layer.count;
    }
    return { staying, leaving };
  }

  get isOnDisk(): boolean {
    return this.#placed.some(({ layer }) => layer instanceof RunLayer);
  }

  get layers(): readonly Layer<V>[] {
    return this.#placed.map(({ layer }) => layer);
  }

  /** Those that hold what no snapshot has, the oldest first. */
  get unsaved(): readonly Layer<V>[] {
    return this.#placed.filter(({ isSaved }) => !isSaved).map(({ layer }) => layer);
  }

  /** Puts what was the top above all others. */
  push(layer: MemoryLayer<V>): void {
    if (layer.count > 0)
      this.#placed.push({ layer, isSaved: !this.#tracksSaves, wasSaved: !this.#tracksSaves, isLeaving: false });
  }

  /** What is in memory is to be written to the disk, if there is one: `work` does it. */
  leave(): void {
    if (this.#disk !== undefined) for (const placed of this.#placed) placed.isLeaving = true;
  }

  /** What the layers have of a key: a value that nobody else has. */
  get(key: string): V | undefined {
    const found: (readonly [part: number, stored: Stored<V>])[] = [];
    for (const { layer } of this.#placed) {
      const stored = layer.get(key);
      if (stored !== undefined) found.push([layer.part, stored]);
    }
    if (found.length === 0) return undefined;
    const stored = combine(this.codec, found);
    if (!('value' in stored)) return readStored(this.codec, stored);
    return found.some(([, one]) => one === stored) ? this.#copyOf(stored.value) : stored.value;
  }

  /** All of it as it is now, until it is released, whatever becomes of the stack. */
  hold(): HeldLayers<V> {
    const layers = this.layers;
    for (const layer of layers) if (layer instanceof RunLayer) layer.retain();
    return {
      layers,
      entries: () => entriesOf(layers, this.codec),
      release: () => {
        for (const layer of layers) if (layer instanceof RunLayer) layer.release();
      },
    };
  }

  /** Everything is about to be in snapshots: from now on what comes is told from it. */
  beginSave(): void {
    this.#tracksSaves = true;
    for (const placed of this.#placed) {
      placed.wasSaved = placed.isSaved;
      placed.isSaved = true;
    }
  }

  /** It is not: what was not in snapshots before is not there now. */
  undoSave(): void {
    for (const placed of this.#placed) placed.isSaved &&= placed.wasSaved;
  }

  /** Everything is in snapshots. */
  markSaved(): void {
    this.beginSave();
    this.beginSave();
  }

  /** When all that there is lies in memory and may stay there, takes it away: it may be the top again. */
  takeAll(): readonly MemoryLayer<V>[] | undefined {
    const layers: MemoryLayer<V>[] = [];
    for (const { layer, isLeaving } of this.#placed) {
      if (!(layer instanceof MemoryLayer) || isLeaving) return undefined;
      layers.push(layer);
    }
    this.#placed = [];
    return layers;
  }

  /**
   * Goes on with writing what lies in memory as runs, and with making few of many: about `entryCount` entries. `topPart` is the part of what
   * is above. True when nothing is left.
   */
  work(entryCount: number, topPart: number): boolean {
    for (let left = entryCount; left > 0; left -= workPerStep) {
      this.#task ??= this.#nextTask(topPart);
      if (this.#task === undefined) return true;
      if (this.#task.next().done === true) this.#task = undefined;
    }
    return false;
  }

  /** Lets go of everything. */
  clear(): void {
    this.#abandonTask();
    for (const { layer } of this.#placed) if (layer instanceof RunLayer) layer.release();
    this.#placed = [];
  }

  #nextTask(topPart: number): Generator<void> | undefined {
    if (this.#disk === undefined) return undefined;
    for (const placed of this.#placed) {
      if (placed.layer instanceof MemoryLayer && placed.isLeaving)
        return this.#writeOut(placed, placed.layer, this.#disk);
    }
    const range = this.#rangeToMerge(topPart);
    return range === undefined ? undefined : this.#merge(range, this.#disk);
  }

  *#writeOut(placed: Placed<V>, layer: MemoryLayer<V>, disk: Disk): Generator<void> {
    const run = yield* writeLayer(layer, this.codec, disk);
    this.#replace([placed], run);
  }

  *#merge(range: readonly Placed<V>[], disk: Disk): Generator<void> {
    const hasAll = range[0] === this.#placed[0];
    const layers = range.map(({ layer }) => layer);
    this.#replace(range, yield* writeMerged(layers, this.codec, { ...disk, hasAll }));
  }

  #replace(range: readonly Placed<V>[], layer: RunLayer<V>): void {
    const at = this.#placed.indexOf(range[0] as Placed<V>);
    assert(at >= 0, 'layers that are made one are there until then');
    // What was saved meanwhile counts as saved.
    const isSaved = range.every((placed) => placed.isSaved);
    const wasSaved = range.every((placed) => placed.wasSaved);
    this.#placed.splice(at, range.length, { layer, isSaved, wasSaved, isLeaving: true });
    for (const replaced of range) if (replaced.layer instanceof RunLayer) replaced.layer.release();
  }

  /**
   * The newest neighbours, as many as make a tier, none of which is of a greater order than the others come to. Each value is so written
   * again once for each power of that number that the state grows by. What is not saved is left as it is, since a delta has to tell it apart, and
   * so is what a base holds in memory.
   */
  #rangeToMerge(topPart: number): readonly Placed<V>[] | undefined {
    const saved = this.#placed.findIndex(({ layer, wasSaved }) => !wasSaved || layer instanceof MemoryLayer);
    const end = saved === -1 ? this.#placed.length : saved;
    const perTier = this.#disk?.isSearched === true ? runsPerTier.searched : runsPerTier.merged;
    const tiers = this.#placed.map(({ layer }) => Math.floor(Math.log(layer.count) / Math.log(perTier)));
    for (const tier of [...new Set(tiers)].sort((a, b) => a - b)) {
      let start = end;
      while (start > 0 && (tiers[start - 1] as number) <= tier) start -= 1;
      const range = this.#ofWholeParts(start, end, topPart);
      if (range.length >= perTier) return range;
    }
    return undefined;
  }

  /**
   * Values of one part replace one another: what is merged with other parts must have all of its part, or be of one alone. While a state
   * is restored more of the newest part may come, so the top counts as a layer.
   */
  #ofWholeParts(from: number, to: number, topPart: number): readonly Placed<V>[] {
    const partOf = (at: number): number | undefined =>
      at === this.#placed.length ? topPart : this.#placed[at]?.layer.part;
    let start = from;
    let end = to;
    if (partOf(start) === partOf(end - 1)) return this.#placed.slice(start, end);
    while (start < end && partOf(start - 1) === partOf(start)) start += 1;
    while (end > start && partOf(end - 1) === partOf(end)) end -= 1;
    return this.#placed.slice(start, end);
  }

  #abandonTask(): void {
    this.#task?.return(undefined);
    this.#task = undefined;
  }

  #copyOf(value: V): V {
    return this.codec.decode(JSON.parse(JSON.stringify(this.codec.encode(value))) as Json);
  }
}

/** Layers that stay while they are read. */
export interface HeldLayers<V> {
  /** The oldest first. */
  readonly layers: readonly Layer<V>[];
  readonly entries: () => Iterable<readonly [key: string, stored: Stored<V>]>;
  readonly release: () => void;
}
