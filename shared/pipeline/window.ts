import type { Duration } from './duration.ts';

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
}

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

export type WindowSpec = AlignedWindow | SessionWindow;

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

/** `sliding(minutes(5), { every: minutes(1) })`: [00:00, 00:05), [00:01, 00:06), … */
export function sliding(size: Duration, options: { readonly every: Duration }): SlidingWindow {
  return { kind: 'sliding', sizeMs: size, slideMs: options.every };
}

/** `cumulative(hours(24), { step: hours(1) })`: [00:00, 01:00), [00:00, 02:00), … [00:00, 24:00), and anew: today so far, every hour. */
export function cumulative(size: Duration, options: { readonly step: Duration }): CumulativeWindow {
  return { kind: 'cumulative', sizeMs: size, stepMs: options.step };
}

/**
 * `calendar('day', { timeZone: 'Europe/Berlin' })`: from local midnight to local midnight, which is 23 or 25 hours where clocks are changed. A
 * day that begins without a midnight begins with its first moment; one that a place has skipped is no window. Weeks begin on Monday.
 */
export function calendar<const Unit extends CalendarUnit>(
  unit: Unit,
  options: { readonly timeZone: string } & (Unit extends 'week' ? { readonly weekStart?: WeekStart } : unknown),
): CalendarWindow {
  const { timeZone, weekStart } = options as { readonly timeZone: string; readonly weekStart?: WeekStart };
  // The default is written too: what a window means stands in the plan.
  return { kind: 'calendar', unit, timeZone, ...(unit === 'week' ? { weekStart: weekStart ?? 'monday' } : {}) };
}

/** `session({ gap: minutes(30) })`: a visit ends after half an hour of silence. */
export function session(options: { readonly gap: Duration }): SessionWindow {
  return { kind: 'session', gapMs: options.gap };
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
