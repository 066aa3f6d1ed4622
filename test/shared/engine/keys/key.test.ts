import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupOf, slotHashKey, slotOf } from '#shared/engine/keys/key.ts';
import { KeyDictionary } from '#shared/engine/keys/key-dictionary.ts';
import { hash128 } from '#shared/schemas/hash.ts';
import { encodeKey, type KeyColumns } from '#shared/schemas/key.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';

const powers = fc.integer({ min: 0, max: 10 }).map((power) => 2 ** power);

/** The hash as one number of 128 bits. */
function hashOf(key: string): bigint {
  return hash128(key).reduce((whole, word) => (whole << 32n) | BigInt(word), 0n);
}

describe('the slot of a key', () => {
  test('is floor(hash * S / 2^128)', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), powers, (key, slots) => {
        expect(BigInt(slotOf(key, slots))).toBe((hashOf(key) * BigInt(slots)) >> 128n);
      }),
      { numRuns: 5_000 },
    );
  });

  test('halves when slots double, so that slots are ranges of the hash space', () => {
    fc.assert(
      fc.property(fc.string(), powers, (key, slots) => {
        expect(Math.floor(slotOf(key, slots * 2) / 2)).toBe(slotOf(key, slots));
      }),
    );
  });

  test('is not told by its group: a slot has keys of all groups', () => {
    const keys = Array.from({ length: 2_000 }, (_, index) => `key=${index}`).filter((key) => slotOf(key, 16) === 3);
    expect(new Set(keys.map((key) => groupOf(key, 8))).size).toBe(8);
  });
});

describe('the hash key of a slot', () => {
  test.each([1, 2, 16, 1_024])('of %d slots lies in the middle of its range', (slots) => {
    const range = 2n ** 128n / BigInt(slots);
    for (let slot = 0; slot < slots; slot += 1)
      expect(slotHashKey(slot, slots)).toBe(BigInt(slot) * range + range / 2n);
  });
});

describe('the group of a key', () => {
  test('is within the groups', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 23 }), (key, power) => {
        const group = groupOf(key, 2 ** power);
        expect(Number.isInteger(group) && group >= 0 && group < 2 ** power).toBe(true);
      }),
    );
  });
});

describe('a dictionary', () => {
  const columns = fc.oneof(
    fc.record({ a: fc.constantFrom<string | number | boolean>('1', 1, 'x', true, '') }),
    fc.record({ b: fc.constantFrom('1', 'x') }),
    fc.record({ a: fc.constantFrom('1', 'x'), b: fc.constantFrom<string | number>('1', 1) }),
  );

  test('gives the canonical text, in whatever order keys come', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(fc.array(columns, { maxLength: 20 }), (keys) => {
        const dictionary = new KeyDictionary(8, new Set(['count']));
        for (const key of keys as readonly KeyColumns[]) {
          const text = encodeKey(key);
          expect(dictionary.find(key)).toMatchObject({ text, slot: slotOf(text, 8) });
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('gives two keys two ids', () => {
    const dictionary = new KeyDictionary(8, new Set(['count']));
    const ids = ['a', 'b', 'a', 'c'].map((ip) => dictionary.find({ ip }).id);
    expect(ids).toEqual([0, 1, 0, 2]);
  });

  test('numbers keys in a space that holds none of them, since slices keep it', () => {
    const { space } = new KeyDictionary(8, new Set()).find({ ip: 'a' });
    expect(space).toStrictEqual({ isOneToOne: true });
  });

  test('keeps what it knows of a column while keys of other columns come between', () => {
    const dictionary = new KeyDictionary(8, new Set(['count']));
    const ofColumns = ['a', 'b', 'c'].flatMap((column) => [{ [column]: 'x' }, { [column]: 1 }]);
    const found = [...ofColumns, ...ofColumns].map((columns) => dictionary.find(columns));
    const places = found.map(({ id, space }) => ({ id, space }));
    for (const [index, { id, space }] of places.slice(0, ofColumns.length).entries()) {
      expect(places[index + ofColumns.length]?.id).toBe(id);
      expect(places[index + ofColumns.length]?.space).toBe(space);
    }
  });

  test('finds keys of any number of columns', () => {
    const dictionary = new KeyDictionary(8, new Set(['count']));
    for (let round = 0; round < 2; round += 1)
      for (let column = 0; column < 20; column += 1)
        for (const value of ['x', 7, true, 'y'])
          expect(dictionary.find({ [`c${column}`]: value }).text).toBe(encodeKey({ [`c${column}`]: value }));
  });

  test('refuses a column whose name is taken, every time it comes, and the next key is found', () => {
    const dictionary = new KeyDictionary(8, new Set(['count']));
    for (const key of [{ count: 'a' }, { count: 'a' }, { ip: 'a', count: 1 }]) {
      expect(() => dictionary.find(key)).toThrow('key column count has the name of another column of its rows');
    }
    expect(dictionary.find({ ip: 'a' }).text).toBe('ip=a');
  });

  test('refuses a bad key every time it comes', () => {
    const dictionary = new KeyDictionary(8, new Set(['count']));
    const find = (): unknown => dictionary.find({ a: 'x'.repeat(2_000) });
    expect(find).toThrow(/bytes/);
    expect(find).toThrow(/bytes/);
  });
});
