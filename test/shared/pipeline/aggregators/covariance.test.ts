import fc from 'fast-check';
import { sampleCorrelation, sampleCovariance } from 'simple-statistics';
import { expect, test } from 'vitest';
import { correlation, covariance } from '#shared/pipeline/aggregators/covariance.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { nastyMoment, seededRandom } from './arbitraries.ts';
import { isNearestRatio, scaledOf, unit } from './rational.ts';

type Pair = readonly [x: number, y: number];

const x = ([value]: Pair): number => value;
const y = ([, value]: Pair): number => value;
const pairs = fc.tuple(nastyMoment, nastyMoment);

function resultOf(aggregator: ReturnType<typeof covariance<Pair>>, values: readonly Pair[]): number | null {
  return aggregator.result(
    values.map((pair) => aggregator.select(pair, 0)).reduce(aggregator.add, aggregator.create()),
  );
}

aggregatorLaws('covariance', () => covariance(x, y), pairs);
aggregatorLaws('correlation', () => correlation(x, y), pairs);

const some: readonly Pair[] = [
  [1, 2],
  [2, 4],
  [3, 9],
];

test('covariance is that of a sample, or of all there is', () => {
  expect(resultOf(covariance(x, y), some)).toBe(3.5);
  expect(resultOf(covariance(x, y, { population: true }), some)).toBe(7 / 3);
  expect(resultOf(covariance(x, y), [[1, 2]])).toBeNull();
});

test('covariance is the number nearest to the exact one', () => {
  fc.assert(
    fc.property(fc.array(pairs, { minLength: 2, maxLength: 15 }), (values) => {
      const n = BigInt(values.length);
      const totalOf = (of: (pair: Pair) => bigint): bigint => values.reduce((sum, pair) => sum + of(pair), 0n);
      const sx = totalOf((pair) => scaledOf(x(pair)));
      const sy = totalOf((pair) => scaledOf(y(pair)));
      const sxy = totalOf((pair) => scaledOf(x(pair)) * scaledOf(y(pair)));
      return isNearestRatio(
        resultOf(covariance(x, y), values) as number,
        n * sxy - sx * sy,
        n * (n - 1n) * unit * unit,
      );
    }),
    { numRuns: 500 },
  );
});

test('correlation of points on a line is 1 or -1, and of a variable that never changes null', () => {
  expect(
    resultOf(correlation(x, y), [
      [1, 10],
      [2, 20],
      [3, 30],
    ]),
  ).toBe(1);
  expect(
    resultOf(correlation(x, y), [
      [0.1, -0.1],
      [0.2, -0.2],
      [0.7, -0.7],
    ]),
  ).toBe(-1);
  expect(
    resultOf(correlation(x, y), [
      [1, 10],
      [1, 20],
    ]),
  ).toBeNull();
  expect(
    resultOf(correlation(x, y), [
      [0.1, 1],
      [0.1, 2],
      [0.1, 3],
    ]),
  ).toBeNull();
});

test('correlation lies from -1 to 1', () => {
  fc.assert(
    fc.property(fc.array(pairs, { maxLength: 8 }), (values) => {
      const found = resultOf(correlation(x, y), values);
      return found === null || (found >= -1 && found <= 1);
    }),
  );
});

test('both agree with a statistics library', () => {
  const random = seededRandom(11);
  const values = Array.from({ length: 3_000 }, (): Pair => {
    const at = random();
    return [at * 50, 3 * at + random()];
  });
  expect(resultOf(covariance(x, y), values)).toBeCloseTo(sampleCovariance(values.map(x), values.map(y)), 9);
  expect(resultOf(correlation(x, y), values)).toBeCloseTo(sampleCorrelation(values.map(x), values.map(y)), 9);
});
