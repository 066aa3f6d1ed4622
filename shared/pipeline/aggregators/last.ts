import type { Aggregator, Json } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { chosen, compareByTime, offerOf } from './chosen.ts';

/**
 * The value of the latest record, by event time: `last((r) => r.status)`. Any JSON of at most `keptCharactersMax` characters.
 *
 * Exact: of several records at that time it is the greatest value (numbers by size, then texts, then the rest by their JSON), so it does
 * not depend on the order of arrival.
 */
export function last<In, Value extends Json>(
  of: (record: In, timeMs: number) => Value,
): Aggregator<In, readonly [Json, number, Json], readonly [Json, number, Json] | undefined, Value> {
  return chosen({
    kind: 'last',
    select: readingThrough((record, timeMs) => offerOf(0, timeMs, of(record, timeMs)), [of]),
    compare: (a, b) => compareByTime(b, a),
  });
}
