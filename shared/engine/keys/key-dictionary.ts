import type { TextCache } from '#shared/engine/decode/text-cache.ts';
import { encodeKey, encodeTextKey, type KeyColumns, keyBytesMax } from '#shared/schemas/key.ts';
import { isNamedBefore } from '#shared/schemas/row.ts';
import { FoundKey, type KeySpace, type NumberedKeys, slotOf } from './key.ts';
import { TextsByNumber, TextsByValue } from './numbered-texts.ts';
import { TextMap } from './text-map.ts';

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
    // What is found by its number has a text later, where it is no more refused.
    encodeTextKey(column, '');
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
