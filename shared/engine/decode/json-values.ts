import type { StandardSchemaV1 } from '@standard-schema/spec';
import { cachedWordsMax, type TextCache, textWords } from './text-cache.ts';

// Values of JSON, read from bytes that end with a line feed somewhere behind them, at which each of these stops. They take what is plain and
// give up on the rest, which JSON.parse reads: what they take, it reads as the same.

/** Where a value that was taken ends. */
export interface ScanCursor {
  at: number;
}

const lineFeed = 0x0a;
const quote = 0x22;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const backslash = 0x5c;

/** Characters of a text that stand for themselves: ASCII, without quotes, backslashes and what JSON escapes. */
const plain = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== quote && byte !== backslash ? 1 : 0,
);

/**
 * The text behind a quote, whose own quote ends it; undefined when it is not plain. `words` are the same bytes: four of them at a time are what
 * the cache compares.
 */
export function scanText(
  bytes: Uint8Array,
  start: number,
  cursor: ScanCursor,
  cache: TextCache,
  words: DataView,
): string | undefined {
  const hash = hashText(bytes, start, cursor, words);
  const end = cursor.at;
  if (bytes[end] !== quote) return undefined;
  cursor.at = end + 1;
  return cache.find(bytes, start, end, hash);
}

/** The hash of the plain text at `start`, whose words are then `textWords`. The cursor is where it ends, which may be at no quote. */
export function hashText(bytes: Uint8Array, start: number, cursor: ScanCursor, words: DataView): number {
  const wordsEnd = bytes.length - 4;
  let at = start;
  let hash = 0;
  let count = 0;
  let word = 0;
  while (at <= wordsEnd) {
    word = words.getInt32(at, true);
    const stops = stopsIn(word);
    if (stops !== 0) {
      const length = lowestOf(stops);
      at += length;
      word &= (1 << (8 * length)) - 1;
      break;
    }
    if (count < cachedWordsMax) textWords[count] = word;
    count += 1;
    hash = mixed(hash, word);
    word = 0;
    at += 4;
  }
  // Fewer bytes than a word are left, or none of them is plain.
  if (at > wordsEnd)
    for (let shift = 8 * ((at - start) & 3); plain[bytes[at] as number] === 1; shift += 8) {
      word |= (bytes[at] as number) << shift;
      at += 1;
    }
  if (word !== 0) {
    if (count < cachedWordsMax) textWords[count] = word;
    hash = mixed(hash, word);
  }
  cursor.at = at;
  return hash;
}

/** Behind the quote that ends the plain text at `start`; -1 when it is not plain, as `scanText` has it. `words` are the same bytes. */
export function skipPlainText(bytes: Uint8Array, start: number, words: DataView): number {
  let at = start;
  const wordsEnd = bytes.length - 4;
  while (at <= wordsEnd) {
    const stops = stopsIn(words.getInt32(at, true));
    if (stops !== 0) {
      at += lowestOf(stops);
      return bytes[at] === quote ? at + 1 : -1;
    }
    at += 4;
  }
  while (plain[bytes[at] as number] === 1) at += 1;
  return bytes[at] === quote ? at + 1 : -1;
}

/**
 * Of four bytes the highest bits of those that are not plain. They are looked at together, by the carries that a subtraction sends into the
 * highest bits (H. S. Warren, Hacker's Delight, 6-1). Such a bit may also come from a byte below, but only where that byte ends the text
 * itself: the lowest one is right.
 */
function stopsIn(word: number): number {
  const isLow = word - 0x20202020;
  const isQuote = (word ^ 0x22222222) - 0x01010101;
  const isBackslash = (word ^ 0x5c5c5c5c) - 0x01010101;
  return (word | isLow | isQuote | isBackslash) & 0x80808080;
}

/** The byte, from 0, of the lowest bit that is set. */
function lowestOf(stops: number): number {
  return (31 - Math.clz32(stops & -stops)) >> 3;
}

function mixed(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x85ebca6b);
  return product ^ (product >>> 15);
}

/** Digits that are exact as a number, whatever they are. */
const digitsMax = 15;
/** Digits that are exact as a small integer. */
const smallDigitsMax = 9;
const powersOfTen = Float64Array.from({ length: 23 }, (_, power) => 10 ** power);

/**
 * A number without an exponent and of at most 15 digits; NaN for what is none. Of another, such as one with an exponent, it takes a part
 * that nothing of JSON may follow but the rest of the number, so that whoever looks at what follows gives up. With a point it is the quotient of two exact
 * numbers, so it is rounded once, as JSON.parse does (Clinger, "How to read floating point numbers accurately", 1990).
 */
export function scanNumber(bytes: Uint8Array, start: number, cursor: ScanCursor): number {
  let at = start;
  const isNegative = bytes[at] === minus;
  if (isNegative) at += 1;
  const first = at;
  let digit = (bytes[at] as number) - zero;
  if (!(digit >= 0 && digit <= 9)) return Number.NaN;
  let value = digit;
  at += 1;
  digit = (bytes[at] as number) - zero;
  // Behind a zero that leads, a digit is left standing, and is nothing that may follow a number.
  if (value !== 0) {
    const smallEnd = first + smallDigitsMax;
    while (digit >= 0 && digit <= 9 && at < smallEnd) {
      value = (Math.imul(value, 10) + digit) | 0;
      at += 1;
      digit = (bytes[at] as number) - zero;
    }
    if (digit >= 0 && digit <= 9) {
      let low = 0;
      const lowStart = at;
      const end = first + digitsMax;
      while (digit >= 0 && digit <= 9 && at < end) {
        low = (Math.imul(low, 10) + digit) | 0;
        at += 1;
        digit = (bytes[at] as number) - zero;
      }
      value = value * (powersOfTen[at - lowStart] as number) + low;
    }
  }
  if (digit === point - zero) {
    const fractionStart = at + 1;
    at = fractionStart;
    digit = (bytes[at] as number) - zero;
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      at += 1;
      digit = (bytes[at] as number) - zero;
    }
    if (at === fractionStart || at - first > digitsMax + 1) return Number.NaN;
    value /= powersOfTen[at - fractionStart] as number;
  }
  cursor.at = at;
  return isNegative ? -value : value;
}

/** 1 for true, 0 for false, -1 for neither. */
export function scanBoolean(bytes: Uint8Array, at: number, cursor: ScanCursor): number {
  if (matches(bytes, at, trueBytes)) {
    cursor.at = at + 4;
    return 1;
  }
  if (!matches(bytes, at, falseBytes)) return -1;
  cursor.at = at + 5;
  return 0;
}

const trueBytes = [0x74, 0x72, 0x75, 0x65];
const falseBytes = [0x66, 0x61, 0x6c, 0x73, 0x65];
const nullBytes = [0x6e, 0x75, 0x6c, 0x6c];

function matches(bytes: Uint8Array, at: number, word: readonly number[]): boolean {
  for (let index = 0; index < word.length; index += 1) if (bytes[at + index] !== word[index]) return false;
  return true;
}

/** What a field's own schema makes of any value; `missed` when it is not plain or not right. */
export function scanJudged(
  bytes: Uint8Array,
  at: number,
  cursor: ScanCursor,
  cache: TextCache,
  words: DataView,
  schema: StandardSchemaV1,
): unknown {
  let value: unknown;
  if (bytes[at] === quote) {
    value = scanText(bytes, at + 1, cursor, cache, words);
    if (value === undefined) return missed;
  } else {
    const end = skipValue(bytes, at);
    if (end === -1) return missed;
    value = JSON.parse(cache.textOf(bytes, at, end));
    cursor.at = end;
  }
  return judge(value, schema);
}

/** What a field's own schema makes of a value; `missed` when it is not right, or is missing then. */
export function judge(value: unknown, schema: StandardSchemaV1): unknown {
  let result: ReturnType<StandardSchemaV1['~standard']['validate']>;
  try {
    result = schema['~standard'].validate(value);
  } catch {
    return missed;
  }
  if ('then' in result) {
    // The whole schema will say so; nobody waits for this one.
    result.then(undefined, () => {});
    return missed;
  }
  return result.issues === undefined && result.value !== undefined ? result.value : missed;
}

export const missed: unique symbol = Symbol('missed');

const depthMax = 32;

/** Where the value at `start` ends, whatever it is, if it is JSON in ASCII and not deep; otherwise -1. */
export function skipValue(bytes: Uint8Array, start: number, depth = 0): number {
  const byte = bytes[start] as number;
  if (byte === quote) return skipText(bytes, start + 1);
  if (byte === 0x7b || byte === 0x5b) return depth >= depthMax ? -1 : skipList(bytes, start, depth);
  if (byte === 0x74) return matches(bytes, start, trueBytes) ? start + 4 : -1;
  if (byte === 0x66) return matches(bytes, start, falseBytes) ? start + 5 : -1;
  if (byte === 0x6e) return matches(bytes, start, nullBytes) ? start + 4 : -1;
  return skipNumber(bytes, start);
}

function skipText(bytes: Uint8Array, start: number): number {
  for (let at = start; ; at += 1) {
    const byte = bytes[at] as number;
    if (plain[byte] === 1) continue;
    if (byte === quote) return at + 1;
    if (byte !== backslash) return -1;
    at += 1;
    const escaped = bytes[at] as number;
    // \u and four hexadecimal digits, or one of "\/bfnrt.
    if (escaped === 0x75) {
      for (let digit = 1; digit <= 4; digit += 1) if (!isHex(bytes[at + digit] as number)) return -1;
      at += 4;
    } else if (![0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74].includes(escaped)) return -1;
  }
}

function isHex(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function skipNumber(bytes: Uint8Array, start: number): number {
  let at = bytes[start] === minus ? start + 1 : start;
  if (bytes[at] === zero) at += 1;
  else {
    const end = skipDigits(bytes, at);
    if (end === at) return -1;
    at = end;
  }
  if (bytes[at] === point) {
    const end = skipDigits(bytes, at + 1);
    if (end === at + 1) return -1;
    at = end;
  }
  if (bytes[at] !== 0x65 && bytes[at] !== 0x45) return at;
  at += 1;
  if (bytes[at] === minus || bytes[at] === 0x2b) at += 1;
  const end = skipDigits(bytes, at);
  return end === at ? -1 : end;
}

function skipDigits(bytes: Uint8Array, start: number): number {
  let at = start;
  while ((bytes[at] as number) >= zero && (bytes[at] as number) <= zero + 9) at += 1;
  return at;
}

/** An object or an array. */
function skipList(bytes: Uint8Array, start: number, depth: number): number {
  const isObject = bytes[start] === 0x7b;
  const close = isObject ? 0x7d : 0x5d;
  let at = skipBlanks(bytes, start + 1);
  if (bytes[at] === close) return at + 1;
  for (;;) {
    if (isObject) {
      if (bytes[at] !== quote) return -1;
      at = skipText(bytes, at + 1);
      if (at === -1) return -1;
      at = skipBlanks(bytes, at);
      if (bytes[at] !== 0x3a) return -1;
      at = skipBlanks(bytes, at + 1);
    }
    at = skipValue(bytes, at, depth + 1);
    if (at === -1) return -1;
    at = skipBlanks(bytes, at);
    if (bytes[at] === close) return at + 1;
    if (bytes[at] !== 0x2c) return -1;
    at = skipBlanks(bytes, at + 1);
  }
}

/** What JSON takes for blank, but for the line feed: spaces, tabs and carriage returns. */
export function skipBlanks(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] === 0x20 || bytes[at] === 0x09 || bytes[at] === 0x0d) at += 1;
  return at;
}

/** Behind the line feed, or behind a carriage return and it, that must stand at `at`; otherwise -1. */
export function scanLineEnd(bytes: Uint8Array, at: number): number {
  if (bytes[at] === lineFeed) return at + 1;
  return bytes[at] === 0x0d && bytes[at + 1] === lineFeed ? at + 2 : -1;
}

/** Behind the next line feed from `start` on, or behind the bytes. */
export function skipLine(bytes: Uint8Array, start: number): number {
  // Most lines end soon, before a search would have begun.
  const soon = Math.min(bytes.length, start + 64);
  for (let at = start; at < soon; at += 1) if (bytes[at] === lineFeed) return at + 1;
  return bytes.indexOf(lineFeed, soon) + 1 || bytes.length;
}
