import { assert } from '#shared/schemas/error.ts';

/** The first and last milliseconds that a Date can hold: 100,000,000 days around the epoch. */
export const timeMsMin = -8.64e15;
export const timeMsMax = 8.64e15;

/**
 * A time as a text whose order is the order of times: ISO 8601 in UTC for the years 0000 to 9999, which are all that a
 * pipeline accepts. ISO's expanded years would sort wrongly (`+` and `-` stand before the digits, and years before 0 count
 * backwards), so times beyond are written in a way that only has to sort; they exist only as bounds of queries, and as
 * starts of windows around the very first and last moments.
 *
 *     year -1 -> -999999-12-31T...    year 2015 -> 2015-05-17T10:00:00.000Z    year 10000 -> ~+010000-01-01T...
 */
export function sortableTime(timeMs: number): string {
  assert(timeMs >= timeMsMin && timeMs <= timeMsMax, `${timeMs} ms is within what a date can hold`);
  const iso = new Date(timeMs).toISOString();
  if (iso.startsWith('+')) return `~${iso}`;
  if (iso.startsWith('-')) return `-${1_000_000 - Number(iso.slice(1, 7))}${iso.slice(7)}`;
  return iso;
}

/** The UTC day of a time, in the same order. */
export function sortableDay(timeMs: number): string {
  const text = sortableTime(timeMs);
  return text.slice(0, text.indexOf('T'));
}
