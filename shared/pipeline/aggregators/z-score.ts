import type { Aggregator, Json } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { binaryOf, minus, roundRoot, times } from './exact-ratio.ts';
import { binaryOfSum, type ExactSum } from './exact-sum.ts';
import {
  addPoint,
  createMoments,
  decodeMoments,
  encodeMoments,
  type Moments,
  mergeMoments,
  momentOf,
  refuseMoment,
} from './moments.ts';
import { unreadable } from './numeric.ts';

type TimedValue = readonly [timeMs: number, value: number];

/** The moments of all values, and the latest one. */
interface Past {
  readonly moments: Moments;
  latest: TimedValue | undefined;
}

/**
 * How far the key's latest value lies from what it was before: `zScore((r) => r.latencyMs)` is the value's distance from the mean of the
 * key's other values in the window, in their standard deviations (of a sample). Beyond 3 either way it is usually called an anomaly. Null
 * while there are fewer than two others, or while they are all the same.
 *
 * The past is the window's: a sliding window of a day that slides by a minute holds each minute against its day. The latest value is that
 * of the greatest event time, at one time the greatest value. The result is calculated exactly and rounded twice, before and after a
 * square root, so it is off by at most one unit in the last place, whatever the order of arrival; the limits of values are those of
 * `variance`. To judge every record see `anomalies`.
 */
export function zScore<In>(
  of: (record: In, timeMs: number) => number,
): Aggregator<In, TimedValue, Past, number | null> {
  return {
    kind: 'z-score',
    gives: 'number',
    config: {},
    select: readingThrough((record, timeMs) => [timeMs, momentOf(of(record, timeMs))], [of]),
    refuse: ([, value]) => refuseMoment(value),
    create: () => ({ moments: createMoments(1), latest: undefined }),
    add: (past, value) => {
      addPoint(past.moments, value[1]);
      past.latest = laterOf(past.latest, value);
      return past;
    },
    merge: (into, from) => {
      mergeMoments(into.moments, from.moments);
      into.latest = laterOf(into.latest, from.latest);
      return into;
    },
    result: ({ moments, latest }) => (latest === undefined ? null : scoreOf(moments, latest[1])),
    encode: ({ moments, latest }) => [encodeMoments(moments), latest ?? null],
    decode,
  };
}

function laterOf(a: TimedValue | undefined, b: TimedValue | undefined): TimedValue | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b[0] - a[0] > 0 || (b[0] === a[0] && b[1] > a[1]) ? b : a;
}

/** With n others, their sum s and n^2 times their variance c, z^2 is (nv - s)^2 (n - 1) / (n c). */
function scoreOf({ count, sums, products }: Moments, value: number): number | null {
  const n = binaryOf([count - 1]);
  const latest = binaryOf([value]);
  const sum = minus(binaryOfSum(sums[0] as ExactSum), latest);
  const squares = minus(binaryOfSum(products[0] as ExactSum), times(latest, latest));
  const centred = minus(times(n, squares), times(sum, sum));
  if (count < 3 || centred.mantissa === 0n) return null;
  const distance = minus(times(n, latest), sum);
  const square = times(times(distance, distance), binaryOf([count - 2]));
  const magnitude = roundRoot(square, times(n, centred));
  return distance.mantissa < 0n ? -magnitude : magnitude;
}

function decode(encoded: Json): Past {
  const [moments, latest, ...rest] = Array.isArray(encoded) ? (encoded as readonly Json[]) : [];
  const expected = 'the moments of the values, and null or the latest [timeMs, value]';
  if (moments === undefined || rest.length > 0) throw unreadable('z-score', expected, encoded);
  const decoded = decodeMoments('z-score', 1, moments);
  if (latest === null && decoded.count === 0) return { moments: decoded, latest: undefined };
  const [timeMs, value, ...more] = Array.isArray(latest) ? (latest as readonly Json[]) : [];
  const isLatest = Number.isSafeInteger(timeMs) && refuseMoment(value) === undefined && more.length === 0;
  if (!isLatest || decoded.count === 0) throw unreadable('z-score', expected, encoded);
  return { moments: decoded, latest: [(timeMs as number) + 0, momentOf(value as number) + 0] };
}
