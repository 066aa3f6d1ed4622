import type { Json } from '#shared/pipeline/aggregator.ts';
import type { Run, RunStore, RunWriter } from '#shared/ports/run-store.ts';
import { assert } from '#shared/schemas/error.ts';
import { MinHeap } from './heap.ts';
import { orderTexts } from './text-order.ts';

/** How the values of keyed state are written, read and put together. */
export interface Codec<V> {
  readonly encode: (value: V) => Json;
  /** Gives a value that nobody else has. */
  readonly decode: (encoded: Json) => V;
  /**
   * What parts, the oldest first, make together: a value that nobody else has. They are not changed. Undefined where a value is never a part, but
   * all that there is of its key.
   */
  readonly merge?: (parts: readonly V[]) => V;
  /** It only says that what older layers have is no more. */
  readonly isGone: (value: V) => boolean;
}

/** A value in memory, or as the text of a run. */
export type Stored<V> = { readonly value: V } | { readonly text: string };

/** Keyed values that do not change any more. */
export interface Layer<V> {
  /** Values of one part replace one another, the newest layer's stands; those of different parts are merged. */
  readonly part: number;
  /** The slot's clock when it changed last. */
  readonly touchedMs: number;
  readonly count: number;
  readonly get: (key: string) => Stored<V> | undefined;
  /** By key, ascending. */
  readonly sorted: () => Entries<V>;
}

type Entries<V> = Required<Pick<Iterator<readonly [key: string, stored: Stored<V>], undefined>, 'next' | 'return'>>;

/** A layer in memory, which `get` looks into. */
export class MemoryLayer<V> implements Layer<V> {
  readonly part: number;
  readonly touchedMs: number;
  readonly keys: readonly string[];
  readonly #valueOf: (key: string) => V | undefined;
  readonly #valueAt: (place: number) => V;

  /** `valueAt` gives the value of the key at a place, where that is quicker than to look the key up. */
  constructor(options: {
    readonly part: number;
    readonly touchedMs: number;
    readonly keys: readonly string[];
    readonly valueOf: (key: string) => V | undefined;
    readonly valueAt?: (place: number) => V;
  }) {
    this.part = options.part;
    this.touchedMs = options.touchedMs;
    this.keys = options.keys;
    this.#valueOf = options.valueOf;
    this.#valueAt = options.valueAt ?? ((place) => options.valueOf(options.keys[place] as string) as V);
  }

  get count(): number {
    return this.keys.length;
  }

  get(key: string): Stored<V> | undefined {
    const value = this.#valueOf(key);
    return value === undefined ? undefined : { value };
  }

  *sorted(): Generator<readonly [key: string, stored: Stored<V>], undefined> {
    for (const places of sortedBatches(this.keys))
      for (const place of places) yield [this.keys[place] as string, this.at(place)];
  }

  /** What the key at a place of `keys` has. */
  at(place: number): Stored<V> {
    return { value: this.#valueAt(place) };
  }
}

/** A layer on the disk. Several may need it: the last one to let go of it removes it. */
export class RunLayer<V> implements Layer<V> {
  readonly part: number;
  readonly touchedMs: number;
  readonly #run: Run;
  #users = 1;

  constructor(run: Run, { part, touchedMs }: { readonly part: number; readonly touchedMs: number }) {
    this.#run = run;
    this.part = part;
    this.touchedMs = touchedMs;
  }

  get count(): number {
    return this.#run.entryCount;
  }

  get(key: string): Stored<V> | undefined {
    const text = this.#run.get(key);
    return text === undefined ? undefined : { text };
  }

  /** No generator: so many entries come through here that each one's step counts. */
  sorted(): Entries<V> {
    const entries = this.#run.entries()[Symbol.iterator]();
    return {
      next: () => {
        const next = entries.next();
        if (next.done === true) return { done: true, value: undefined };
        const [key, text] = next.value;
        return { done: false, value: [key, { text }] };
      },
      return: () => {
        entries.return?.();
        return { done: true, value: undefined };
      },
    };
  }

  retain(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#run.remove();
  }
}

/** All keys of some layers, the oldest first, ascending, each with what the layers make of it. */
function mergeLayers<V>(
  layers: readonly Layer<V>[],
  codec: Codec<V>,
): Generator<readonly [key: string, stored: Stored<V>]> {
  return mergeStacks([layers], codec);
}

/** All keys of some layers, in any order: one layer in memory need not be sorted for it. */
export function* entriesOf<V>(
  layers: readonly Layer<V>[],
  codec: Codec<V>,
): Generator<readonly [key: string, stored: Stored<V>]> {
  const [only] = layers;
  if (layers.length !== 1 || !(only instanceof MemoryLayer)) return yield* mergeLayers(layers, codec);
  for (const [place, key] of only.keys.entries()) yield [key, only.at(place)];
}

/** As `mergeLayers`, over the layers of several states, whose parts have nothing to do with one another. */
export function* mergeStacks<V>(
  stacks: readonly (readonly Layer<V>[])[],
  codec: Codec<V>,
): Generator<readonly [key: string, stored: Stored<V>]> {
  const sources = stacks.flatMap((layers, stack) =>
    layers.map((layer) => ({ entries: layer.sorted(), part: stack * partsMax + layer.part })),
  );
  try {
    const heads = new MinHeap<Head<V>>((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.age - b.age));
    const advance = (age: number): void => {
      const { entries, part } = sources[age] as (typeof sources)[number];
      const next = entries.next();
      if (next.done !== true) heads.push({ key: next.value[0], age, found: [part, next.value[1]] });
    };
    for (const age of sources.keys()) advance(age);
    for (let head = heads.pop(); head !== undefined; head = heads.pop()) {
      const { key } = head;
      advance(head.age);
      if (heads.peek()?.key !== key) {
        yield [key, head.found[1]];
        continue;
      }
      const found = [head.found];
      for (let next = heads.peek(); next?.key === key; next = heads.peek()) {
        heads.pop();
        found.push(next.found);
        advance(next.age);
      }
      yield [key, combine(codec, found)];
    }
  } finally {
    for (const { entries } of sources) entries.return();
  }
}

/** More than a state will ever have. */
const partsMax = 2 ** 30;

interface Head<V> {
  readonly key: string;
  readonly age: number;
  readonly found: readonly [part: number, stored: Stored<V>];
}

/** What the values of a key, the oldest first, each with its part, come to. */
export function combine<V>(codec: Codec<V>, found: readonly (readonly [part: number, stored: Stored<V>])[]): Stored<V> {
  const newest = found.filter(([part], index) => found[index + 1]?.[0] !== part).map(([, stored]) => stored);
  const [only] = newest;
  if (newest.length === 1 && only !== undefined) return only;
  assert(codec.merge !== undefined, 'what is kept of a key is of one part');
  return { value: codec.merge(newest.map((stored) => readStored(codec, stored))) };
}

/** The value, which is not to be changed. */
export function readStored<V>(codec: Codec<V>, stored: Stored<V>): V {
  return 'value' in stored ? stored.value : codec.decode(JSON.parse(stored.text) as Json);
}

/** The value as JSON. */
export function jsonOf<V>(codec: Codec<V>, stored: Stored<V>): Json {
  return 'value' in stored ? codec.encode(stored.value) : (JSON.parse(stored.text) as Json);
}

/** Keys that are sorted in one go: some 0.1 s. */
const keysPerSort = 1 << 19;
/** Entries between two pauses. */
const entriesPerStep = 1_000;

/** Where runs are written, and whether keys will be looked up in them. */
export interface Disk {
  readonly store: RunStore;
  readonly isSearched: boolean;
}

/** Writes a layer as a run, with a pause after every step. */
export function* writeLayer<V>(layer: MemoryLayer<V>, codec: Codec<V>, disk: Disk): Generator<void, RunLayer<V>> {
  const run = yield* writeRun(disk, function* (writer) {
    for (const places of sortedBatches(layer.keys)) {
      for (const place of places) writer.add(layer.keys[place] as string, textOf(codec, layer.at(place)));
      yield;
    }
  });
  return new RunLayer(run, layer);
}

/** Writes neighbours, the oldest first, as one run, with a pause after every step. `hasAll`: there are no older ones. */
export function* writeMerged<V>(
  layers: readonly Layer<V>[],
  codec: Codec<V>,
  disk: Disk & { readonly hasAll: boolean },
): Generator<void, RunLayer<V>> {
  const run = yield* writeRun(disk, function* (writer) {
    let count = 0;
    for (const [key, stored] of mergeLayers(layers, codec)) {
      count += 1;
      if (count % entriesPerStep === 0) yield;
      if (disk.hasAll && codec.isGone(readStored(codec, stored))) continue;
      writer.add(key, textOf(codec, stored));
    }
  });
  return new RunLayer(run, {
    part: (layers.at(-1) as Layer<V>).part,
    touchedMs: Math.max(...layers.map(({ touchedMs }) => touchedMs)),
  });
}

function* writeRun({ store, isSearched }: Disk, write: (writer: RunWriter) => Generator<void>): Generator<void, Run> {
  const writer = store.begin(isSearched);
  let isWhole = false;
  try {
    yield* write(writer);
    isWhole = true;
    return writer.end();
  } finally {
    // Whoever wanted the run has given it up.
    if (!isWhole) writer.discard();
  }
}

function textOf<V>(codec: Codec<V>, stored: Stored<V>): string {
  return 'value' in stored ? JSON.stringify(codec.encode(stored.value)) : stored.text;
}

/** The places of keys in their order, some at a time; none while they are being sorted. */
function* sortedBatches(keys: readonly string[]): Generator<ArrayLike<number> & Iterable<number>> {
  const chunks: Uint32Array[] = [];
  for (let from = 0; from < keys.length; from += keysPerSort) {
    chunks.push(orderTexts(keys.slice(from, from + keysPerSort)).map((place) => from + place));
    yield [];
  }
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) {
    for (let from = 0; from < only.length; from += entriesPerStep) yield only.subarray(from, from + entriesPerStep);
    return;
  }
  const nexts = chunks.map(() => 0);
  let batch: number[] = [];
  for (;;) {
    // There are so few chunks that looking at each is the quickest.
    let least: string | undefined;
    let found = 0;
    for (let chunk = 0; chunk < chunks.length; chunk += 1) {
      const place = chunks[chunk]?.[nexts[chunk] as number];
      const key = place === undefined ? undefined : keys[place];
      if (key === undefined || (least !== undefined && key >= least)) continue;
      least = key;
      found = chunk;
    }
    if (least === undefined) break;
    const next = nexts[found] as number;
    nexts[found] = next + 1;
    if (batch.push((chunks[found] as Uint32Array)[next] as number) < entriesPerStep) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}
