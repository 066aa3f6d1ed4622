import type { Aggregator } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { checkOneOf, givenOptions } from '../refuse.ts';
import { roundQuotient, roundRoot, times } from './exact-ratio.ts';
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
import { covarianceOf, type SpreadOptions } from './variance.ts';

type Variable<In> = (record: In, timeMs: number) => number;
type PairAggregator<In> = Aggregator<In, readonly number[], Moments, number | null>;

/**
 * The covariance of two variables: `covariance((r) => r.bytes, (r) => r.latencyMs)`, of a sample, or with `{ population: true }` of all
 * there is. Null of a sample of fewer than two records.
 *
 * It is the number nearest to the exact covariance, whatever the order of the records, within the limits of `variance`.
 */
export function covariance<In>(x: Variable<In>, y: Variable<In>, options: SpreadOptions = {}): PairAggregator<In> {
  const { population = false } = givenOptions('covariance', options, ['population'], '{ population: true }');
  checkOneOf('covariance:', 'population', population, [true, false]);
  return pair('covariance', { population }, x, y, (moments) =>
    covarianceOf(moments, [0, 1], { population, round: roundQuotient }),
  );
}

/**
 * The correlation of two variables (Pearson's), from -1 to 1: `correlation((r) => r.bytes, (r) => r.latencyMs)`. Null when one of them
 * never changes.
 *
 * It is calculated exactly and rounded twice, before and after the square root, so it is off by at most one unit in the last place,
 * whatever the order of the records, and never beyond 1. The limits are those of `variance`.
 */
export function correlation<In>(x: Variable<In>, y: Variable<In>): PairAggregator<In> {
  return pair('correlation', {}, x, y, (moments) => {
    const xx = centredProduct(moments, 0, 0);
    const yy = centredProduct(moments, 1, 1);
    if (xx.mantissa === 0n || yy.mantissa === 0n) return null;
    const xy = centredProduct(moments, 0, 1);
    const magnitude = roundRoot(times(xy, xy), times(xx, yy));
    return xy.mantissa < 0n ? -magnitude : magnitude;
  });
}

function pair<In>(
  kind: string,
  config: { readonly population?: boolean },
  x: Variable<In>,
  y: Variable<In>,
  result: (moments: Moments) => number | null,
): PairAggregator<In> {
  return {
    kind,
    gives: 'number',
    config: { ...config },
    select: readingThrough((record, timeMs) => [momentOf(x(record, timeMs)), momentOf(y(record, timeMs))], [x, y]),
    refuse: ([first, second]) => refuseMoment(first) ?? refuseMoment(second),
    create: () => createMoments(2),
    add: addPoint,
    merge: mergeMoments,
    result,
    encode: encodeMoments,
    decode: (encoded) => decodeMoments(kind, 2, encoded),
  };
}
