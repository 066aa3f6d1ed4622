/**
 * MurmurHash3 x86 128 (Austin Appleby, public domain) over the UTF-8 bytes of a text.
 *
 * It decides slots, key groups, HyperLogLog registers and the plan's hash, so what it gives is part of everything stored: it
 * can never change. A second hash may be added under another name; this one may only be made faster.
 */

/** Four unsigned words of 32 bits, the first of the reference implementation first. */
export type Hash128 = readonly [number, number, number, number];

/** Lone surrogates count as U+FFFD, as in every encoder to UTF-8. `seed` makes independent hashes of one text. */
export function hash128(text: string, seed = 0): Hash128 {
  start(seed);
  let position = 0;
  let hashed = 0;
  filled = 0;
  for (;;) {
    position = fill(text, position);
    const whole = filled & ~15;
    mixBlocks(buffer, whole);
    hashed += filled;
    if (position >= text.length) return finish(buffer, whole, filled - whole, hashed);
    // What does not fill a block waits at the front for more.
    buffer.copyWithin(0, whole, filled);
    filled -= whole;
    hashed -= filled;
  }
}

/** The hash as 32 hexadecimal digits. */
export function hashHex(text: string): string {
  const [a, b, c, d] = hash128(text);
  return hexOf(a) + hexOf(b) + hexOf(c) + hexOf(d);
}

/** The same hash over bytes. */
export function hash128OfBytes(bytes: Uint8Array, seed = 0): Hash128 {
  start(seed);
  const whole = bytes.length - (bytes.length & 15);
  mixBlocks(bytes, whole);
  return finish(bytes, whole, bytes.length - whole, bytes.length);
}

// The state of the one hash in progress. It lives here and not in an object so that a call allocates nothing but its result;
// no call is ever interrupted by another.
const bufferBytes = 4_096;
/** A character takes at most four bytes, so that many are spare. */
const buffer = new Uint8Array(bufferBytes + 4);
let filled = 0;
let h1 = 0;
let h2 = 0;
let h3 = 0;
let h4 = 0;

function start(seed: number): void {
  h1 = seed;
  h2 = seed;
  h3 = seed;
  h4 = seed;
}

/** Encodes characters from `position` until the buffer is full or the text ends; returns the next position. */
function fill(text: string, position: number): number {
  const length = text.length;
  let at = filled;
  let index = position;
  while (index < length && at < bufferBytes) {
    const unit = text.charCodeAt(index);
    index += 1;
    if (unit < 0x80) {
      buffer[at++] = unit;
      continue;
    }
    if (unit < 0x800) {
      buffer[at++] = 0xc0 | (unit >> 6);
      buffer[at++] = 0x80 | (unit & 63);
      continue;
    }
    let point = unit;
    if (unit >= 0xd800 && unit <= 0xdfff) {
      const low = unit < 0xdc00 && index < length ? text.charCodeAt(index) : 0;
      if (low >= 0xdc00 && low <= 0xdfff) {
        index += 1;
        point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        buffer[at++] = 0xf0 | (point >> 18);
        buffer[at++] = 0x80 | ((point >> 12) & 63);
        buffer[at++] = 0x80 | ((point >> 6) & 63);
        buffer[at++] = 0x80 | (point & 63);
        continue;
      }
      point = 0xfffd;
    }
    buffer[at++] = 0xe0 | (point >> 12);
    buffer[at++] = 0x80 | ((point >> 6) & 63);
    buffer[at++] = 0x80 | (point & 63);
  }
  filled = at;
  return index;
}

const c1 = 0x239b961b;
const c2 = 0xab0e9789 | 0;
const c3 = 0x38b34ae5;
const c4 = 0xa1e38b93 | 0;

/** Mixes `end` bytes, a multiple of 16. */
function mixBlocks(bytes: Uint8Array, end: number): void {
  let a = h1;
  let b = h2;
  let c = h3;
  let d = h4;
  for (let at = 0; at < end; at += 16) {
    a ^= scramble(wordAt(bytes, at), c1, 15, c2);
    a = (Math.imul((rotate(a, 19) + b) | 0, 5) + 0x561ccd1b) | 0;
    b ^= scramble(wordAt(bytes, at + 4), c2, 16, c3);
    b = (Math.imul((rotate(b, 17) + c) | 0, 5) + 0x0bcaa747) | 0;
    c ^= scramble(wordAt(bytes, at + 8), c3, 17, c4);
    c = (Math.imul((rotate(c, 15) + d) | 0, 5) + 0x96cd1c35) | 0;
    d ^= scramble(wordAt(bytes, at + 12), c4, 18, c1);
    d = (Math.imul((rotate(d, 13) + a) | 0, 5) + 0x32ac3b17) | 0;
  }
  h1 = a;
  h2 = b;
  h3 = c;
  h4 = d;
}

/** Mixes the last bytes, fewer than 16, and finalizes. */
function finish(bytes: Uint8Array, from: number, rest: number, length: number): Hash128 {
  let a = h1;
  let b = h2;
  let c = h3;
  let d = h4;
  if (rest > 12) d ^= scramble(restAt(bytes, from + 12, rest - 12), c4, 18, c1);
  if (rest > 8) c ^= scramble(restAt(bytes, from + 8, rest - 8), c3, 17, c4);
  if (rest > 4) b ^= scramble(restAt(bytes, from + 4, rest - 4), c2, 16, c3);
  if (rest > 0) a ^= scramble(restAt(bytes, from, rest), c1, 15, c2);
  a ^= length;
  b ^= length;
  c ^= length;
  d ^= length;
  a = (a + b + c + d) | 0;
  b = (b + a) | 0;
  c = (c + a) | 0;
  d = (d + a) | 0;
  a = avalanche(a);
  b = avalanche(b);
  c = avalanche(c);
  d = avalanche(d);
  a = (a + b + c + d) | 0;
  b = (b + a) | 0;
  c = (c + a) | 0;
  d = (d + a) | 0;
  return [a >>> 0, b >>> 0, c >>> 0, d >>> 0];
}

function scramble(word: number, first: number, by: number, second: number): number {
  return Math.imul(rotate(Math.imul(word, first), by), second);
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

/** Little-endian. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (
    byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8) | (byteAt(bytes, at + 2) << 16) | (byteAt(bytes, at + 3) << 24)
  );
}

function restAt(bytes: Uint8Array, at: number, count: number): number {
  let word = byteAt(bytes, at);
  if (count > 1) word |= byteAt(bytes, at + 1) << 8;
  if (count > 2) word |= byteAt(bytes, at + 2) << 16;
  if (count > 3) word |= byteAt(bytes, at + 3) << 24;
  return word;
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

function avalanche(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

function hexOf(word: number): string {
  return word.toString(16).padStart(8, '0');
}
