import { MillraceError } from '#shared/schemas/error.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { Duration } from './duration.ts';
import { checkOneOf, given, givenOptions } from './refuse.ts';

/** Windows of one size, side by side: each record is in exactly one. Aligned to the epoch; [start, end). */
export interface TumblingWindow {
  readonly kind: 'tumbling';
  readonly sizeMs: number;
}

/** Windows of one size that begin every `slideMs` and overlap (hopping windows). Aligned to the epoch; [start, end). */
export interface SlidingWindow {
  readonly kind: 'sliding';
  readonly sizeMs: number;
  readonly slideMs: number;
}

/** A key's records with less than or exactly `gapMs` between neighbours. Ends `gapMs` after its last record. */
export interface SessionWindow {
  readonly kind: 'session';
  readonly gapMs: number;
  /** A record so long after the session's first, or longer, begins the next one, however short the gap. */
  readonly maxLengthMs?: number;
}

/** Every `count` records of a key, in the order of their event times. From the first one's time to just behind the last one's. */
export interface CountWindow {
  readonly kind: 'count';
  readonly count: number;
  /** What becomes of records that are fewer when no more come. */
  readonly incomplete: 'drop' | 'emit';
  /** After so long without a record of the key no more of them are waited for; without it, until the stream is over. */
  readonly ttlMs?: number;
}

/** All records of a key, without bounds: one row, which changes for ever. */
export interface GlobalWindow {
  readonly kind: 'global';
  /** Shows the row after so many records of the key, in the order of their event times. */
  readonly everyRecords?: number;
  /** Shows the row when event time has passed a multiple of this, if it has changed. */
  readonly everyMs?: number;
  /** Shows the row so long after rows were shown last, by the clock, if it has changed. */
  readonly everyArrivalMs?: number;
  /** After so long without a record of the key it begins anew; without it, never. */
  readonly ttlMs?: number;
}

/** Windows of a key whose records are taken in the order of their event times. */
export type OrderedWindow = CountWindow | GlobalWindow | (SessionWindow & { readonly maxLengthMs: number });

/**
 * Windows that begin together and end one after the other: [start, start + step), [start, start + 2 steps), … up to the whole size, which is
 * where the next ones begin (Flink's CUMULATE). A record is in all that have not ended before it. Aligned to the epoch; [start, end).
 */
export interface CumulativeWindow {
  readonly kind: 'cumulative';
  readonly sizeMs: number;
  readonly stepMs: number;
}

export type CalendarUnit = 'day' | 'week' | 'month';
export type WeekStart = 'monday' | 'sunday';

/** Days, weeks or months of a place, side by side, as long as they are there: a day may have 23 or 25 hours. [start, end). */
export interface CalendarWindow {
  readonly kind: 'calendar';
  readonly unit: CalendarUnit;
  /** An IANA name. */
  readonly timeZone: string;
  /** Of weeks only. */
  readonly weekStart?: WeekStart;
}

/** Windows whose bounds all keys share. */
export type AlignedWindow = TumblingWindow | SlidingWindow | CumulativeWindow | CalendarWindow;

export type WindowSpec = AlignedWindow | SessionWindow | CountWindow | GlobalWindow;

export const windowKinds: readonly WindowSpec['kind'][] = [
  'tumbling',
  'sliding',
  'cumulative',
  'calendar',
  'session',
  'count',
  'global',
];

/** Whether all keys share the bounds of the windows. */
export function isAligned(window: WindowSpec): window is AlignedWindow {
  return ['tumbling', 'sliding', 'cumulative', 'calendar'].includes(window.kind);
}

/** Whether the records of a key must be taken in the order of their event times. */
export function isOrdered(window: WindowSpec): window is OrderedWindow {
  return (
    window.kind === 'count' ||
    window.kind === 'global' ||
    (window.kind === 'session' && window.maxLengthMs !== undefined)
  );
}

/** How often a window shows what it has so far, before its final row. */
export interface EarlyRows {
  readonly everyMs: number;
  /** Whose time it is: the watermark's, or the clock's by which records arrive. */
  readonly time: 'event' | 'arrival';
}

/** `tumbling(minutes(5))`: [00:00, 00:05), [00:05, 00:10), … */
export function tumbling(size: Duration): TumblingWindow {
  return { kind: 'tumbling', sizeMs: size };
}

/**
 * The window of groups that have none: one that holds every time, those before 1970 too, and closes when the streams are over. Its size, and
 * that of no other, tells that it is meant (docs/decisions/0026).
 */
export const allTime: TumblingWindow = { kind: 'tumbling', sizeMs: endOfStreamMs };

export function isAllTime(window: TumblingWindow): boolean {
  return window.sizeMs === allTime.sizeMs;
}

/** `sliding(minutes(5), { every: minutes(1) })`: [00:00, 00:05), [00:01, 00:06), … */
export function sliding(size: Duration, options: { readonly every: Duration }): SlidingWindow {
  return {
    kind: 'sliding',
    sizeMs: size,
    slideMs: givenOptions('sliding', options, ['every'], '{ every: minutes(1) }').every,
  };
}

/** `cumulative(hours(24), { step: hours(1) })`: [00:00, 01:00), [00:00, 02:00), … [00:00, 24:00), and anew: today so far, every hour. */
export function cumulative(size: Duration, options: { readonly step: Duration }): CumulativeWindow {
  return {
    kind: 'cumulative',
    sizeMs: size,
    stepMs: givenOptions('cumulative', options, ['step'], '{ step: minutes(1) }').step,
  };
}

/**
 * `calendar('day', { timeZone: 'Europe/Berlin' })`: from local midnight to local midnight, which is 23 or 25 hours where clocks are changed. A
 * day that begins without a midnight begins with its first moment; one that a place has skipped is no window. Weeks begin on Monday.
 */
export function calendar<const Unit extends CalendarUnit>(
  unit: Unit,
  options: { readonly timeZone: string } & (Unit extends 'week' ? { readonly weekStart?: WeekStart } : unknown),
): CalendarWindow {
  const { timeZone, weekStart }: { readonly timeZone: string; readonly weekStart?: WeekStart } = givenOptions(
    'calendar',
    options as { readonly timeZone: string; readonly weekStart?: WeekStart },
    unit === 'week' ? ['timeZone', 'weekStart'] : ['timeZone'],
    "{ timeZone: 'Europe/Berlin' }",
  );
  // The default is written too: what a window means stands in the plan.
  return { kind: 'calendar', unit, timeZone, ...(unit === 'week' ? { weekStart: weekStart ?? 'monday' } : {}) };
}

/**
 * `session({ gap: minutes(30) })`: a visit ends after half an hour of silence. With `maxLength: hours(4)` also four hours after its first
 * record, when the next record begins another one. Where a session is cut depends on where it began, so its records are then taken in the
 * order of event time, and one that is further behind the watermark than the allowed lateness is late.
 */
export function session(options: { readonly gap: Duration; readonly maxLength?: Duration }): SessionWindow {
  const { gap, maxLength } = givenOptions('session', options, ['gap', 'maxLength'], '{ gap: minutes(30) }');
  return { kind: 'session', gapMs: gap, ...(maxLength === undefined ? {} : { maxLengthMs: maxLength }) };
}

/**
 * `countWindow(100)`: every hundred records of a key, in the order of event time. The last ones, while they are fewer, give no row; with
 * `incomplete: 'emit'` they give one when `ttl` has passed without another record of the key, or the stream is over.
 */
export function countWindow(
  count: number,
  options: { readonly incomplete?: 'drop' | 'emit'; readonly ttl?: Duration } = {},
): CountWindow {
  const { incomplete = 'drop', ttl } = givenOptions(
    'countWindow',
    options,
    ['incomplete', 'ttl'],
    "{ incomplete: 'emit' }",
  );
  return { kind: 'count', count, incomplete, ...(ttl === undefined ? {} : { ttlMs: ttl }) };
}

/** When the row of a global window is shown. */
export interface Trigger {
  readonly everyRecords?: number;
  readonly everyMs?: number;
  readonly everyArrivalMs?: number;
}

/** Shows a row after every `count` records of its key. */
export function everyRecords(count: number): Trigger {
  return { everyRecords: count };
}

/**
 * Shows a row that has changed whenever event time has passed a multiple of `duration`, which is the default, or, by `arrival`, `duration` after
 * rows were shown last, by the clock.
 */
export function everyTime(duration: Duration, options: { readonly time?: EarlyRows['time'] } = {}): Trigger {
  const { time = 'event' } = givenOptions('everyTime', options, ['time'], "{ time: 'arrival' }");
  checkOneOf('everyTime:', 'time', time, ['event', 'arrival']);
  return time === 'event' ? { everyMs: duration } : { everyArrivalMs: duration };
}

/**
 * `global({ trigger: everyRecords(100) })`: one row for each key, of all its records so far; `trigger: [everyRecords(100), everyTime(minutes(1))]`
 * shows it on both occasions. The row is final only when the stream is over. With `ttl` a key begins anew after so long without a record.
 */
export function global(options: {
  readonly trigger: Trigger | readonly [Trigger, Trigger, Trigger?];
  readonly ttl?: Duration;
}): GlobalWindow {
  const { trigger = [], ttl } = givenOptions('global', options, ['trigger', 'ttl'], '{ trigger: everyRecords(100) }');
  const such = 'everyRecords(100), or a list of several';
  const triggers = [given('global', 'trigger', trigger, such)].flat() as readonly Trigger[];
  const kinds = triggers.flatMap((one) => Object.keys(given('global', 'trigger', one, such)));
  const twice = kinds.find((kind, at) => kinds.indexOf(kind) < at);
  if (twice !== undefined)
    throw new MillraceError(
      'PIPELINE_INVALID',
      `a global window has two triggers of one kind (${twice}), of which one alone would count. Give one everyRecords(n), one everyTime(duration), one everyTime(duration, { time: 'arrival' }), or several of these.`,
    );
  return { kind: 'global', ...Object.assign({}, ...triggers), ...(ttl === undefined ? {} : { ttlMs: ttl }) };
}

/**
 * The length of a slice: windows begin and end at multiples of it only, so a window is a whole number of slices
 * (general stream slicing, Traub et al., EDBT 2019).
 */
export function sliceOf(window: TumblingWindow | SlidingWindow): number {
  return window.kind === 'tumbling' ? window.sizeMs : greatestCommonDivisor(window.sizeMs, window.slideMs);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
