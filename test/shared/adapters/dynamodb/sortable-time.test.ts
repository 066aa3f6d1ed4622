import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sortableDay, sortableTime, timeMsMax, timeMsMin } from '#shared/adapters/dynamodb/sortable-time.ts';

const times = fc.oneof(
  fc.integer({ min: timeMsMin, max: timeMsMax }),
  // Around the years 0 and 10000, where the texts change their form.
  fc.integer({ min: -62_167_219_200_000 - 100, max: -62_167_219_200_000 + 100 }),
  fc.integer({ min: 253_402_300_800_000 - 100, max: 253_402_300_800_000 + 100 }),
);
const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

const numRuns = 10_000;

test('the order of texts is the order of times', () => {
  const agrees = (a: number, b: number) => compare(sortableTime(a), sortableTime(b)) === Math.sign(a - b);
  fc.assert(fc.property(times, times, agrees), { numRuns });
});

test('the order of days is the order of times, up to the day', () => {
  const dayOf = (timeMs: number) => Math.floor(timeMs / 86_400_000);
  const agrees = (a: number, b: number) => compare(sortableDay(a), sortableDay(b)) === Math.sign(dayOf(a) - dayOf(b));
  fc.assert(fc.property(times, times, agrees), { numRuns });
});

test.each([
  [0, '1970-01-01T00:00:00.000Z'],
  [-1, '1969-12-31T23:59:59.999Z'],
  [Date.parse('0001-01-01T00:00:00Z'), '0001-01-01T00:00:00.000Z'],
  [Date.parse('9999-12-31T23:59:59.999Z'), '9999-12-31T23:59:59.999Z'],
  [Date.parse('+010000-01-01T00:00:00Z'), '~+010000-01-01T00:00:00.000Z'],
  [Date.parse('-000001-01-01T00:00:00Z'), '-999999-01-01T00:00:00.000Z'],
])('%d is written as %s', (timeMs, text) => {
  expect(sortableTime(timeMs)).toBe(text);
});

test('a time that is no time is a bug', () => {
  expect(() => sortableTime(Number.NaN)).toThrow('Bug in Millrace');
});
