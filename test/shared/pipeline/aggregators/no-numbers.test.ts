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

test('a sample of records that nothing tells apart says so', () => {
  const { select } = P.sampled(one, { size: 2, by: () => undefined as never });
  expect(() => select({}, 0)).toThrow('by gives undefined, which tells no records apart');
});
