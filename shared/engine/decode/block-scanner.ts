import type { DecodeTools } from '#shared/pipeline/decoder.ts';
import { type ScanCursor, scanNumber, scanText, skipPlainText, skipValue } from './json-values.ts';
import { cachedWordsMax, TextCache } from './text-cache.ts';

/** The keys of a route's outputs by numbers that stay the same from block to block, as `RecordKey` has them. */
export interface KeyNumbers {
  /** By place in the route's `keys`. */
  readonly ids: readonly number[];
  readonly space: NumberSpace;
}

/** In which no key has two numbers. */
interface NumberSpace {
  readonly isOneToOne: true;
}

export interface ScannedBlock {
  readonly value: unknown;
  /** By place in the block's routes; undefined where a key has no number. */
  readonly keyNumbers: readonly (KeyNumbers | undefined)[];
}

/**
 * Reads blocks from the bytes of their JSON. A slot's keys come again in block after block: so they are found by their bytes and are the same
 * strings, whose hashes are known, with the same numbers. What it reads, JSON.parse reads as the same; what is not plain it leaves to it.
 */
export class BlockScanner {
  readonly #tools: DecodeTools;
  readonly #keysOfSlots = new Map<number, SlotKeys>();
  /** Names, ids and hashes: the same in all blocks. */
  readonly #names: TextCache;
  readonly #values: TextCache;
  readonly #cursor: ScanCursor = { at: 0 };
  #bytes: Uint8Array = new Uint8Array();
  #words: DataView = new DataView(new ArrayBuffer(0));
  #at = 0;
  #slot = -1;
  #isInRoutes = false;
  #keyNumbers: (KeyNumbers | undefined)[] = [];

  constructor(tools: DecodeTools) {
    this.#tools = tools;
    this.#names = new TextCache(tools.ascii, { textsMax: namesMax, wordsMax: cachedWordsMax });
    this.#values = new TextCache(tools.ascii, { textsMax: valuesMax, wordsMax: cachedWordsMax });
  }

  /** Undefined for what JSON.parse should read, or refuse. */
  scan(bytes: Uint8Array): ScannedBlock | undefined {
    this.#bytes = bytes;
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = 0;
    this.#slot = -1;
    this.#isInRoutes = false;
    this.#keyNumbers = [];
    const value = this.#value(this.#names, 0);
    const isWhole = value !== odd && this.#at === bytes.length;
    return isWhole ? { value, keyNumbers: this.#keyNumbers } : undefined;
  }

  /** The value at hand, behind which it goes on; `odd` for one that is not plain. Texts are made by `texts`, or are not expected to come again. */
  #value(texts: TextCache | undefined, depth: number): unknown {
    const byte = this.#bytes[this.#at];
    switch (byte) {
      case quote:
        return this.#text(texts);
      case openBracket:
        return this.#array(texts, depth + 1);
      case 0x7b:
        return this.#object(texts, depth + 1);
      case 0x74:
        return this.#literal(true);
      case 0x66:
        return this.#literal(false);
      case 0x6e:
        return this.#literal(null);
      default:
        return this.#number();
    }
  }

  #literal<Value>(value: Value): Value | typeof odd {
    const end = skipValue(this.#bytes, this.#at);
    if (end === -1) return odd;
    this.#at = end;
    return value;
  }

  #number(): number | typeof odd {
    const bytes = this.#bytes;
    const start = this.#at;
    const number = scanNumber(bytes, start, this.#cursor);
    let end = this.#cursor.at;
    const next = bytes[end];
    if (!Number.isNaN(number) && (next === comma || next === closeBracket || next === closeBrace)) {
      this.#at = end;
      return number;
    }
    // One with an exponent or very many digits.
    end = skipValue(bytes, start);
    if (end === -1) return odd;
    this.#at = end;
    return Number(this.#tools.ascii(bytes, start, end));
  }

  #text(texts: TextCache | undefined): string | typeof odd {
    const bytes = this.#bytes;
    const start = this.#at + 1;
    if (texts === undefined) {
      const end = skipPlainText(bytes, start, this.#words);
      if (end === -1) return this.#oddText();
      this.#at = end;
      return this.#tools.ascii(bytes, start, end - 1);
    }
    const text = scanText(bytes, start, this.#cursor, texts, this.#words);
    if (text === undefined) return this.#oddText();
    this.#at = this.#cursor.at;
    return text;
  }

  /** A text with escapes, or with characters above ASCII. */
  #oddText(): string | typeof odd {
    const bytes = this.#bytes;
    let end = this.#at + 1;
    while (end < bytes.length && bytes[end] !== quote) end += bytes[end] === backslash ? 2 : 1;
    const json = this.#tools.text(bytes.subarray(this.#at, end + 1));
    if (end >= bytes.length || json === undefined) return odd;
    this.#at = end + 1;
    return parsed(json);
  }

  #array(texts: TextCache | undefined, depth: number): unknown[] | typeof odd {
    const bytes = this.#bytes;
    const values: unknown[] = [];
    this.#at += 1;
    if (bytes[this.#at] === closeBracket) {
      this.#at += 1;
      return values;
    }
    if (depth > depthMax) return odd;
    for (;;) {
      this.#at = scanNumbers(bytes, this.#at, values, this.#cursor);
      const value = this.#value(texts, depth);
      if (value === odd) return odd;
      values.push(value);
      const next = bytes[this.#at];
      this.#at += 1;
      if (next === closeBracket) return values;
      if (next !== comma) return odd;
    }
  }

  #object(texts: TextCache | undefined, depth: number): Record<string, unknown> | typeof odd {
    const bytes = this.#bytes;
    const object: Record<string, unknown> = {};
    if (this.#isInRoutes && depth === routeDepth) this.#keyNumbers.push(undefined);
    this.#at += 1;
    if (bytes[this.#at] === closeBrace) {
      this.#at += 1;
      return object;
    }
    if (depth > depthMax) return odd;
    for (;;) {
      if (bytes[this.#at] !== quote) return odd;
      const name = this.#text(this.#names);
      // Setting it would not make a member of it, as JSON.parse does.
      if (name === odd || name === '__proto__' || bytes[this.#at] !== colon) return odd;
      this.#at += 1;
      const value = this.#member(name, texts, depth);
      if (value === odd) return odd;
      object[name] = value;
      const next = bytes[this.#at];
      this.#at += 1;
      if (next === closeBrace) return object;
      if (next !== comma) return odd;
    }
  }

  #member(name: string, texts: TextCache | undefined, depth: number): unknown {
    if (depth === blockDepth) {
      this.#isInRoutes = name === 'routes';
      const value = this.#value(texts, depth);
      if (name === 'slot' && typeof value === 'number') this.#slot = value;
      return value;
    }
    if (!this.#isInRoutes || depth !== routeDepth) return this.#value(texts, depth);
    if (name === 'keys') return this.#keys();
    // Sequence numbers do not come again.
    return this.#value(name === 'columns' ? this.#values : name === 'sequences' ? undefined : texts, depth);
  }

  #keys(): unknown[] | typeof odd {
    const bytes = this.#bytes;
    const known = this.#keysOfSlot();
    if (known.rests(bytes.length)) return odd;
    const { texts } = known;
    const keys: string[] = [];
    const ids: number[] = [];
    let areNumbered = true;
    if (bytes[this.#at] !== openBracket) return odd;
    this.#at += 1;
    if (bytes[this.#at] === closeBracket) {
      this.#at += 1;
      return keys;
    }
    for (;;) {
      if (bytes[this.#at] !== quote) return odd;
      const key = this.#text(texts);
      if (key === odd) return odd;
      keys.push(key);
      // Otherwise it is none that the cache keeps.
      if (texts.lastIndex === -1 || !Object.is(texts.last, key)) areNumbered = false;
      ids.push(texts.lastIndex);
      const next = bytes[this.#at];
      this.#at += 1;
      if (next === closeBracket) break;
      if (next !== comma) return odd;
    }
    const isOneEpoch = known.end(keys.length);
    if (areNumbered && isOneEpoch) this.#keyNumbers[this.#keyNumbers.length - 1] = { ids, space: known.space };
    return keys;
  }

  #keysOfSlot(): SlotKeys {
    let known = this.#keysOfSlots.get(this.#slot);
    if (known === undefined) {
      known = new SlotKeys(this.#tools);
      this.#keysOfSlots.set(this.#slot, known);
    }
    return known;
  }
}

/** The keys of a slot that were met last. */
class SlotKeys {
  readonly texts: TextCache;
  #epoch: number;
  /** Of the numbers of this epoch. */
  space: NumberSpace = { isOneToOne: true };
  /** In this epoch. */
  #readCount = 0;
  /** So many bytes of blocks are left to JSON.parse. */
  #restBytes = 0;

  constructor(tools: DecodeTools) {
    this.texts = new TextCache(tools.ascii, { textsMax: slotKeysMax, wordsMax: cachedWordsMax });
    this.texts.keepsAll = true;
    this.#epoch = this.texts.epoch;
  }

  /** Whether too few of the slot's keys come again for a block of so many bytes: to make texts is what JSON.parse does faster. */
  rests(blockBytes: number): boolean {
    if (this.#restBytes <= 0) return false;
    this.#restBytes -= blockBytes;
    return true;
  }

  /** Behind so many keys. False when some were forgotten, and the others have their numbers. */
  end(keyCount: number): boolean {
    this.#readCount += keyCount;
    const { epoch } = this.texts;
    if (epoch === this.#epoch) return true;
    if (this.#readCount < comeAgainMin * slotKeysMax) this.#restBytes = restBytes;
    this.#readCount = 0;
    this.#epoch = epoch;
    this.space = { isOneToOne: true };
    return false;
  }
}

/**
 * Most of a block is lists of numbers, most of them small integers: takes those that a comma follows, and gives where the first of the others
 * stands. In a loop of its own it takes a third of the time.
 */
function scanNumbers(bytes: Uint8Array, start: number, into: unknown[], cursor: ScanCursor): number {
  let at = start;
  for (;;) {
    const from = at;
    const end = from + smallDigitsMax;
    let value = (bytes[at] as number) - zero;
    let digit = value;
    // Behind a zero that leads, a digit is no comma.
    while (digit >= 0 && digit <= 9 && at < end) {
      at += 1;
      digit = (bytes[at] as number) - zero;
      if (value === 0 || !(digit >= 0 && digit <= 9)) break;
      value = (Math.imul(value, 10) + digit) | 0;
    }
    if (at === from || bytes[at] !== comma) {
      value = scanNumber(bytes, from, cursor);
      at = cursor.at;
      if (Number.isNaN(value) || bytes[at] !== comma) return from;
    }
    into.push(value);
    at += 1;
  }
}

function parsed(json: string): string | typeof odd {
  try {
    return JSON.parse(json);
  } catch {
    return odd;
  }
}

const odd = Symbol('left to JSON.parse');
/** A block, and a route in it, which is in a list. */
const blockDepth = 1;
const routeDepth = 3;
const depthMax = 64;
/** A task has up to some dozens of slots, and keys take some 100 bytes each. */
const slotKeysMax = 1 << 15;
/** So often must keys come, on the whole, before they are forgotten: to remember one takes as long as to make it a few times. */
const comeAgainMin = 3;
const restBytes = 1 << 26;
const valuesMax = 1 << 14;
const namesMax = 1 << 10;

/** Digits that are exact as a small integer. */
const smallDigitsMax = 9;

const quote = 0x22;
const comma = 0x2c;
const zero = 0x30;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const closeBrace = 0x7d;
