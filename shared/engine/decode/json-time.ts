import { isDay } from '#shared/pipeline/decoders/line-text.ts';
import { dayMs, daysOf } from '#shared/schemas/time.ts';
import type { ScanCursor } from './json-values.ts';

//  2026-11-21T10:00:00.123Z"
//  0    5  8  11 14 17 20

/**
 * Milliseconds since 1970 of a time in UTC, with milliseconds or without, behind its quote and up to the quote that ends it. NaN for one
 * that is written otherwise.
 */
export function scanTime(bytes: Uint8Array, start: number, cursor: ScanCursor): number {
  const year = twoDigits(bytes, start) * 100 + twoDigits(bytes, start + 2);
  const month = twoDigits(bytes, start + 5) - 1;
  const day = twoDigits(bytes, start + 8);
  const hour = twoDigits(bytes, start + 11);
  const minute = twoDigits(bytes, start + 14);
  const second = twoDigits(bytes, start + 17);
  if (
    bytes[start + 4] !== hyphen ||
    bytes[start + 7] !== hyphen ||
    bytes[start + 10] !== 0x54 ||
    bytes[start + 13] !== colon ||
    bytes[start + 16] !== colon ||
    !(hour <= 23 && minute <= 59 && second <= 59)
  )
    return Number.NaN;
  const date = startOfDay(year, month, day);
  let ms = ((hour * 60 + minute) * 60 + second) * 1_000;
  let at = start + 19;
  if (bytes[at] === point) {
    ms += twoDigits(bytes, at + 1) * 10 + oneDigit(bytes, at + 3);
    at += 4;
  }
  if (bytes[at] !== 0x5a || bytes[at + 1] !== quote) return Number.NaN;
  cursor.at = at + 2;
  return date + ms;
}

const quote = 0x22;
const hyphen = 0x2d;
const point = 0x2e;
const colon = 0x3a;
const zero = 0x30;

/** The day before was most often the same. */
const known = { year: 1970, month: 0, day: 1, ms: 0 };

function startOfDay(year: number, month: number, day: number): number {
  if (year === known.year && month === known.month && day === known.day) return known.ms;
  if (!isDay({ year, month, day })) return Number.NaN;
  known.year = year;
  known.month = month;
  known.day = day;
  known.ms = daysOf(year, month + 1, day) * dayMs;
  return known.ms;
}

function oneDigit(bytes: Uint8Array, at: number): number {
  const digit = (bytes[at] as number) - zero;
  return digit >= 0 && digit <= 9 ? digit : Number.NaN;
}

function twoDigits(bytes: Uint8Array, at: number): number {
  return oneDigit(bytes, at) * 10 + oneDigit(bytes, at + 1);
}
