import type { Aggregator } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { checkOneOf, givenOptions } from '../refuse.ts';
import { binaryOf, roundQuotient, roundRoot } from './exact-ratio.ts';
import {
  addPoint,
  centredProduct,
  createMoments,
  decodeMoments,
  encodeMoments,
  type Moments,
  mergeMoments,
  momentOf,
  refuseMoment,
} from './moments.ts';

/** Of which values the spread is asked for. */
export interface SpreadOptions {
  /** Whether the values are all there are (divided by n). Otherwise they are a sample of others (divided by n - 1), which is the default. */
  readonly population?: boolean;
}

/**
 * The variance: `variance((r) => r.latencyMs)`, of a sample, or with `{ population: true }` of all there is. Null of a sample of fewer
 * than two values.
 *
 * It is the number nearest to the exact variance, whatever the order of the values. Values lie within 1e145 either side of 0; one nearer
 * to 0 than 1e-144 counts as 0. State is a count and two exact sums.
 */
export function variance<In>(
  of: (record: In, timeMs: number) => number,
  options: SpreadOptions = {},
): Aggregator<In, number, Moments, number | null> {
  return spread('variance', of, options, roundQuotient);
}

/**
 * The standard deviation: `stddev((r) => r.latencyMs)`. The square root of the variance, with the options and the limits of `variance`,
 * off by at most one unit in the last place.
 */
export function stddev<In>(
  of: (record: In, timeMs: number) => number,
  options: SpreadOptions = {},
): Aggregator<In, number, Moments, number | null> {
  return spread('stddev', of, options, roundRoot);
}

function spread<In>(
  kind: string,
  of: (record: In, timeMs: number) => number,
  options: SpreadOptions,
  round: typeof roundQuotient,
): Aggregator<In, number, Moments, number | null> {
  const { population = false } = givenOptions(kind, options, ['population'], '{ population: true }');
  checkOneOf(`${kind}:`, 'population', population, [true, false]);
  return {
    kind,
    gives: 'number',
    config: { population },
    select: readingThrough((record, timeMs) => momentOf(of(record, timeMs)), [of]),
    refuse: refuseMoment,
    create: () => createMoments(1),
    add: addPoint,
    merge: mergeMoments,
    result: (moments) => covarianceOf(moments, [0, 0], { population, round }),
    encode: encodeMoments,
    decode: (encoded) => decodeMoments(kind, 1, encoded),
  };
}

/** The covariance of two variables, of one and itself its variance, as `round` shows the quotient; null where there are too few points for one. */
export function covarianceOf(
  moments: Moments,
  of: readonly [a: number, b: number],
  { population, round }: { readonly population: boolean; readonly round: typeof roundQuotient },
): number | null {
  const { count } = moments;
  const divisor = population ? count : count - 1;
  if (divisor <= 0) return null;
  return round(centredProduct(moments, ...of), binaryOf([count * divisor]));
}
