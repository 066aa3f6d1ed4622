import { describe, expect, test } from 'vitest';
import * as P from '#shared/pipeline/index.ts';

/** What is no number, though types say so, as a field that may be null is without them. */
const values: readonly unknown[] = [null, '', [], [undefined], true, false, new Date(0), '-0.00'];
const one = (): number => 1;
const made = (of: () => number): Readonly<Record<string, P.AnyAggregator<unknown>>> => ({
  sum: P.sum(of),
  mean: P.mean(of),
  min: P.min(of),
  max: P.max(of),
  variance: P.variance(of),
  stddev: P.stddev(of),
  covariance: P.covariance(one, of),
  correlation: P.correlation(of, one),
  quantile: P.quantile(0.5, of),
  quantiles: P.quantiles({ p50: 0.5 }, of),
  histogram: P.histogram(of, { bounds: [1] }),
  ewma: P.ewma(of, { halfLife: P.seconds(1) }),
  rateOfChange: P.rateOfChange(of),
  zScore: P.zScore(of),
  argMaxAll: P.argMaxAll(one, { by: of }),
  topK: P.topK(one, { k: 1, weight: of }),
  linearRegression: P.linearRegression(of, one),
  multipleRegression: P.multipleRegression({ a: one }, of),
});

describe.each(Object.keys(made(one)))('%s', (name) => {
  test.each(values)('refuses %j, and does not count it as 0 or 1', (value) => {
    const aggregator = made(() => value as number)[name] as P.AnyAggregator<unknown>;
    expect(aggregator.refuse?.(aggregator.select({}, 0) as never)).toBeTypeOf('string');
  });
});

test.each([
  [undefined, 'undefined'],
  [Number.NaN, 'NaN'],
  [new Map([['id', 1]]), 'an object'],
  [new Date(0), 'an object'],
  [{ id: Number.NaN }, 'an object'],
  [[1, undefined], 'an array'],
])('a sample of records that nothing tells apart says so: %o', (identity, shown) => {
  const { select } = P.sampled(one, { size: 2, by: () => identity as never });
  expect(() => select({}, 0)).toThrow(`by gives ${shown}, which tells no records apart`);
});

test('a sample takes objects and lists for identities', () => {
  const drawn = (identity: P.Json): unknown => P.sampled(one, { size: 2, by: () => identity }).select({}, 0);
  expect(drawn({ a: 1, b: [2] })).toEqual(drawn({ b: [2], a: 1 }));
  expect(drawn({ a: 1, b: [2] })).not.toEqual(drawn({ a: 1, b: [3] }));
});
