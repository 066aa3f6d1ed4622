import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sum } from '#shared/pipeline/aggregators/sum.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { nastyNumber } from './arbitraries.ts';
import { isNearest } from './rational.ts';

const aggregator = sum((value: number) => value);

function sumOf(values: readonly number[]): number {
  return aggregator.result(values.reduce(aggregator.add, aggregator.create()));
}

function stored(values: readonly number[]): string {
  return JSON.stringify(aggregator.encode(values.reduce(aggregator.add, aggregator.create())));
}

aggregatorLaws('sum', () => sum((value: number) => value), nastyNumber);

test('of nothing is 0', () => {
  expect(sumOf([])).toBe(0);
});

test.each([
  [[1, 2, 3], 6],
  [Array<number>(10).fill(0.1), 1],
  [[1e16, 1, -1e16], 1],
  [[1e16, 1, 1e-16], 10_000_000_000_000_002],
  [[2 ** 53, 1], 2 ** 53],
  [[2 ** 53, 1, 1], 2 ** 53 + 2],
  [[1e290, 1e-290, -1e290], 1e-290],
  [[5e-324, 5e-324], 1e-323],
  [[-0, -0], 0],
])('of %j is %d', (values, expected) => {
  expect(sumOf(values)).toBe(expected);
});

test('is the number nearest to the exact sum, ties to even', () => {
  fc.assert(
    fc.property(fc.array(nastyNumber, { maxLength: 60 }), (values) => isNearest(sumOf(values), values)),
    { numRuns: 1_000 },
  );
});

test('of many values far apart is still exact, and its state stays small', () => {
  const values = Array.from(
    { length: 1_000 },
    (_, index) => (index % 3 === 0 ? -1 : 1) * 2 ** (((index * 7) % 1_000) * 2 - 1_050),
  );
  expect(isNearest(sumOf(values), values)).toBe(true);
  expect(JSON.parse(stored(values)).length).toBeLessThanOrEqual(40);
});

describe('as it is stored', () => {
  test('is a plain number while one number holds it', () => {
    expect(stored([1, 2])).toBe('3');
    expect(stored([0.5, 0.25])).toBe('0.75');
  });

  test('is a plain number again when the rest has cancelled out', () => {
    expect(stored([1e16, 0.5, -1e16])).toBe('0.5');
  });

  test('is the nearest number and what is left', () => {
    expect(stored([1e16, 1])).toBe('[10000000000000000,1]');
  });

  test('of -0 is 0', () => {
    expect(aggregator.decode(-0)).toBe(0);
  });

  test.each([null, '1', true, {}, [1, null], [1, '2'], Array<number>(41).fill(1), 1e308, [1e308]])(
    'cannot be %j',
    (encoded) => {
      expect(() => aggregator.decode(encoded)).toThrow(
        'the state of a sum must be a number or a list of numbers, and is',
      );
    },
  );
});

describe('refuses', () => {
  test.each([
    [Number.NaN, 'NaN is not a finite number'],
    [Number.POSITIVE_INFINITY, 'Infinity is not a finite number'],
    [undefined, 'undefined is not a finite number'],
    [null, 'null is not a finite number'],
    ['12', 'the string "12" is not a finite number'],
    ['x'.repeat(50), `the string "${'x'.repeat(40)}…" is not a finite number`],
    [12n, 'a bigint is not a finite number'],
    [[12], 'an array is not a finite number'],
    [{}, 'an object is not a finite number'],
    [-1e291, '-1e+291 is too large; at most 1e+290 either side of 0 is allowed'],
  ])('%s', (value, reason) => {
    expect(aggregator.refuse?.(value as number)).toBe(reason);
  });

  test('nothing that 2^53 times over would not overflow', () => {
    expect(aggregator.refuse?.(1e290)).toBeUndefined();
    expect(1e290 * 2 ** 53).toBeLessThan(Number.MAX_VALUE);
  });
});
