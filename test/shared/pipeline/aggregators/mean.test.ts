import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mean } from '#shared/pipeline/aggregators/mean.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { nastyNumber } from './arbitraries.ts';
import { isNearest } from './rational.ts';

const aggregator = mean((value: number) => value);

function meanOf(values: readonly number[]): number {
  return aggregator.result(values.reduce(aggregator.add, aggregator.create()));
}

aggregatorLaws('mean', () => mean((value: number) => value), nastyNumber);

test.each([
  [[1, 2], 1.5],
  [[1e16, 1, -1e16, 1], 0.5],
  [[0.1, 0.1, 0.1], 0.1],
  [[-3], -3],
])('of %j is %d', (values, expected) => {
  expect(meanOf(values)).toBe(expected);
});

test('of nothing is NaN', () => {
  expect(meanOf([])).toBeNaN();
});

test('is the number nearest to the exact quotient, ties to even', () => {
  fc.assert(
    fc.property(fc.array(nastyNumber, { minLength: 1, maxLength: 30 }), (values) =>
      isNearest(meanOf(values), values, values.length),
    ),
    { numRuns: 1_000 },
  );
});

test('refuses what a sum refuses', () => {
  expect(aggregator.refuse?.(Number.NaN)).toBe('NaN is not a finite number');
  expect(aggregator.refuse?.(1e291)).toContain('too large');
});

test.each([1, [], [1], [1, -1], [1, 1, 1], [1, 0.5], [1, '1']])('%j is no state', (encoded) => {
  expect(() => aggregator.decode(encoded)).toThrow('the state of mean must be [sum, count], and is');
});
