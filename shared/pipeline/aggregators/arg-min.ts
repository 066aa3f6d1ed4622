import type { Aggregator, Json } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { givenOptions } from '../refuse.ts';
import { chosen, compareByRank, offerOf } from './chosen.ts';

/**
 * The value of the record with the least `by`: `argMin((r) => r.seller, { by: (r) => r.price })` is who sold for the least. `by` gives
 * numbers, or texts, which come after all numbers.
 *
 * Exact: of several records with that `by` it is the value of the earliest one in event time, at one time the least value. So it does not
 * depend on the order of arrival.
 */
export function argMin<In, Value extends Json>(
  of: (record: In, timeMs: number) => Value,
  options: { readonly by: (record: In, timeMs: number) => number | string },
): Aggregator<In, readonly [Json, number, Json], readonly [Json, number, Json] | undefined, Value> {
  const { by } = givenOptions('argMin', options, ['by'], '{ by: (record) => record.price }');
  return chosen({
    kind: 'arg-min',
    select: readingThrough((record, timeMs) => offerOf(by(record, timeMs), timeMs, of(record, timeMs)), [by, of]),
    compare: compareByRank,
  });
}
