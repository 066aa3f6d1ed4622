import { hash128 } from '#shared/schemas/hash.ts';
import { encodeKey, type KeyColumns } from '#shared/schemas/key.ts';
import { isNamedBefore } from '#shared/schemas/row.ts';
import type { TextCache } from './text-cache.ts';

/** A key that was met, with where its state is. */
export interface KeyEntry {
  /** Canonical. */
  readonly text: string;
  readonly slot: number;
  /** Small and, among the keys that are remembered, hardly ever another one's: a place to look first, never what decides. */
  readonly id: number;
}

/** Rule 1: slot = floor(hash(key) * S / 2^128). S is a power of two, so these are the highest bits. */
export function slotOf(key: string, slots: number): number {
  return slots === 1 ? 0 : hash128(key)[0] >>> (32 - Math.log2(slots));
}

/** The key group within its slot, from other bits than the slot. */
export function groupOf(key: string, groups: number): number {
  return groups === 1 ? 0 : hash128(key)[1] >>> (32 - Math.log2(groups));
}

/** Rule 1: every block of a slot uses the hash key in the middle of the slot's range, and no other. */
export function slotHashKey(slot: number, slots: number): bigint {
  const range = (1n << 128n) / BigInt(slots);
  return BigInt(slot) * range + range / 2n;
}

/** Whether a shard of these hash keys, both inclusive, is the one into which a block with `hashKey` is put. */
export function owns(
  { startingHashKey, endingHashKey }: { readonly startingHashKey: bigint; readonly endingHashKey: bigint },
  hashKey: bigint,
): boolean {
  return hashKey >= startingHashKey && hashKey <= endingHashKey;
}

/** So many keys are remembered at least, and twice as many at most; forgetting is only slower. */
const dictionaryKeysMin = 100_000;

/** Finds a key's entry without building its text anew for each record. */
export class KeyDictionary {
  readonly #slots: number;
  readonly #taken: ReadonlySet<string>;
  readonly #byText = new Remembered<string>();
  /** The frequent cases, one column of text or of a number: found by its value alone. */
  #byValue = new Remembered<string>();
  #byNumericValue = new Remembered<number>();
  #valueColumn: string | undefined;
  #count = 0;
  #texts: readonly TextCache[] = [];
  #byNumber: EntriesByNumber | undefined;

  /** `taken` are the names, in lower case, that no column of a key may have in any case. */
  constructor(slots: number, taken: ReadonlySet<string>) {
    this.#slots = slots;
    this.#taken = taken;
  }

  /** Most keys are texts of a record, which was found by its bytes a moment ago: to find it again by its characters is spared. */
  lookUpIn(texts: readonly TextCache[]): void {
    this.#texts = texts;
  }

  /** Throws an Error that says which column cannot be a key. */
  find(columns: KeyColumns): KeyEntry {
    const column = onlyColumn(columns);
    const value = column === undefined ? undefined : columns[column];
    if (column === undefined || (typeof value !== 'string' && typeof value !== 'number')) {
      const text = encodeKey(columns);
      const known = this.#byText.get(text);
      if (known !== undefined) return known;
      this.#check(columns);
      return this.#byText.add(text, this.#make(text));
    }
    if (this.#valueColumn !== column) {
      this.#check(columns);
      this.#valueColumn = column;
      this.#byValue = new Remembered();
      this.#byNumericValue = new Remembered();
      this.#byNumber = undefined;
    }
    // What is no number is no key, so it is never found.
    if (typeof value === 'number')
      return this.#byNumericValue.get(value) ?? this.#byNumericValue.add(value, this.#make(encodeKey(columns)));
    const numbered = this.#byNumber ?? this.#numbersOf(value);
    const known = numbered?.get(value);
    if (known !== undefined) return known;
    // A text that was met for the first time is not looked for: that it may have had an entry before, under another number, does no harm.
    if (numbered?.isLast(value) === true) return numbered.add(this.#make(encodeKey(columns)));
    return this.#byValue.get(value) ?? this.#byValue.add(value, this.#make(encodeKey(columns)));
  }

  /** Found when a key is a text that has just been read, and in one column alone: another would hardly have the next one. */
  #numbersOf(value: string): EntriesByNumber | undefined {
    const isRead = ({ last, lastIndex }: TextCache): boolean => lastIndex !== -1 && last === value;
    const cache = this.#texts.find(isRead);
    if (cache !== undefined && this.#texts.findLast(isRead) === cache) this.#byNumber = new EntriesByNumber(cache);
    return this.#byNumber;
  }

  #check(columns: KeyColumns): void {
    const names = Object.keys(columns);
    const taken = names.find((name) => this.#taken.has(name.toLowerCase())) ?? names.find(isNamedBefore);
    if (taken !== undefined)
      throw new Error(`key column ${taken} has the name of another column of its rows; rename one of them`);
  }

  #make(text: string): KeyEntry {
    const id = this.#count;
    this.#count = (this.#count + 1) % idsMax;
    return new LazyEntry(text, id, this.#slots);
  }
}

/** As many as a column's texts have numbers, and no more than whoever keeps something by id can bear. */
const idsMax = 1 << 21;

class LazyEntry implements KeyEntry {
  readonly text: string;
  readonly id: number;
  readonly #slots: number;
  #slot = -1;

  constructor(text: string, id: number, slots: number) {
    this.text = text;
    this.id = id;
    this.#slots = slots;
  }

  /** Only who puts the key on the exchange asks for it. */
  get slot(): number {
    if (this.#slot === -1) this.#slot = slotOf(this.text, this.#slots);
    return this.#slot;
  }
}

/** The entries of the texts of one column, by the numbers that the texts have there. */
class EntriesByNumber {
  readonly #cache: TextCache;
  #entries: (KeyEntry | undefined)[] = [];
  #epoch: number;

  constructor(cache: TextCache) {
    this.#cache = cache;
    this.#epoch = cache.epoch;
    cache.keepsAll = true;
  }

  /** Whether it is the text that was read last, by which alone an entry is found. */
  isLast(value: string): boolean {
    return this.#cache.lastIndex !== -1 && this.#cache.last === value;
  }

  get(value: string): KeyEntry | undefined {
    const { last, lastIndex, epoch } = this.#cache;
    return last === value && epoch === this.#epoch && lastIndex !== -1 ? this.#entries[lastIndex] : undefined;
  }

  /** Of the text that was read last. */
  add(entry: KeyEntry): KeyEntry {
    const { lastIndex, epoch } = this.#cache;
    if (epoch !== this.#epoch) this.#entries = [];
    this.#epoch = epoch;
    // Numbers are given one after the other, so there are hardly any gaps.
    while (this.#entries.length < lastIndex) this.#entries.push(undefined);
    this.#entries[lastIndex] = entry;
    return entry;
  }
}

/** The entries that were asked for last: those of the generation before are given up when this one is full. */
class Remembered<Name extends string | number> {
  #young = new Map<Name, KeyEntry>();
  #old = new Map<Name, KeyEntry>();

  get(name: Name): KeyEntry | undefined {
    const young = this.#young.get(name);
    if (young !== undefined || this.#old.size === 0) return young;
    const old = this.#old.get(name);
    return old === undefined ? undefined : this.add(name, old);
  }

  add(name: Name, entry: KeyEntry): KeyEntry {
    if (this.#young.size >= dictionaryKeysMin) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(name, entry);
    return entry;
  }
}

function onlyColumn(columns: KeyColumns): string | undefined {
  let only: string | undefined;
  for (const name in columns) {
    if (only !== undefined) return undefined;
    only = name;
  }
  return only;
}
