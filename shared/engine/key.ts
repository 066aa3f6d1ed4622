import { hash128 } from '#shared/schemas/hash.ts';
import { encodeKey, encodeTextKey, type KeyColumns } from '#shared/schemas/key.ts';
import { isNamedBefore } from '#shared/schemas/row.ts';
import type { TextCache } from './text-cache.ts';
import { TextMap } from './text-map.ts';

/** A key that was found, until the next one is found into it. */
export class FoundKey {
  /** Canonical. */
  text = '';
  /** Small and, among the keys that are remembered, hardly ever another one's: a place to look first, never what decides. */
  id = 0;
  slots: { readonly slotOf: (id: number) => number } | undefined;

  /** Only who puts the key on the exchange asks for it. */
  get slot(): number {
    return this.slots?.slotOf(this.id) ?? 0;
  }
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
  readonly #byText = rememberedTexts();
  /** The frequent cases, one column of text or of a number: found by its value alone. */
  #byValue = rememberedTexts();
  #byNumericValue = rememberedNumbers();
  #valueColumn: string | undefined;
  #count = 0;
  #texts: readonly TextCache[] = [];
  #byNumber: TextsByNumber | undefined;

  /** `taken` are the names, in lower case, that no column of a key may have in any case. */
  constructor(slots: number, taken: ReadonlySet<string>) {
    this.#slots = slots;
    this.#taken = taken;
  }

  /** Most keys are texts of a record, which was found by its bytes a moment ago: to find it again by its characters is spared. */
  lookUpIn(texts: readonly TextCache[]): void {
    this.#texts = texts;
  }

  /** Finds the key into `found`. Throws an Error that says which column cannot be a key. */
  find(columns: KeyColumns, found = new FoundKey()): FoundKey {
    const column = onlyColumn(columns);
    if (column !== undefined) return this.findOf(column, columns[column], found);
    return this.#findAny(columns, found);
  }

  /** Finds the key of one column. */
  findOf(column: string, value: unknown, found: FoundKey): FoundKey {
    if (typeof value !== 'string' && typeof value !== 'number')
      return this.#findAny({ [column]: value } as KeyColumns, found);
    if (this.#valueColumn !== column) {
      this.#check([column]);
      this.#valueColumn = column;
      this.#byValue = rememberedTexts();
      this.#byNumericValue = rememberedNumbers();
      this.#byNumber = undefined;
    }
    // What is no number is no key, so it is never found.
    if (typeof value === 'number')
      return foundAs(
        this.#byNumericValue.get(value) ?? this.#byNumericValue.add(value, this.#make(encodeKey({ [column]: value }))),
        found,
      );
    const numbered = this.#byNumber ?? this.#numbersOf(value);
    if (numbered?.isLast(value) === true) return numbered.find(column, value, found);
    return foundAs(
      this.#byValue.get(value) ?? this.#byValue.add(value, this.#make(encodeTextKey(column, value))),
      found,
    );
  }

  #findAny(columns: KeyColumns, found: FoundKey): FoundKey {
    const text = encodeKey(columns);
    const known = this.#byText.get(text);
    if (known !== undefined) return foundAs(known, found);
    this.#check(Object.keys(columns));
    return foundAs(this.#byText.add(text, this.#make(text)), found);
  }

  /** Found when a key is a text that has just been read, and in one column alone: another would hardly have the next one. */
  #numbersOf(value: string): TextsByNumber | undefined {
    let only: TextCache | undefined;
    for (let at = 0; at < this.#texts.length; at += 1) {
      const cache = this.#texts[at] as TextCache;
      if (cache.lastIndex === -1 || cache.last !== value) continue;
      if (only !== undefined) return undefined;
      only = cache;
    }
    if (only !== undefined) this.#byNumber = new TextsByNumber(only, this.#slots);
    return this.#byNumber;
  }

  #check(names: readonly string[]): void {
    const taken = names.find((name) => this.#taken.has(name.toLowerCase())) ?? names.find(isNamedBefore);
    if (taken !== undefined)
      throw new Error(`key column ${taken} has the name of another column of its rows; rename one of them`);
  }

  #make(text: string): KeyEntry {
    const id = this.#count;
    this.#count = (this.#count + 1) % idsMax;
    return new KeyEntry(text, id, this.#slots);
  }
}

/** As many as a column's texts have numbers, and no more than whoever keeps something by id can bear. */
const idsMax = 1 << 21;

class KeyEntry {
  readonly text: string;
  readonly id: number;
  readonly #slots: number;
  #slot = -1;

  constructor(text: string, id: number, slots: number) {
    this.text = text;
    this.id = id;
    this.#slots = slots;
  }

  slotOf(): number {
    if (this.#slot === -1) this.#slot = slotOf(this.text, this.#slots);
    return this.#slot;
  }
}

function foundAs(entry: KeyEntry, found: FoundKey): FoundKey {
  found.text = entry.text;
  found.id = entry.id;
  found.slots = entry;
  return found;
}

/** The keys that are the texts of one column, by the numbers that the texts have there, which are their ids: no key needs an entry of its own. */
class TextsByNumber {
  readonly #cache: TextCache;
  readonly #slots: number;
  #texts: (string | undefined)[] = [];
  #slotsByNumber: number[] = [];
  #epoch: number;

  constructor(cache: TextCache, slots: number) {
    this.#cache = cache;
    this.#slots = slots;
    this.#epoch = cache.epoch;
    cache.keepsAll = true;
  }

  /** Whether it is the text that was read last, by which alone a key is found. */
  isLast(value: string): boolean {
    return this.#cache.lastIndex !== -1 && this.#cache.last === value;
  }

  /** The key of the text that was read last. */
  find(column: string, value: string, found: FoundKey): FoundKey {
    const { lastIndex, epoch } = this.#cache;
    if (epoch !== this.#epoch) this.#forget(epoch);
    found.text =
      (lastIndex < this.#texts.length ? this.#texts[lastIndex] : undefined) ?? this.#add(column, value, lastIndex);
    found.id = lastIndex;
    found.slots = this;
    return found;
  }

  slotOf(number: number): number {
    const slots = this.#slotsByNumber;
    while (slots.length <= number) slots.push(-1);
    if (slots[number] === -1) slots[number] = slotOf(this.#texts[number] as string, this.#slots);
    return slots[number] as number;
  }

  #add(column: string, value: string, number: number): string {
    const text = encodeTextKey(column, value);
    // Numbers are given one after the other, so there are hardly any gaps.
    while (this.#texts.length < number) this.#texts.push(undefined);
    this.#texts[number] = text;
    return text;
  }

  #forget(epoch: number): void {
    this.#texts = [];
    this.#slotsByNumber = [];
    this.#epoch = epoch;
  }
}

/** The entries that were asked for last: those of the generation before are given up when this one is full. */
class Remembered<Name> {
  readonly #begin: () => Generation<Name>;
  #young: Generation<Name>;
  #old: Generation<Name> | undefined;

  constructor(begin: () => Generation<Name>) {
    this.#begin = begin;
    this.#young = begin();
  }

  get(name: Name): KeyEntry | undefined {
    const young = this.#young.get(name);
    if (young !== undefined || this.#old === undefined) return young;
    const old = this.#old.get(name);
    return old === undefined ? undefined : this.add(name, old);
  }

  add(name: Name, entry: KeyEntry): KeyEntry {
    if (this.#young.size >= dictionaryKeysMin) {
      this.#old = this.#young;
      this.#young = this.#begin();
    }
    this.#young.set(name, entry);
    return entry;
  }
}

interface Generation<Name> {
  readonly size: number;
  get(name: Name): KeyEntry | undefined;
  set(name: Name, entry: KeyEntry): unknown;
}

const rememberedTexts = (): Remembered<string> => new Remembered(() => new TextMap<KeyEntry>());
const rememberedNumbers = (): Remembered<number> => new Remembered(() => new Map<number, KeyEntry>());

function onlyColumn(columns: KeyColumns): string | undefined {
  let only: string | undefined;
  for (const name in columns) {
    if (only !== undefined) return undefined;
    only = name;
  }
  return only;
}
