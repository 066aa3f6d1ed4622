import type { Aggregator, Json } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { givenOptions } from '../refuse.ts';
import { chosen, compareByTime, offerOf } from './chosen.ts';
import { compareJson } from './json-order.ts';

/**
 * The value of the record with the greatest `by`: `argMax((r) => r.bidder, { by: (r) => r.price })` is who bid the most. `by` gives
 * numbers, or texts, which come after all numbers.
 *
 * Exact: of several records with that `by` it is the value of the earliest one in event time, at one time the least value. So it does not
 * depend on the order of arrival.
 */
export function argMax<In, Value extends Json>(
  of: (record: In, timeMs: number) => Value,
  options: { readonly by: (record: In, timeMs: number) => number | string },
): Aggregator<In, readonly [Json, number, Json], readonly [Json, number, Json] | undefined, Value> {
  const { by } = givenOptions('argMax', options, ['by'], '{ by: (record) => record.price }');
  return chosen({
    kind: 'arg-max',
    select: readingThrough((record, timeMs) => offerOf(by(record, timeMs), timeMs, of(record, timeMs)), [by, of]),
    compare: (a, b) => compareJson(b[0], a[0]) || compareByTime(a, b),
  });
}
