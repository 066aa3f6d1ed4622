import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toIso } from '#shared/schemas/time.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';

const first = Date.parse('0001-01-01T00:00:00.000Z');
const last = Date.parse('9999-12-31T23:59:59.999Z');

test('any time of the years 1 to 9999 is written as Date writes it', { timeout: fuzzTimeoutMs }, () => {
  fc.assert(
    fc.property(fc.integer({ min: first, max: last }), (timeMs) => {
      expect(toIso(timeMs)).toBe(new Date(timeMs).toISOString());
    }),
    { numRuns: 10_000 },
  );
});

test('the first and last millisecond of every month are written as Date writes them', () => {
  const wrong: string[] = [];
  const date = new Date(first);
  while (date.getTime() < last) {
    for (const timeMs of [date.getTime(), date.getTime() - 1]) {
      if (timeMs >= first && toIso(timeMs) !== new Date(timeMs).toISOString())
        wrong.push(new Date(timeMs).toISOString());
    }
    date.setUTCMonth(date.getUTCMonth() + 1);
  }
  expect(wrong).toEqual([]);
});

test.each([
  first,
  last,
  0,
  -1,
  -0,
  Date.parse('1600-02-29'),
  Date.parse('1900-02-28'),
  Date.parse('2000-02-29T23:59:59.999Z'),
])('%d is written as Date writes it', (timeMs) => {
  expect(toIso(timeMs)).toBe(new Date(timeMs).toISOString());
});

test('a year before 0 is written as Date writes it', { timeout: fuzzTimeoutMs }, () => {
  fc.assert(
    fc.property(fc.integer({ min: -8_640_000_000_000_000, max: first }), (timeMs) => {
      expect(toIso(timeMs)).toBe(new Date(timeMs).toISOString());
    }),
    { numRuns: 2_000 },
  );
});

test('texts have the order of times', { timeout: fuzzTimeoutMs }, () => {
  fc.assert(
    fc.property(fc.integer({ min: first, max: last }), fc.integer({ min: first, max: last }), (a, b) => {
      expect(toIso(a) < toIso(b)).toBe(a < b);
    }),
    { numRuns: 2_000 },
  );
});
