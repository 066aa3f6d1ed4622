import { MillraceError } from '#shared/schemas/error.ts';
import type { Duration } from './duration.ts';
import type { ProcessOptions } from './process.ts';
import { checkDuration, givenOptions, shown } from './refuse.ts';

export interface AnomalyOptions {
  /** How many standard deviations from the mean are shown. Default 3. */
  readonly threshold?: number;
  /** How many records of the key have to have come before one is judged. Default 30. */
  readonly recordsMin?: number;
  /** A record that is so much older than another counts half as much. Without it all records of the past count the same. */
  readonly halfLife?: Duration;
  /** A key's past is forgotten when no record of it came for so long in event time. */
  readonly ttl: Duration;
  /** How long, behind the watermark, records are waited for before they are judged in their order. */
  readonly allowedLateness: Duration;
}

/** What is known of a key's past: the mean and the sum of squares around it, of records that count less the older they are. */
interface Past {
  readonly records: number;
  readonly weight: number;
  readonly mean: number;
  readonly squares: number;
  readonly lastMs: number;
}

const thresholdDefault = 3;
const recordsMinDefault = 30;

/**
 * A function for `process`: each record that lies far from the key's own past, `.process('odd', anomalies((r) => r.bytes, { ttl: days(1),
 * allowedLateness: seconds(0) }))`. A row has `value`, the `mean` and the `stddev` (of all there is) of what came before it, and `z`, how
 * many of these it lies from the mean; null where the past never varied.
 *
 * The past is every record of the key that is earlier in event time, for as long as the state lives, also those that were shown. A key's
 * records are taken in the order of event time, so the rows do not depend on the order of arrival. Mean and squares are updated as by
 * B. P. Welford (1962), decayed by T. Finch (Incremental calculation of weighted mean and variance, 2009), and round at each record.
 */
export function anomalies<In>(
  of: (record: In) => number,
  options: AnomalyOptions,
): ProcessOptions<In, unknown, { readonly value: (record: In) => number }, Past, typeof emitted> {
  const {
    threshold = thresholdDefault,
    recordsMin = recordsMinDefault,
    halfLife,
    ttl,
    allowedLateness,
  } = givenOptions(
    'anomalies',
    options,
    ['threshold', 'recordsMin', 'halfLife', 'ttl', 'allowedLateness'],
    '{ ttl: days(1), allowedLateness: seconds(0) }',
  );
  check('threshold', threshold, threshold > 0 && Number.isFinite(threshold), 'a number above 0');
  check('recordsMin', recordsMin, Number.isInteger(recordsMin) && recordsMin >= 1, 'a whole number above 0');
  if (halfLife !== undefined) checkDuration('anomalies:', 'halfLife', halfLife, 1);
  return {
    columns: { value: of },
    emits: emitted,
    state: () => nothing,
    onEvent: ({ value }, { state, timeMs, emit }) => {
      const past = decayed(state.get(), timeMs, halfLife);
      if (past.records >= recordsMin) {
        const stddev = Math.sqrt(past.squares / past.weight);
        const distance = value - past.mean;
        if (Math.abs(distance) > threshold * stddev)
          emit({ mean: past.mean, stddev, value, z: stddev === 0 ? null : distance / stddev });
      }
      state.set(withValue(past, value));
    },
    ttl,
    allowedLateness,
  };
}

const emitted = { mean: 'number', stddev: 'number', value: 'number', z: 'number?' } as const;
const nothing: Past = { records: 0, weight: 0, mean: 0, squares: 0, lastMs: 0 };

function decayed(past: Past, timeMs: number, halfLifeMs: number | undefined): Past {
  if (halfLifeMs === undefined || past.records === 0) return { ...past, lastMs: timeMs };
  const factor = 2 ** ((past.lastMs - timeMs) / halfLifeMs);
  return { ...past, weight: past.weight * factor, squares: past.squares * factor, lastMs: timeMs };
}

function withValue(past: Past, value: number): Past {
  const weight = past.weight + 1;
  const mean = past.mean + (value - past.mean) / weight;
  const squares = past.squares + (value - past.mean) * (value - mean);
  return { records: past.records + 1, weight, mean, squares, lastMs: past.lastMs };
}

function check(name: string, value: number | undefined, isRight: boolean, expected: string): void {
  if (isRight) return;
  throw new MillraceError('PIPELINE_INVALID', `anomalies: ${name} is ${shown(value)}; it must be ${expected}.`);
}
