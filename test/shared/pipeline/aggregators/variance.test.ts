import fc from 'fast-check';
import { sampleVariance, standardDeviation, variance as varianceOfAll } from 'simple-statistics';
import { describe, expect, test } from 'vitest';
import { momentMagnitudeMax, momentMagnitudeMin, momentOf } from '#shared/pipeline/aggregators/moments.ts';
import { stddev, variance } from '#shared/pipeline/aggregators/variance.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { nastyMoment, seededRandom } from './arbitraries.ts';
import { isNearestRatio, scaledOf, unit } from './rational.ts';

const identity = (value: number): number => value;
const sample = variance(identity);
const population = variance(identity, { population: true });

function resultOf(aggregator: typeof sample, values: readonly number[]): number | null {
  return aggregator.result(
    values.map((value) => aggregator.select(value, 0)).reduce(aggregator.add, aggregator.create()),
  );
}

aggregatorLaws('variance', () => variance(identity), nastyMoment);
aggregatorLaws('stddev', () => stddev(identity, { population: true }), nastyMoment);

describe('variance', () => {
  test.each([
    [[1, 2, 3], 1],
    [[1e9 + 1, 1e9 + 2, 1e9 + 3], 1],
    [[1e15 + 1, 1e15 + 2, 1e15 + 3], 1],
    [[0.1, 0.1, 0.1], 0],
    [[5], null],
    [[], null],
  ])('of the sample %j is %j', (values, expected) => {
    expect(resultOf(sample, values)).toBe(expected);
  });

  test('of all there is divides by their number', () => {
    expect(resultOf(population, [1, 2, 3])).toBe(2 / 3);
    expect(resultOf(population, [5])).toBe(0);
    expect(resultOf(population, [])).toBeNull();
  });

  test('is the number nearest to the exact one, ties to even', () => {
    fc.assert(
      fc.property(fc.array(nastyMoment, { minLength: 2, maxLength: 20 }), (values) => {
        const scaled = values.map(scaledOf);
        const n = BigInt(values.length);
        const total = scaled.reduce((sum, value) => sum + value, 0n);
        const squares = scaled.reduce((sum, value) => sum + value * value, 0n);
        const centred = n * squares - total * total;
        return isNearestRatio(resultOf(sample, values) as number, centred, n * (n - 1n) * unit * unit);
      }),
      { numRuns: 500 },
    );
  });

  test('agrees with a statistics library', () => {
    const random = seededRandom(7);
    const values = Array.from({ length: 5_000 }, () => 100 + 20 * random() ** 3);
    expect(resultOf(sample, values)).toBeCloseTo(sampleVariance(values), 9);
    expect(resultOf(population, values)).toBeCloseTo(varianceOfAll(values), 9);
    expect(resultOf(stddev(identity, { population: true }), values)).toBeCloseTo(standardDeviation(values), 9);
  });

  test('a standard deviation is as exact where its square is too small for a number to hold all its digits', () => {
    const value = 2 ** -478;
    const near = value + 2 ** -530;
    const found = resultOf(stddev(identity, { population: true }), [value, value, near]) ?? 0;
    expect(found / 2 ** -530).toBeCloseTo(Math.SQRT2 / 3, 15);
  });

  test('a value whose square a number cannot hold is refused, and a tiny one is 0', () => {
    expect(sample.refuse?.(momentMagnitudeMax * 1.01)).toContain('too large');
    expect(sample.refuse?.(-momentMagnitudeMax)).toBeUndefined();
    expect(sample.refuse?.(Number.NaN)).toBe('NaN is not a finite number');
    expect(momentOf(-momentMagnitudeMin / 2)).toBe(0);
    expect(momentOf(momentMagnitudeMin)).toBe(momentMagnitudeMin);
  });

  test.each([1, [], [1, 0], [1, 0, 0, 0], [0, 1, 1], [2, 10, 1], [-1, 0, 0]])('%j is no state', (encoded) => {
    expect(() => sample.decode(encoded)).toThrow('the state of variance must be');
  });
});
