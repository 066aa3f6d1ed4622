import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  columnsOfKey,
  decodeKey,
  encodeKey,
  type KeyColumns,
  keyBytesMax,
  parseKeyColumn,
} from '#shared/schemas/key.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';

/** Texts of the characters that the encoding itself uses, where two keys would meet first. */
const treacherousText = fc.string({
  unit: fc.constantFrom('%', '&', '=', '#', ':', 'n', 'b', '0', '2', '5', '6', '\ud83d', '\ude00'),
});
const value = fc.oneof(
  treacherousText,
  fc.string({ unit: 'binary' }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.boolean(),
);
const key = fc.dictionary(fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,3}$/), value, { minKeys: 1, maxKeys: 4 });

/** Equal to a user: the same columns with the same values, whatever their order, and with one zero. */
function isSame(a: KeyColumns, b: KeyColumns): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}

describe('encodeKey', () => {
  test('sorts columns and tags values with their type', () => {
    expect(encodeKey({ status: 200, ip: '1.2.3.4', ok: true })).toBe('ip=1.2.3.4&ok:b=true&status:n=200');
  });

  test('gives one text whatever the order of the columns', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(key, (columns) => {
        expect(encodeKey(Object.fromEntries(Object.entries(columns).reverse()))).toBe(encodeKey(columns));
      }),
      { numRuns: 2_000 },
    );
  });

  test('is undone by decodeKey', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(key, (columns) => {
        expect(isSame(decodeKey(encodeKey(columns)), columns)).toBe(true);
      }),
      { numRuns: 10_000 },
    );
  });

  test('gives two keys one text only when they are the same', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(encodeKey(a) === encodeKey(b)).toBe(isSame(a, b));
      }),
      { numRuns: 10_000 },
    );
  });

  test('gives texts that survive UTF-8', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(key, (columns) => {
        const text = encodeKey(columns);
        expect(new TextDecoder().decode(new TextEncoder().encode(text))).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });

  test('holds no #, with which the results table tells rows from totals', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(key, (columns) => {
        expect(encodeKey(columns)).not.toContain('#');
      }),
      { numRuns: 2_000 },
    );
  });

  test('tells the text 1 from the number 1 and the text true from true', () => {
    const texts = [{ a: '1' }, { a: 1 }, { a: 'true' }, { a: true }, { a: 'n=1' }].map(encodeKey);
    expect(new Set(texts).size).toBe(5);
  });

  test('tells a value that looks like another column from that column', () => {
    expect(encodeKey({ a: '1&b=2' })).not.toBe(encodeKey({ a: '1', b: '2' }));
  });

  test('tells two lone surrogates apart, which UTF-8 would not', () => {
    expect(encodeKey({ a: '\ud800' })).not.toBe(encodeKey({ a: '\udfff' }));
  });

  test('takes -0 for 0', () => {
    expect(encodeKey({ a: -0 })).toBe('a:n=0');
  });

  test.each([
    ['no columns', {}, /no columns; a key is an object of named columns, such as \{ user: record.user \}/],
    ['nothing', undefined, /no columns; a key is an object/],
    ['a number', 7, /no columns; a key is an object/],
    ['a text', 'ann', /"0" is not a name of letters, digits and _; a key is an object of named columns/],
    ['a list', ['ann'], /"0" is not a name of letters, digits and _; a key is an object of named columns/],
    ['NaN', { a: Number.NaN }, /a is NaN/],
    ['infinity', { a: Number.POSITIVE_INFINITY }, /a is Infinity/],
    ['null', { a: null }, /a is null/],
    ['undefined', { a: undefined }, /a is undefined/],
    ['an object', { a: {} }, /a is object/],
    ['a bigint', { a: 1n }, /a is bigint/],
    ['a name with a colon', { 'a:n': '1' }, /"a:n" is not a name/],
    ['an empty name', { '': '1' }, /"" is not a name/],
    ['a name that begins with a digit', { '1a': '1' }, /"1a" is not a name/],
  ])('refuses %s and says which column it is', (_, columns, message) => {
    expect(() => encodeKey(columns as unknown as KeyColumns)).toThrow(message);
  });

  test.each(['x', 'é', '語', '💧', '\ud800'])(
    'takes a key of %j of as many bytes as are allowed, and no more',
    (character) => {
      const bytes = Buffer.byteLength(encodeKey({ a: character })) - 2;
      // The rest is filled up with characters of one byte.
      const ofBytes = (size: number) => character.repeat((size - 2) / bytes) + 'x'.repeat((size - 2) % bytes);
      expect(Buffer.byteLength(encodeKey({ a: ofBytes(keyBytesMax) }))).toBe(keyBytesMax);
      expect(() => encodeKey({ a: ofBytes(keyBytesMax + 1) })).toThrow(
        `the key has ${keyBytesMax + 1} bytes in UTF-8; at most ${keyBytesMax} are allowed`,
      );
    },
  );
});

test('columnsOfKey names the columns as a query does', () => {
  expect(columnsOfKey(encodeKey({ status: 200, ip: 'a=b&c', ok: true }))).toEqual(['ip', 'ok:b', 'status:n']);
});

describe('parseKeyColumn', () => {
  test.each([
    ['ip', '1.2.3.4', '1.2.3.4'],
    ['ip', '', ''],
    ['status:n', '200', 200],
    ['status:n', '-0.5', -0.5],
    ['status:n', '1e21', 1e21],
    ['ok:b', 'true', true],
    ['ok:b', 'false', false],
  ])('reads %s = %j', (name, text, expected) => {
    expect(parseKeyColumn(name, text)).toEqual([name.split(':')[0], expected]);
  });

  test.each([
    ['status:n', 'abc'],
    ['status:n', ''],
    ['status:n', ' '],
    ['status:n', 'NaN'],
    ['status:n', 'Infinity'],
    ['status:n', '1e999'],
    ['status:n', '0x10'],
    ['ok:b', 'yes'],
    ['ok:b', ''],
    ['ip:s', '1.2.3.4'],
    ['ip:n:n', '1'],
  ])('refuses %s = %j', (name, text) => {
    expect(() => parseKeyColumn(name, text)).toThrow(/^QUERY_INVALID: .*key\./);
  });
});
