import { civilOf, dayMs, daysOf, toIso } from '#shared/schemas/time.ts';

// Times are milliseconds since 1970 in UTC; a date is the time at which its day begins.

/** 100,000,000 days before or after 1970, as of Date. */
export const timeMsMax = 8_640_000_000_000_000;

/** The time at which a day begins; months beyond 1 to 12 count on. */
function dayStart(year: number, month: number, day: number): number {
  const carried = year + Math.floor((month - 1) / 12);
  return daysOf(carried, ((((month - 1) % 12) + 12) % 12) + 1, day) * dayMs;
}

/** The same day and time so many months later; of a shorter month its last day. */
export function addMonths(timeMs: number, months: number): number {
  const { year, month, day, msOfDay } = civilOf(timeMs);
  const first = dayStart(year, month + months, 1);
  const next = dayStart(year, month + months + 1, 1);
  return first + Math.min(day - 1, (next - first) / dayMs - 1) * dayMs + msOfDay;
}

const timestampForm =
  /^\s*([+-]?\d{4,6})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|UTC|[+-]\d{2}(?::?\d{2})?)?\s*$/i;

/** The time that a text names, `2026-11-21 09:30:00.125` or ISO 8601, without a zone in UTC; undefined for any other text. */
export function parseTimestamp(text: string): number | undefined {
  const found = timestampForm.exec(text);
  if (found === null) return undefined;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone = 'Z'] = found;
  const start = dayStart(Number(year), Number(month), Number(day));
  const { year: y, month: m, day: d } = civilOf(start);
  if (y !== Number(year) || m !== Number(month) || d !== Number(day)) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const ms = Number(fraction.padEnd(3, '0').slice(0, 3));
  const time = start + Number(hour) * 3_600_000 + Number(minute) * 60_000 + Number(second) * 1_000 + ms;
  return time - offsetOf(zone);
}

function offsetOf(zone: string): number {
  const found = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone);
  if (found === null) return 0;
  return (found[1] === '-' ? -1 : 1) * (Number(found[2]) * 3_600_000 + Number(found[3] ?? 0) * 60_000);
}

/** `2026-11-21`, of a time or a date. */
export function formatDate(timeMs: number): string {
  return toIso(timeMs).replace(/T.*/, '');
}

/** `2026-11-21 09:30:00`, with milliseconds where there are any, as CAST gives it. */
export function formatTimestamp(timeMs: number): string {
  const text = toIso(timeMs).replace('T', ' ').slice(0, -1);
  return text.endsWith('.000') ? text.slice(0, -4) : text.replace(/0+$/, '');
}

/** `3 days 00:01:00`, `00:00:01.5`, `-1 day -00:00:30`: each part has its sign, and one that is 0 is left out. */
export function formatInterval(ms: number): string {
  const sign = ms < 0 ? '-' : '';
  const whole = Math.abs(ms);
  const days = Math.floor(whole / dayMs);
  const rest = whole % dayMs;
  return [
    ...(days === 0 ? [] : [counted(days, 'day', sign)]),
    ...(days !== 0 && rest === 0 ? [] : [sign + formatTimestamp(rest).slice(11)]),
  ].join(' ');
}

/** `1 year 2 months`. */
export function formatMonths(months: number): string {
  const sign = months < 0 ? '-' : '';
  const years = Math.floor(Math.abs(months) / 12);
  const rest = Math.abs(months) % 12;
  return months === 0
    ? formatInterval(0)
    : [
        ...(years === 0 ? [] : [counted(years, 'year', sign)]),
        ...(rest === 0 ? [] : [counted(rest, 'month', sign)]),
      ].join(' ');
}

/** What orders intervals that are written so: milliseconds, or months. */
export function lengthOfInterval(text: string): number {
  const units: Readonly<Record<string, number>> = { year: 12, month: 1, day: dayMs };
  return [...text.matchAll(/(-?)(?:(\d+) (year|month|day)|(\d+):(\d+):([\d.]+))/g)].reduce(
    (length, [, sign, count, unit = '', hours = 0, minutes = 0, seconds = 0]) => {
      const timeMs = (Number(hours) * 60 + Number(minutes)) * 60_000 + Math.round(Number(seconds) * 1_000);
      const part = count === undefined ? timeMs : Number(count) * (units[unit] as number);
      return sign === '-' ? length - part : length + part;
    },
    0,
  );
}

function counted(count: number, unit: string, sign: string): string {
  return `${sign}${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** The time at which the unit around a time begins; undefined for a unit that is not known. Weeks begin on Monday. */
export function truncateTime(unit: string, timeMs: number): number | undefined {
  const { year, month } = civilOf(timeMs);
  switch (unit) {
    case 'MILLISECOND':
      return timeMs;
    case 'SECOND':
      return Math.floor(timeMs / 1_000) * 1_000;
    case 'MINUTE':
      return Math.floor(timeMs / 60_000) * 60_000;
    case 'HOUR':
      return Math.floor(timeMs / 3_600_000) * 3_600_000;
    case 'DAY':
      return Math.floor(timeMs / dayMs) * dayMs;
    case 'WEEK':
      return Math.floor(timeMs / dayMs - ((((Math.floor(timeMs / dayMs) + 3) % 7) + 7) % 7)) * dayMs;
    case 'MONTH':
      return dayStart(year, month, 1);
    case 'QUARTER':
      return dayStart(year, Math.floor((month - 1) / 3) * 3 + 1, 1);
    case 'YEAR':
      return dayStart(year, 1, 1);
    default:
      return undefined;
  }
}

/** A part of a time as a number; undefined for a part that is not known. */
export function extractPart(part: string, timeMs: number): number | undefined {
  const { year, month, day, msOfDay } = civilOf(timeMs);
  // Monday is 0.
  const weekday = (((Math.floor(timeMs / dayMs) + 3) % 7) + 7) % 7;
  switch (part) {
    case 'YEAR':
      return year;
    case 'QUARTER':
      return Math.floor((month - 1) / 3) + 1;
    case 'MONTH':
      return month;
    case 'WEEK':
      return isoWeek(timeMs, weekday);
    case 'DAY':
    case 'DAYOFMONTH':
      return day;
    case 'DOW':
    case 'DAYOFWEEK':
      // Sunday is 0.
      return (weekday + 1) % 7;
    case 'ISODOW':
      return weekday + 1;
    case 'DOY':
    case 'DAYOFYEAR':
      return Math.floor((timeMs - dayStart(year, 1, 1)) / dayMs) + 1;
    case 'HOUR':
      return Math.floor(msOfDay / 3_600_000);
    case 'MINUTE':
      return Math.floor(msOfDay / 60_000) % 60;
    case 'SECOND':
      return Math.floor(msOfDay / 1_000) % 60;
    case 'MILLISECOND':
      // With the seconds, as in PostgreSQL and DuckDB.
      return msOfDay % 60_000;
    case 'EPOCH':
      return timeMs / 1_000;
    default:
      return undefined;
  }
}

/** The week whose Thursday is in the year (ISO 8601). */
function isoWeek(timeMs: number, weekday: number): number {
  const thursday = (Math.floor(timeMs / dayMs) + 3 - weekday) * dayMs;
  return Math.floor((thursday - dayStart(civilOf(thursday).year, 1, 1)) / (7 * dayMs)) + 1;
}

const monthNames = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const dayNames = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];

/** A time by a pattern of Java's, as Flink's DATE_FORMAT has it: `yyyy-MM-dd HH:mm:ss.SSS`, `EEE`, `MMMM`, texts in '…'. */
export function formatByPattern(timeMs: number, pattern: string): string {
  const { year, month, day, msOfDay } = civilOf(timeMs);
  const hour = Math.floor(msOfDay / 3_600_000);
  const weekday = dayNames[(((Math.floor(timeMs / dayMs) + 3) % 7) + 7) % 7] as string;
  return pattern.replace(/'((?:[^']|'')*)'|([A-Za-z])\2*/g, (found, quoted: string | undefined, letter: string) => {
    if (quoted !== undefined) return quoted === '' ? "'" : quoted.replaceAll("''", "'");
    const pad = (value: number): string => String(value).padStart(found.length, '0');
    switch (letter) {
      case 'y':
        if (found.length === 2) return String(((year % 100) + 100) % 100).padStart(2, '0');
        return year < 0 ? `-${pad(-year)}` : pad(year);
      case 'M':
        return found.length > 3
          ? (monthNames[month - 1] as string)
          : found.length === 3
            ? (monthNames[month - 1] as string).slice(0, 3)
            : pad(month);
      case 'd':
        return pad(day);
      case 'D':
        return pad(extractPart('DOY', timeMs) as number);
      case 'E':
        return found.length > 3 ? weekday : weekday.slice(0, 3);
      case 'H':
        return pad(hour);
      case 'h':
        return pad(hour % 12 === 0 ? 12 : hour % 12);
      case 'a':
        return hour < 12 ? 'AM' : 'PM';
      case 'm':
        return pad(Math.floor(msOfDay / 60_000) % 60);
      case 's':
        return pad(Math.floor(msOfDay / 1_000) % 60);
      case 'S':
        return String(msOfDay % 1_000)
          .padStart(3, '0')
          .padEnd(found.length, '0')
          .slice(0, found.length);
      default:
        throw new Error(`${found} is not supported in a pattern of times; ${patternLetters} are, and texts in '…'`);
    }
  });
}

const patternLetters = 'y, M, d, D, E, H, h, a, m, s and S';
