import { type LooksAhead, lookAtPlaces, note } from '#shared/engine/decode/look-ahead.ts';
import type { TextCache } from '#shared/engine/decode/text-cache.ts';
import { encodeTextKey } from '#shared/schemas/key.ts';
import { type FoundKey, type KeySpace, type NumberedKeys, slotOf } from './key.ts';
import { KeyPlaces } from './key-places.ts';

/** The slots of keys that have numbers, each found once. */
class SlotsByNumber {
  readonly #slots: number;
  #known: number[] = [];

  constructor(slots: number) {
    this.#slots = slots;
  }

  of(number: number, keys: NumberedKeys): number {
    const known = this.#known;
    while (known.length <= number) known.push(-1);
    if (known[number] === -1) known[number] = slotOf(keys.textOf(number), this.#slots);
    return known[number] as number;
  }

  clear(): void {
    this.#known = [];
  }
}

/** The keys that are the texts of one column, by the numbers that the texts have there, which are their ids: no key needs an entry of its own. */
export class TextsByNumber implements NumberedKeys, LooksAhead {
  space: KeySpace = { isOneToOne: true };
  readonly #cache: TextCache;
  readonly #column: string;
  readonly #slots: SlotsByNumber;
  /** Those that were asked for. */
  #texts: (string | undefined)[] = [];
  #epoch: number;

  constructor(cache: TextCache, column: string, slots: number) {
    this.#cache = cache;
    this.#column = column;
    this.#slots = new SlotsByNumber(slots);
    this.#epoch = cache.epoch;
    cache.keepsAll = true;
    cache.follower = this;
  }

  lookAt(numbers: Int32Array, count: number): void {
    lookAtPlaces(this.#texts, numbers, count);
    this.space.follower?.deref()?.lookAt(numbers, count);
  }

  /** Whether it is the text that was read last, by which alone a key is found. */
  isLast(value: unknown): boolean {
    // Where it is the same string, this does not look into it, as `===` does: strings lie anywhere in memory.
    return this.#cache.lastIndex !== -1 && Object.is(this.#cache.last, value);
  }

  /** The key of the text that was read last. */
  find(found: FoundKey): FoundKey {
    const { lastIndex, epoch } = this.#cache;
    if (epoch !== this.#epoch) this.#forget(epoch);
    found.id = lastIndex;
    found.name(this.space, this);
    return found;
  }

  textOf(number: number): string {
    return (number < this.#texts.length ? this.#texts[number] : undefined) ?? this.#make(number);
  }

  slotOf(number: number): number {
    return this.#slots.of(number, this);
  }

  #make(number: number): string {
    const text = encodeTextKey(this.#column, this.#cache.textAt(number));
    while (this.#texts.length <= number) this.#texts.push(undefined);
    this.#texts[number] = text;
    // A text that was put together is made when it is looked into: later it would lie apart from those that point to it.
    note(text.charCodeAt(0));
    return text;
  }

  #forget(epoch: number): void {
    this.#texts = [];
    this.#slots.clear();
    this.#epoch = epoch;
    this.space = { isOneToOne: true };
  }
}

/** The keys of one column that are texts, found by the texts. A key's number is its place, so that nothing else has to be looked at. */
export class TextsByValue implements NumberedKeys {
  /** Not itself: a slice keeps the space as long as it is open. */
  readonly #space: KeySpace = { isOneToOne: true };
  readonly #column: string;
  readonly #slots: SlotsByNumber;
  readonly #values: string[] = [];
  readonly #places = new KeyPlaces(this.#values);
  readonly #texts: string[] = [];

  constructor(column: string, slots: number) {
    this.#column = column;
    this.#slots = new SlotsByNumber(slots);
  }

  /** Those who come next are numbered anew, by another one. */
  get isFull(): boolean {
    return this.#values.length >= textKeysMax;
  }

  find(value: string, found: FoundKey): FoundKey {
    found.id = this.#places.get(value) ?? this.#add(value);
    found.name(this.#space, this);
    return found;
  }

  textOf(number: number): string {
    return this.#texts[number] as string;
  }

  slotOf(number: number): number {
    return this.#slots.of(number, this);
  }

  #add(value: string): number {
    // Before anything is kept, for it may be no key.
    this.#texts.push(encodeTextKey(this.#column, value));
    return this.#places.take(value);
  }
}

/** More would take too much memory: some 100 bytes each. */
const textKeysMax = 1 << 18;
