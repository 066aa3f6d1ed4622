import { type HeldLayers, LayerStack } from './layer-stack.ts';
import { type Codec, entriesOf, MemoryLayer, type Stored } from './layers.ts';
import { entriesPerWait, type Overflow, SizeEstimate } from './overflow.ts';

export interface KeyedStateOptions<V> {
  readonly codec: Codec<V>;
  /** Undefined: all is in memory. */
  readonly overflow: Overflow | undefined;
  /** What a key takes beside its value. */
  readonly bytesPerKey: number;
  /** Stands for what is no longer there, above older layers that have it still. */
  readonly gone: () => V;
}

/** Values by key, more of them than memory holds if need be: those that were touched last are on top, in memory, and change there. */
export class KeyedState<V> {
  readonly codec: Codec<V>;
  /** A value on top may be a part, which older ones are merged with. */
  readonly #isMerged: boolean;
  readonly #gone: () => V;
  readonly #older: LayerStack<V>;
  readonly #size: SizeEstimate | undefined;
  readonly #bytesAtOnceMax: number;
  #top = new Map<string, V>();
  #part = 0;
  /** Keys on top, and those that are gone from there, that have changed since the last save; undefined before the first, when all is new. */
  #changed: Set<string> | undefined;
  #held: HeldLayers<V> | undefined;
  /** When the base began that is being made. */
  #changedBefore: Set<string> | undefined;

  constructor({ codec, overflow, bytesPerKey, gone }: KeyedStateOptions<V>) {
    this.codec = codec;
    this.#isMerged = codec.merge !== undefined;
    this.#gone = gone;
    this.#older = new LayerStack(codec, overflow && { store: overflow.store, isSearched: true });
    this.#size = overflow && new SizeEstimate(bytesPerKey);
    this.#bytesAtOnceMax = overflow?.bytesAtOnceMax ?? Number.POSITIVE_INFINITY;
  }

  /** A key that several layers have counts with each. */
  get count(): number {
    return this.#top.size + this.#older.count;
  }

  /** Nothing lies below the top. */
  get isAllOnTop(): boolean {
    return this.#older.isEmpty;
  }

  get top(): ReadonlyMap<string, V> {
    return this.#top;
  }

  get olderCount(): number {
    return this.#older.count;
  }

  /** What is on top of a key, to be changed; it may be a part only. */
  peek(key: string): V | undefined {
    return this.#top.get(key);
  }

  /** All that there is of a key, on top from now on, to be changed. */
  load(key: string): V | undefined {
    const own = this.#top.get(key);
    if (this.#older.isEmpty || (own !== undefined && !this.#isMerged)) return own;
    const older = this.#older.get(key);
    if (older === undefined) return own;
    const all = own === undefined ? older : this.#merge(older, own);
    this.#top.set(key, all);
    return all;
  }

  /** The same; begun if there is nothing. */
  take(key: string): V {
    let value = this.load(key);
    if (value === undefined) {
      value = this.#gone();
      this.#top.set(key, value);
    }
    return value;
  }

  /** All that there is of a key, for a look. */
  read(key: string): V | undefined {
    const own = this.#top.get(key);
    if (own !== undefined && (!this.#isMerged || this.#older.isEmpty)) return own;
    const older = this.#older.get(key);
    return older === undefined || own === undefined ? (own ?? older) : this.#merge(older, own);
  }

  set(key: string, value: V): void {
    this.#top.set(key, value);
  }

  remove(key: string): void {
    if (this.#older.isEmpty) this.#top.delete(key);
    else this.#top.set(key, this.#gone());
  }

  noteChange(key: string): void {
    this.#changed?.add(key);
  }

  /** Judges from some of the values that change what all of them take. */
  noteSize(value: V): void {
    if (this.#size?.isDue()) this.#size.take(this.codec.encode(value));
  }

  /** All of it as it is now, until `endSave`, also what says that something is gone. */
  hold(): Iterable<readonly [key: string, stored: Stored<V>]> {
    this.#showGone();
    this.#freeze();
    this.#held = this.#older.hold();
    this.#older.beginSave();
    this.#changedBefore = this.#changed;
    this.#changed = new Set();
    return this.#held.entries();
  }

  /** When it was not stored, what had changed before has changed still. */
  endSave(isStored: boolean): void {
    this.#held?.release();
    this.#held = undefined;
    const before = this.#changedBefore;
    this.#changedBefore = undefined;
    if (!isStored) this.#older.undoSave();
    if (this.#thaw() === 0) this.#older.leave();
    else if (!isStored)
      this.#changed = before === undefined ? undefined : new Set([...before, ...(this.#changed ?? [])]);
    if (!this.#older.isEmpty) return;
    for (const key of before ?? []) {
      const value = this.#top.get(key);
      if (value !== undefined && this.codec.isGone(value)) this.#top.delete(key);
    }
  }

  markSaved(): void {
    this.#changed = new Set();
    this.#older.markSaved();
  }

  /** What has changed since the last save, part by part; undefined for what is gone. A layer is told whole. */
  *changes(): Iterable<
    readonly [part: number, entries: Iterable<readonly [key: string, stored: Stored<V> | undefined]>]
  > {
    for (const layer of this.#older.unsaved) yield [layer.part, entriesOf([layer], this.codec)];
    yield [this.#part, this.#changedOnTop()];
  }

  /** What is restored now is of this part. */
  startPart(part: number): void {
    if (part <= this.#part) return;
    this.#freeze();
    this.#part = part;
  }

  /** That was all. False when changes cannot be told as those of what was restored, since parts of keys were put together. */
  endRestore(): boolean {
    const layerCount = this.#older.isEmpty ? 1 : this.#thaw();
    if (layerCount === 0) {
      this.#freeze();
      // What comes now is added to what was restored, and does not take its place.
      if (this.#isMerged) this.#part += 1;
      this.#older.leave();
    }
    this.markSaved();
    return !this.#isMerged || layerCount <= 1;
  }

  get bytesHeld(): number {
    return (this.#top.size + this.#older.memoryCounts.staying) * (this.#size?.bytes ?? 0);
  }

  get bytesLeaving(): number {
    return this.#older.memoryCounts.leaving * (this.#size?.bytes ?? 0);
  }

  /** What is on top is below from now on. While restoring the part stays the same. */
  spill(isRestoring: boolean): void {
    this.#showGone();
    const part = this.#part;
    this.#freeze();
    if (isRestoring) this.#part = part;
    this.#changed?.clear();
    this.#older.leave();
  }

  /** Keys that are loaded one after the other may all be more than memory holds: between two of them room is to be made. */
  get isCrowded(): boolean {
    return this.#size !== undefined && this.#top.size * this.#size.bytes > this.#bytesAtOnceMax;
  }

  /** Writes what is on top, and waits for that. At a pause it says how many have been written. */
  *makeRoom(): Generator<number> {
    this.spill(false);
    while (this.#older.memoryCounts.leaving > 0) {
      this.work(entriesPerWait);
      yield entriesPerWait;
    }
  }

  work(entryCount: number): void {
    this.#older.work(entryCount, this.#part);
  }

  close(): void {
    this.#held?.release();
    this.#older.clear();
  }

  #merge(older: V, newer: V): V {
    return this.codec.merge?.([older, newer]) ?? newer;
  }

  *#changedOnTop(): Iterable<readonly [key: string, stored: Stored<V> | undefined]> {
    for (const key of this.#changed ?? []) {
      const value = this.#top.get(key);
      yield [key, value === undefined ? undefined : { value }];
    }
  }

  /** While nothing is below, what is gone is only missing. */
  #showGone(): void {
    if (!this.#older.isEmpty) return;
    for (const key of this.#changed ?? []) if (!this.#top.has(key)) this.#top.set(key, this.#gone());
  }

  #freeze(): void {
    if (this.#top.size === 0) return;
    this.#older.push(new MapLayer(this.#top, this.#part));
    this.#top = new Map();
    if (this.#isMerged) this.#part += 1;
  }

  /** When all older layers are in memory and may stay there, puts them together with the top. Gives their number. */
  #thaw(): number {
    const layers = (this.#older.takeAll() ?? []) as readonly MapLayer<V>[];
    const [first, ...others] = layers;
    if (first === undefined) return 0;
    const newest = this.#top;
    this.#top = first.map;
    // All of it is of one part again, and a base has it as the first.
    this.#part = 0;
    for (const map of [...others.map((layer) => layer.map), newest]) {
      for (const [key, value] of map) {
        const older = this.#top.get(key);
        const all = older === undefined ? value : this.#merge(older, value);
        if (this.codec.isGone(all)) this.#top.delete(key);
        else this.#top.set(key, all);
      }
    }
    return layers.length + (newest.size > 0 ? 1 : 0);
  }
}

class MapLayer<V> extends MemoryLayer<V> {
  readonly map: Map<string, V>;

  constructor(map: Map<string, V>, part: number) {
    super({ part, touchedMs: 0, keys: [...map.keys()], valueOf: (key) => map.get(key) });
    this.map = map;
  }
}
