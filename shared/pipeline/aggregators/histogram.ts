import { MillraceError } from '#shared/schemas/error.ts';
import type { Aggregator, Json } from '../aggregator.ts';
import { givenList, givenOptions, shown } from '../refuse.ts';
import { isCount, refuseNumber, unreadable } from './numeric.ts';

const histogramBoundsMax = 200;

/**
 * How many values lie between fixed bounds: `histogram((r) => r.latencyMs, { bounds: [10, 100, 1_000] })` gives four counts, of the
 * values below 10, from 10 to below 100, from 100 to below 1,000, and of 1,000 and above. Exact. There are at most `histogramBoundsMax`
 * bounds; with others it is another state.
 */
export function histogram<In>(
  of: (record: In, timeMs: number) => number,
  options: { readonly bounds: readonly number[] },
): Aggregator<In, number, number[], readonly number[]> {
  const { bounds } = givenOptions('histogram', options, ['bounds'], '{ bounds: [10, 100] }');
  checkBounds(givenList('histogram', 'bounds', bounds, 'a list of numbers, such as [10, 100]'));
  const buckets = bounds.length + 1;
  return {
    kind: 'histogram',
    gives: 'json',
    config: { bounds: bounds.map((bound) => bound + 0) },
    select: of,
    refuse: refuseNumber,
    create: () => new Array<number>(buckets).fill(0),
    add: (counts, value) => {
      const bucket = bucketOf(bounds, value);
      counts[bucket] = (counts[bucket] as number) + 1;
      return counts;
    },
    merge: (into, from) => {
      for (let bucket = 0; bucket < buckets; bucket += 1)
        into[bucket] = (into[bucket] as number) + (from[bucket] as number);
      return into;
    },
    result: (counts) => [...counts],
    encode: (counts) => [...counts],
    decode: (encoded) => {
      if (!isCounts(encoded) || encoded.length !== buckets) throw unreadable('histogram', `${buckets} counts`, encoded);
      return [...encoded];
    },
  };
}

function checkBounds(bounds: readonly number[]): void {
  const isRising = (bound: number, index: number) =>
    Number.isFinite(bound) && (index === 0 || bound > (bounds[index - 1] as number));
  if (bounds.length > 0 && bounds.length <= histogramBoundsMax && bounds.every(isRising)) return;
  throw new MillraceError(
    'PIPELINE_INVALID',
    `histogram: bounds are ${shown(bounds)}; they must be 1 to ${histogramBoundsMax} numbers, each greater than the one before.`,
  );
}

/** How many bounds the value has reached. */
function bucketOf(bounds: readonly number[], value: number): number {
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value >= (bounds[middle] as number)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isCounts(encoded: Json): encoded is readonly number[] {
  return Array.isArray(encoded) && encoded.every(isCount);
}
