import type { Json } from '../aggregator.ts';
import { type Binary, binaryOf, minus, times } from './exact-ratio.ts';
import { addExactly, binaryOfSum, decodeExactSum, type ExactSum, encodeExactSum, mergeExactly } from './exact-sum.ts';
import { isCount, refuseBeyond, unreadable } from './numeric.ts';

/**
 * How many points of some variables there were, the exact sum of each variable, and that of the product of each two, itself included.
 *
 * Everything that is asked of variances and regressions is a ratio of polynomials in these. They are sums, kept without any rounding
 * (`exact-sum.ts`), and the ratio is calculated in whole numbers of any size and rounded once. So the order and the grouping of the
 * records cannot show, and nothing cancels: the variance of 1e9 + 1, 1e9 + 2, 1e9 + 3 is 1. Updating a mean and a centred sum of
 * squares (B. P. Welford 1962; for merging T. F. Chan, G. H. Golub, R. J. LeVeque 1979) is stable too, but rounds at each step.
 */
export interface Moments {
  count: number;
  readonly sums: ExactSum[];
  /** Of variables 0 and 0, 0 and 1, …, 1 and 1, …: each pair once. */
  readonly products: ExactSum[];
}

/** The value of each variable; of a single one the value itself. */
export type Point = number | readonly number[];

/** No value beyond this: its square can be summed (`summandMagnitudeMax`). */
export const momentMagnitudeMax = 1e145;
/** A value nearer to 0 than this counts as 0, for the end of its square would lie below what a number can hold. */
export const momentMagnitudeMin = 1e-144;

/** The number that stands for a value: a tiny one is 0. What is no number stays as it is, to be refused: a comparison would make 0 of null. */
export function momentOf(value: number): number {
  return typeof value === 'number' && value < momentMagnitudeMin && value > -momentMagnitudeMin ? 0 : value;
}

/** Why a variable cannot have the value, or undefined when it can. */
export function refuseMoment(value: unknown): string | undefined {
  return refuseBeyond(value, momentMagnitudeMax);
}

export function createMoments(variables: number): Moments {
  return {
    count: 0,
    sums: Array.from({ length: variables }, () => 0),
    products: Array.from({ length: productsOf(variables) }, () => 0),
  };
}

/** Changes `moments` in place. The values are those of `momentOf`. */
export function addPoint(moments: Moments, point: Point): Moments {
  const { sums, products } = moments;
  moments.count += 1;
  if (typeof point === 'number') {
    sums[0] = addExactly(sums[0] as ExactSum, point);
    products[0] = addProduct(products[0] as ExactSum, point, point);
    return moments;
  }
  let at = 0;
  for (let a = 0; a < sums.length; a += 1) {
    const value = point[a] as number;
    sums[a] = addExactly(sums[a] as ExactSum, value);
    for (let b = a; b < sums.length; b += 1) {
      products[at] = addProduct(products[at] as ExactSum, value, point[b] as number);
      at += 1;
    }
  }
  return moments;
}

/** Changes `into`, and not `from`. */
export function mergeMoments(into: Moments, from: Moments): Moments {
  into.count += from.count;
  for (let at = 0; at < from.sums.length; at += 1)
    into.sums[at] = mergeExactly(into.sums[at] as ExactSum, from.sums[at] as ExactSum);
  for (let at = 0; at < from.products.length; at += 1)
    into.products[at] = mergeExactly(into.products[at] as ExactSum, from.products[at] as ExactSum);
  return into;
}

/**
 * n^2 times the covariance of two variables over all n points, exactly: n Σab - Σa Σb. Of a variable and itself it is n^2 times its
 * variance, and 0 only when all its values are the same.
 */
export function centredProduct({ count, sums, products }: Moments, a: number, b: number): Binary {
  const product = binaryOfSum(products[placeOf(Math.min(a, b), Math.max(a, b), sums.length)] as ExactSum);
  return minus(times(binaryOf([count]), product), times(sumOf(sums, a), sumOf(sums, b)));
}

export function sumOf(sums: readonly ExactSum[], variable: number): Binary {
  return binaryOfSum(sums[variable] as ExactSum);
}

export function encodeMoments({ count, sums, products }: Moments): Json {
  return [count, ...sums.map(encodeExactSum), ...products.map(encodeExactSum)];
}

export function decodeMoments(kind: string, variables: number, encoded: Json): Moments {
  const [count, ...rest] = Array.isArray(encoded) ? (encoded as readonly Json[]) : [];
  if (!isCount(count) || rest.length !== variables + productsOf(variables))
    throw unreadable(kind, `a count, ${variables} sums and ${productsOf(variables)} sums of products`, encoded);
  const decoded = rest.map(decodeExactSum);
  if (count === 0 && decoded.some((sum) => sum !== 0))
    throw unreadable(kind, 'of sums of 0 when it counts nothing', encoded);
  const moments = { count, sums: decoded.slice(0, variables), products: decoded.slice(variables) };
  for (let variable = 0; variable < variables; variable += 1)
    if (centredProduct(moments, variable, variable).mantissa < 0n)
      throw unreadable(kind, 'of sums of squares that real numbers have', encoded);
  return moments;
}

function productsOf(variables: number): number {
  return (variables * (variables + 1)) / 2;
}

function placeOf(a: number, b: number, variables: number): number {
  return a * variables - (a * (a - 1)) / 2 + (b - a);
}

/** 2^27 + 1, which cuts a number into two halves of at most 26 bits each. */
const splitter = 134_217_729;
const wholeMax = 2 ** 53;

/**
 * Adds the exact product of two numbers: the nearest number and what it is off by, which is a number too (T. J. Dekker, A floating-point
 * technique for extending the available precision, 1971). Nothing over- or underflows between the magnitudes above.
 */
export function addProduct(sum: ExactSum, a: number, b: number): ExactSum {
  const product = a * b;
  if (product <= wholeMax && product >= -wholeMax && Number.isInteger(a) && Number.isInteger(b))
    return addExactly(sum, product);
  const [highA, lowA] = split(a);
  const [highB, lowB] = split(b);
  const error = lowA * lowB - (product - highA * highB - lowA * highB - highA * lowB);
  return error === 0 ? addExactly(sum, product) : addExactly(addExactly(sum, error), product);
}

function split(value: number): readonly [high: number, low: number] {
  const scaled = splitter * value;
  const high = scaled - (scaled - value);
  return [high, value - high];
}
