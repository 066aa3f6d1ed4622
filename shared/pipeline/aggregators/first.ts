import type { Aggregator, Json } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { chosen, compareByTime, offerOf } from './chosen.ts';

/**
 * The value of the earliest record, by event time: `first((r) => r.page)`. Any JSON of at most `keptCharactersMax` characters.
 *
 * Exact: of several records at that time it is the least value (numbers by size, then texts, then the rest by their JSON), so it does
 * not depend on the order of arrival.
 */
export function first<In, Value extends Json>(
  of: (record: In, timeMs: number) => Value,
): Aggregator<In, readonly [Json, number, Json], readonly [Json, number, Json] | undefined, Value> {
  return chosen({
    kind: 'first',
    select: readingThrough((record, timeMs) => offerOf(0, timeMs, of(record, timeMs)), [of]),
    compare: compareByTime,
  });
}
