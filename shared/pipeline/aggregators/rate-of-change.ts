import { MillraceError } from '#shared/schemas/error.ts';
import type { Aggregator, Json } from '../aggregator.ts';
import { type Duration, seconds } from '../duration.ts';
import { readingThrough } from '../reads.ts';
import { givenOptions } from '../refuse.ts';
import { plainNumber, refuseNumber, unreadable } from './numeric.ts';

type TimedValue = readonly [timeMs: number, value: number];
/** The earliest and the latest value. */
type Ends = undefined | readonly [first: TimedValue, last: TimedValue];

/**
 * How fast a value changes, per second or per another time: `rateOfChange((r) => r.level, { per: minutes(1) })` is the difference of the
 * last value and the first one, divided by the time between them. Null while all values have one event time.
 *
 * Of several values at the first time it is the least, at the last time the greatest, so it does not depend on the order of arrival. The
 * difference, the quotient and the product are each rounded, so it is off by at most 3 parts in 2^53. For what lies between the first and
 * the last value see `linearRegression`.
 */
export function rateOfChange<In>(
  of: (record: In, timeMs: number) => number,
  options: { readonly per?: Duration } = {},
): Aggregator<In, TimedValue, Ends, number | null> {
  const { per = seconds(1) } = givenOptions('rateOfChange', options, ['per'], '{ per: minutes(1) }');
  if (!(Number.isSafeInteger(per) && per > 0))
    throw new MillraceError('PIPELINE_INVALID', `rateOfChange: per is ${per} ms; it must be a whole number above 0.`);
  return {
    kind: 'rate-of-change',
    gives: 'number',
    config: { perMs: per },
    select: readingThrough((record, timeMs) => [timeMs, plainNumber(of(record, timeMs))], [of]),
    refuse: ([, value]) => refuseNumber(value),
    create: () => undefined,
    add: (ends, value) => mergeEnds(ends, [value, value]),
    merge: mergeEnds,
    result: (ends) => {
      if (ends === undefined) return null;
      const [[firstMs, first], [lastMs, last]] = ends;
      const change = ((last - first) / (lastMs - firstMs)) * per;
      return Number.isFinite(change) ? change : null;
    },
    encode: (ends) => ends ?? null,
    decode,
  };
}

function mergeEnds(into: Ends, from: Ends): Ends {
  if (into === undefined || from === undefined) return into ?? from;
  const first = compareTimed(from[0], into[0]) < 0 ? from[0] : into[0];
  const last = compareTimed(from[1], into[1]) > 0 ? from[1] : into[1];
  return first === into[0] && last === into[1] ? into : [first, last];
}

function compareTimed(a: TimedValue, b: TimedValue): number {
  return a[0] - b[0] || a[1] - b[1];
}

function decode(encoded: Json): Ends {
  if (encoded === null) return undefined;
  const [first, last, ...rest] = Array.isArray(encoded) ? (encoded as readonly Json[]) : [];
  if (!isTimed(first) || !isTimed(last) || rest.length > 0 || compareTimed(first, last) > 0)
    throw unreadable('rate-of-change', 'null or the first and the last [timeMs, value]', encoded);
  return [
    [first[0] + 0, first[1] + 0],
    [last[0] + 0, last[1] + 0],
  ];
}

function isTimed(entry: Json | undefined): entry is TimedValue {
  return Array.isArray(entry) && entry.length === 2 && Number.isSafeInteger(entry[0]) && Number.isFinite(entry[1]);
}
