import fc from 'fast-check';
import { linearRegression as lineOf, rSquared } from 'simple-statistics';
import { expect, test } from 'vitest';
import { linearRegression, multipleRegression } from '#shared/pipeline/aggregators/linear-regression.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { nastyMoment, seededRandom } from './arbitraries.ts';
import { isNearestRatio, scaledOf, unit } from './rational.ts';

type Point = readonly number[];

const x = (point: Point): number => point[0] as number;
const y = (point: Point): number => point[1] as number;
const line = linearRegression(x, y);
const plane = multipleRegression({ a: x, b: y }, (point: Point) => point[2] as number);

function fitOf<Out>(
  aggregator: { readonly result: (moments: ReturnType<typeof line.create>) => Out } & Omit<typeof line, 'result'>,
  points: readonly Point[],
): Out {
  return aggregator.result(
    points.map((point) => aggregator.select(point, 0)).reduce(aggregator.add, aggregator.create()),
  );
}

aggregatorLaws('linearRegression', () => linearRegression(x, y), fc.tuple(nastyMoment, nastyMoment));
aggregatorLaws(
  'multipleRegression',
  () => multipleRegression({ a: x, b: y }, (point: Point) => point[2] as number),
  fc.tuple(nastyMoment, nastyMoment, nastyMoment),
);

test('finds the line that points lie on, however far from 0', () => {
  const far = [1, 2, 3].map((step) => [1e12 + step, 5 + 2 * step] as const);
  expect(fitOf(line, far)).toEqual({ count: 3, intercept: 5 - 2e12, r2: 1, slope: 2 });
});

test('without two different x there is no line, and of a y that never changes nothing is explained', () => {
  expect(fitOf(line, [])).toEqual({ count: 0, intercept: null, r2: null, slope: null });
  expect(
    fitOf(line, [
      [0.1, 1],
      [0.1, 2],
      [0.1, 4],
    ]),
  ).toEqual({ count: 3, intercept: null, r2: null, slope: null });
  expect(
    fitOf(line, [
      [1, 7],
      [2, 7],
    ]),
  ).toEqual({ count: 2, intercept: 7, r2: null, slope: 0 });
});

test('slope and intercept are the numbers nearest to the exact ones', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(nastyMoment, nastyMoment), { minLength: 2, maxLength: 12 }), (points) => {
      const n = BigInt(points.length);
      const total = (of: (point: Point) => bigint): bigint => points.reduce((sum, point) => sum + of(point), 0n);
      const sx = total((point) => scaledOf(x(point)));
      const sy = total((point) => scaledOf(y(point)));
      const sxx = total((point) => scaledOf(x(point)) ** 2n);
      const sxy = total((point) => scaledOf(x(point)) * scaledOf(y(point)));
      const divisor = n * sxx - sx * sx;
      const { slope, intercept } = fitOf(line, points);
      if (divisor === 0n) return slope === null && intercept === null;
      // What no number holds is Infinity, which is shown as null.
      const isNear = (found: number | null, dividend: bigint, by: bigint): boolean =>
        found === null || !Number.isFinite(found) || Math.abs(found) > 1e307 || isNearestRatio(found, dividend, by);
      return isNear(slope, n * sxy - sx * sy, divisor) && isNear(intercept, sy * sxx - sx * sxy, divisor * unit);
    }),
    { numRuns: 500 },
  );
});

test('agrees with a statistics library', () => {
  const random = seededRandom(5);
  const points = Array.from({ length: 2_000 }, () => {
    const at = random() * 100;
    return [at, 3 + 0.25 * at + random()] as [number, number];
  });
  const { m, b } = lineOf(points);
  const found = fitOf(line, points);
  expect(found.slope).toBeCloseTo(m, 9);
  expect(found.intercept).toBeCloseTo(b, 9);
  expect(found.r2).toBeCloseTo(
    rSquared(points, (at) => m * at + b),
    9,
  );
});

test('several variables are told apart, even when they are nearly the same', () => {
  const random = seededRandom(6);
  const points = Array.from({ length: 50 }, () => {
    const a = Math.round(random() * 1_000);
    const b = a + Math.round(random() * 2) * 2 ** -20;
    return [a, b, 4 + 2 * a - 3 * b];
  });
  const found = fitOf(plane, points);
  // All of it is exact in binary, so the fit is exact too.
  expect(found).toEqual({ coefficients: { a: 2, b: -3 }, count: 50, intercept: 4, r2: 1 });
});

test('a variable that the others make up has no coefficient of its own', () => {
  const points = [1, 2, 3, 4].map((a) => [a, 2 * a, a * a]);
  expect(fitOf(plane, points)).toEqual({ coefficients: null, count: 4, intercept: null, r2: null });
});

test('with one variable it is the line', () => {
  const one = multipleRegression({ x }, y);
  const points = [
    [1, 2],
    [2, 3],
    [4, 4],
    [0.3, 9],
  ];
  const { slope, intercept, r2, count } = fitOf(line, points);
  expect(fitOf(one, points)).toEqual({ coefficients: { x: slope }, count, intercept, r2 });
});

test('the number of variables is limited, and their order does not count', () => {
  expect(() => multipleRegression({}, y)).toThrow(
    'multipleRegression: there are 0 variables; from 1 to 8 are allowed.',
  );
  expect(multipleRegression({ b: y, a: x }, y).config).toEqual({ variables: ['a', 'b'] });
});
