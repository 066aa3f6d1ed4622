import type { Aggregator } from '../aggregator.ts';
import { givenOptions } from '../refuse.ts';
import { accuracyDefault, checkPart, type Sketch, sketchOf } from './dd-sketch.ts';

/**
 * The value below which the part `q` of the values lies: `quantile(0.99, (r) => r.latencyMs)`, off by at most `accuracy` of itself
 * (default 0.01). It is the value of rank floor(q (n - 1)), counted from 0. Of no values it is NaN, which JSON shows as null. The
 * least and the greatest value are exact, so what is asked of one value is that value, and nothing lies outside of what was seen.
 *
 * This is DDSketch (C. Masson, J. E. Rim, H. K. Lee, DDSketch: a fast and fully-mergeable quantile sketch with relative-error
 * guarantees, VLDB 2019) with one bin for each power of (1 + accuracy) / (1 - accuracy), kept only when it has values: values
 * within a factor of ten share 117 bins at most. There are never more than `quantileBinsMax(accuracy)`, 6,911 by default.
 */
export function quantile<In>(
  q: number,
  of: (record: In) => number,
  options: { readonly accuracy?: number } = {},
): Aggregator<In, number, Sketch, number> {
  const { accuracy = accuracyDefault } = givenOptions('quantile', options, ['accuracy'], '{ accuracy: 0.01 }');
  checkPart('quantile', q);
  const result = (valueAt: (part: number) => number): number => valueAt(q);
  return sketchOf({ kind: 'quantile', gives: 'number', config: { q }, select: of, accuracy, result });
}
