import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash128, hash128OfBytes, hashHex } from '#shared/schemas/hash.ts';

// Made with mmh3 5 for Python: the words of hash_bytes(text.encode(), seed, x64arch=False).
const vectors: readonly (readonly [text: string, hex: string])[] = [
  ['', '00000000000000000000000000000000'],
  ['a', 'a794933c5556b01b5556b01b5556b01b'],
  ['The quick brown fox jumps over the lazy dog', '2f1583c3ecee2c675d7bf66ce5e91d2c'],
  ['héllo 😀 wörld €', '120d4bf195c40add38fa9f5b94ee41d3'],
  ['x'.repeat(5_000), '4bced5afe5bc5b92c75a9da0056945b4'],
  ['€'.repeat(5_000), '65fc7f915ec76820cfcd0c13946e311b'],
];

describe('hash128', () => {
  test.each(vectors)('of %j is what another implementation gives', (text, hex) => {
    expect(hashHex(text)).toBe(hex);
  });

  test('gives the verification value of the reference test suite', () => {
    // SMHasher's VerificationTest: hash the keys [], [0], [0, 1], … with seeds 256, 255, …, then the hashes.
    const hashes = new Uint8Array(256 * 16);
    const view = new DataView(hashes.buffer);
    for (let length = 0; length < 256; length += 1) {
      const key = Uint8Array.from({ length }, (_, index) => index);
      hash128OfBytes(key, 256 - length).forEach((word, index) => {
        view.setUint32(length * 16 + index * 4, word, true);
      });
    }
    expect(hash128OfBytes(hashes)[0]).toBe(0xb3ece62a);
  });

  test('of a text is that of its UTF-8 bytes, at any length and seed', () => {
    const unit = fc.constantFrom(
      'a',
      '0',
      '\u007f',
      '\u0080',
      'é',
      '\u07ff',
      '\u0800',
      '€',
      '\uffff',
      '😀',
      '\ud800',
      '\udfff',
    );
    const text = fc.oneof(
      fc.string({ maxLength: 70 }),
      fc.string({ unit, maxLength: 70 }),
      fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
      // Around and beyond what fits the buffer.
      fc
        .tuple(fc.string({ unit, minLength: 1, maxLength: 9 }), fc.integer({ min: 4_000, max: 5_000 }))
        .map(([part, length]) => part.repeat(length).slice(0, length)),
    );
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 0xffff_ffff }), (value, seed) => {
        expect(hash128(value, seed)).toEqual(hash128OfBytes(new TextEncoder().encode(value), seed));
      }),
      { numRuns: 500 },
    );
  });

  test('gives four unsigned words', () => {
    for (const word of hash128('an unsigned word')) expect(word >>> 0).toBe(word);
  });

  test('spreads numbered keys evenly over 16 slots', () => {
    const slots = new Array<number>(16).fill(0);
    for (let key = 0; key < 160_000; key += 1) {
      const slot = hash128(`ip=10.0.${key >> 8}.${key & 255}`)[0] >>> 28;
      slots[slot] = (slots[slot] ?? 0) + 1;
    }
    // Each holds 10,000 on average with a standard deviation of 97.
    for (const keys of slots) expect(Math.abs(keys - 10_000)).toBeLessThan(500);
  });
});
