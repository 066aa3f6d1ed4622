import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import * as language from '#shared/pipeline/index.ts';

export interface Sale {
  readonly at: number;
  readonly shop: string;
  readonly price: number;
  readonly amount: number;
}

const price = (sale: Sale): number => sale.price;
const amount = (sale: Sale): number => sale.amount;
const shop = (sale: Sale): string => sale.shop;
const {
  argMax,
  argMaxAll,
  argMin,
  collect,
  correlation,
  count,
  countDistinct,
  covariance,
  decimalSum,
  distinct,
  ewma,
} = language;
const { exactDistinct, first, histogram, last, linearRegression, max, mean, min, multipleRegression } = language;
const { quantile, quantiles, rateOfChange, sampled, stddev, sum, topK, variance, zScore } = language;

/** One of each of the language's aggregators, by its name there. A type of its own, so that each has to be here to be one. */
export const all = {
  argMax: argMax(shop, { by: price }),
  argMaxAll: argMaxAll(shop, { by: price }),
  argMin: argMin(shop, { by: price }),
  collect: collect(price, { max: 5 }),
  correlation: correlation(price, amount),
  count: count((sale: Sale) => sale.price > 5),
  countDistinct: countDistinct(shop),
  covariance: covariance(price, amount),
  decimalSum: decimalSum(price),
  distinct: distinct(shop, { max: 3 }),
  ewma: ewma(price, { halfLife: language.seconds(10) }),
  exactDistinct: exactDistinct(shop, { max: 100 }),
  first: first(shop),
  histogram: histogram(price, { bounds: [2, 5] }),
  last: last(shop),
  linearRegression: linearRegression(price, amount),
  max: max(price),
  mean: mean(price),
  min: min(price),
  multipleRegression: multipleRegression({ price, at: (sale: Sale) => sale.at }, amount),
  quantile: quantile(0.5, price),
  quantiles: quantiles({ p50: 0.5, p90: 0.9 }, price),
  rateOfChange: rateOfChange(price),
  sampled: sampled(price, { size: 3 }),
  stddev: stddev(price),
  sum: sum(price),
  topK: topK(shop, { k: 2 }),
  variance: variance(price),
  zScore: zScore(price),
} satisfies Readonly<Record<string, AnyAggregator<Sale>>>;
