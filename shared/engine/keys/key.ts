import type { TextCache } from '#shared/engine/decode/text-cache.ts';
import { hash128 } from '#shared/schemas/hash.ts';
import { encodeKey, encodeTextKey, type KeyColumns, keyBytesMax } from '#shared/schemas/key.ts';
import { isNamedBefore } from '#shared/schemas/row.ts';
import { KeyPlaces } from './key-places.ts';
import { TextMap } from './text-map.ts';

const noKeys: NumberedKeys = { textOf: () => '', slotOf: () => 0 };

/** The key of a record at hand. */
export interface RecordKey {
  /** Canonical. */
  readonly text: string;
  /** Small, and in its space no other key has it: whoever keeps something of a key finds it by this number. */
  readonly id: number;
  readonly space: KeySpace;
}

/** Whoever numbers keys anew has another one from then on. */
export interface KeySpace {
  /** No key has two numbers in it. */
  readonly isOneToOne?: boolean;
}

/** What knows the keys that have numbers. */
interface NumberedKeys {
  readonly textOf: (id: number) => string;
  readonly slotOf: (id: number) => number;
}

/** A key that was found, until the next one is found into it. */
export class FoundKey implements RecordKey {
  id = 0;
  space: KeySpace = {};
  /** As they were numbered when the key was found. */
  keys: NumberedKeys = noKeys;

  /** Says where its number is from, which is most often where that of the key before was: to look costs less than to say it again. */
  name(space: KeySpace, keys: NumberedKeys): void {
    if (this.space !== space) this.space = space;
    if (this.keys !== keys) this.keys = keys;
  }

  /** Only who meets the key for the first time, or keeps it with each record, asks for it. */
  get text(): string {
    return this.keys.textOf(this.id);
  }

  /** Only who puts the key on the exchange asks for it. */
  get slot(): number {
    return this.keys.slotOf(this.id);
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
  /** The frequent cases, one column of text or of a number: found by its value alone. A callback may choose which column that is. */
  readonly #columns = new Map<string, ColumnKeys>();
  #last: ColumnKeys | undefined;
  #count = 0;
  #space = {};
  #texts: readonly TextCache[] = [];

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
    let keys = this.#last?.column === column ? this.#last : this.#columns.get(column);
    if (keys?.byNumber?.isLast(value) === true) return keys.byNumber.find(found);
    const isSimple = typeof value === 'string' || typeof value === 'number';
    if (isSimple) keys ??= this.#begin(column);
    if (!isSimple || keys === undefined) return this.#findAny({ [column]: value } as KeyColumns, found);
    this.#last = keys;
    // What is no number is no key, so it is never found.
    if (typeof value === 'number')
      return foundAs(
        keys.byNumericValue.get(value) ?? keys.byNumericValue.add(value, this.#make(encodeKey({ [column]: value }))),
        found,
      );
    if (keys.byNumber === undefined) {
      keys.byNumber = this.#numbersOf(column, value);
      if (keys.byNumber?.isLast(value) === true) return keys.byNumber.find(found);
    }
    if (keys.byValue === undefined || keys.byValue.isFull) keys.byValue = new TextsByValue(column, this.#slots);
    return keys.byValue.find(value, found);
  }

  /** Undefined for one column too many, whose keys are found as those of several columns are. */
  #begin(column: string): ColumnKeys | undefined {
    if (this.#columns.size >= columnsMax) return undefined;
    this.#check([column]);
    const keys = { column, byValue: undefined, byNumericValue: rememberedNumbers(), byNumber: undefined };
    this.#columns.set(column, keys);
    return keys;
  }

  #findAny(columns: KeyColumns, found: FoundKey): FoundKey {
    const text = encodeKey(columns);
    const known = this.#byText.get(text);
    if (known !== undefined) return foundAs(known, found);
    this.#check(Object.keys(columns));
    return foundAs(this.#byText.add(text, this.#make(text)), found);
  }

  /** Found when a key is a text that has just been read, and in one column alone: another would hardly have the next one. */
  #numbersOf(column: string, value: string): TextsByNumber | undefined {
    let only: TextCache | undefined;
    for (let at = 0; at < this.#texts.length; at += 1) {
      const cache = this.#texts[at] as TextCache;
      if (cache.lastIndex === -1 || cache.last !== value) continue;
      if (only !== undefined) return undefined;
      only = cache;
    }
    return only !== undefined && fits(column, only) ? new TextsByNumber(only, column, this.#slots) : undefined;
  }

  #check(names: readonly string[]): void {
    const taken = names.find((name) => this.#taken.has(name.toLowerCase())) ?? names.find(isNamedBefore);
    if (taken !== undefined)
      throw new Error(`key column ${taken} has the name of another column of its rows; rename one of them`);
  }

  #make(text: string): KeyEntry {
    if (this.#count === idsMax) {
      this.#count = 0;
      this.#space = {};
    }
    const entry = new KeyEntry(text, { id: this.#count, space: this.#space, slots: this.#slots });
    this.#count += 1;
    return entry;
  }
}

/** What is known of the keys that are one value of this column. */
interface ColumnKeys {
  readonly column: string;
  byValue: TextsByValue | undefined;
  readonly byNumericValue: Remembered<number>;
  byNumber: TextsByNumber | undefined;
}

/** A callback gives keys of a few columns; each takes memory of its own. */
const columnsMax = 4;

/** As many as a column's texts have numbers, and no more than whoever keeps something by id can bear. */
const idsMax = 1 << 21;

class KeyEntry implements NumberedKeys {
  readonly #text: string;
  readonly id: number;
  readonly space: KeySpace;
  readonly #slots: number;
  #slot = -1;

  constructor(
    text: string,
    { id, space, slots }: { readonly id: number; readonly space: KeySpace; readonly slots: number },
  ) {
    this.#text = text;
    this.id = id;
    this.space = space;
    this.#slots = slots;
  }

  textOf(): string {
    return this.#text;
  }

  slotOf(): number {
    if (this.#slot === -1) this.#slot = slotOf(this.#text, this.#slots);
    return this.#slot;
  }
}

function foundAs(entry: KeyEntry, found: FoundKey): FoundKey {
  found.id = entry.id;
  found.name(entry.space, entry);
  return found;
}

/** A text of a cache is always a key: none is too long, even where each of its characters is escaped. */
function fits(column: string, { lengthMax }: TextCache): boolean {
  return column.length + 5 * lengthMax + 1 <= keyBytesMax;
}

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
class TextsByNumber implements NumberedKeys {
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
class TextsByValue implements NumberedKeys, KeySpace {
  readonly isOneToOne = true;
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
    found.name(this, this);
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
