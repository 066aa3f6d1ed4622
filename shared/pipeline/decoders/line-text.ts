import { dayMs, daysOf } from '#shared/schemas/time.ts';

// What formats of lines are read with, from left to right. Each function takes the line and where to look.

const foundCharactersMax = 12;

/** The Error of a decoder that cannot go on at `at`: what it expected there, and what it found. Columns count from 1, as in editors. */
export function stopped(line: string, at: number, expected: string): Error {
  const found = at >= line.length ? 'the end of the line' : JSON.stringify(line.slice(at, at + foundCharactersMax));
  return new Error(`the line cannot be read from column ${at + 1} on: expected ${expected}, found ${found}`);
}

/** Gives where the text ends. */
export function expectText(line: string, at: number, text: string): number {
  if (!line.startsWith(text, at)) throw stopped(line, at, JSON.stringify(text));
  return at + text.length;
}

export function digitsAt(line: string, at: number, digits: number, what: string): number {
  let value = 0;
  for (let index = at; index < at + digits; index += 1) {
    const code = line.charCodeAt(index);
    if (!isDigit(code)) throw stopped(line, index, what);
    value = value * 10 + code - 0x30;
  }
  return value;
}

function digitsUpTo(line: string, at: number, max: number, what: string): number {
  const value = digitsAt(line, at, 2, `${what} of two digits`);
  if (value > max) throw stopped(line, at, `${what} of at most ${max}`);
  return value;
}

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** `month` is 0 for January. */
export interface CivilDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** The month, from 0, whose three letters stand there. */
export function monthAt(line: string, at: number): number {
  const month = months.indexOf(line.slice(at, at + 3));
  if (month === -1) throw stopped(line, at, 'a month from Jan to Dec');
  return month;
}

export function isDay({ year, month, day }: CivilDate): boolean {
  const isLeapDay = month === 1 && day === 29 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day >= 1 && (day <= (monthDays[month] ?? 0) || isLeapDay);
}

export function checkDay(line: string, at: number, date: CivilDate): void {
  if (!isDay(date)) throw stopped(line, at, `a day that ${months[date.month]} ${date.year} has`);
}

/** Milliseconds since midnight of `hh:mm:ss`. */
export function timeOfDayAt(line: string, at: number): number {
  const hour = digitsUpTo(line, at, 23, 'an hour');
  expectText(line, at + 2, ':');
  const minute = digitsUpTo(line, at + 3, 59, 'a minute');
  expectText(line, at + 5, ':');
  const second = digitsUpTo(line, at + 6, 59, 'a second');
  return ((hour * 60 + minute) * 60 + second) * 1_000;
}

const zoneMinutesMax = 14 * 60;

/** By how much a time zone such as `+0130`, or `+01:30` with the separator `:`, is ahead of UTC. */
export function zoneMinutesAt(line: string, at: number, separator: '' | ':'): number {
  const sign = line[at];
  if (sign !== '+' && sign !== '-') throw stopped(line, at, '+ or -, where the time zone begins');
  const hours = digitsAt(line, at + 1, 2, 'the hours of a time zone');
  expectText(line, at + 3, separator);
  const minutes = hours * 60 + digitsUpTo(line, at + 3 + separator.length, 59, 'the minutes of a time zone');
  if (minutes > zoneMinutesMax) throw stopped(line, at + 1, 'a time zone of at most 14 hours');
  return sign === '+' ? minutes : -minutes;
}

/**
 * Milliseconds since 1970 of a time as RFC 3339 has it, `2026-11-21T10:00:00.123Z` or with `+01:00` at its end, and where it ends. Digits
 * behind the milliseconds are dropped. A space may stand in the place of `T`. With `basicZone` the zone may also be `+0100`, as ISO 8601 has it.
 */
export function isoTimeAt(
  line: string,
  at: number,
  { basicZone = false } = {},
): { readonly timeMs: number; readonly end: number } {
  const year = digitsAt(line, at, 4, 'a year of four digits');
  expectText(line, at + 4, '-');
  const month = digitsAt(line, at + 5, 2, 'a month of two digits') - 1;
  expectText(line, at + 7, '-');
  const day = digitsAt(line, at + 8, 2, 'a day of two digits');
  if (month < 0 || month > 11) throw stopped(line, at + 5, 'a month from 01 to 12');
  checkDay(line, at, { year, month, day });
  if (line[at + 10] !== ' ') expectText(line, at + 10, 'T');
  const wholeMs = daysOf(year, month + 1, day) * dayMs + timeOfDayAt(line, at + 11);
  const { ms, end } = fractionAt(line, at + 19);
  const timeMs = wholeMs + ms;
  if (line[end] === 'Z') return { timeMs, end: end + 1 };
  const separator = basicZone && line[end + 3] !== ':' ? '' : ':';
  return { timeMs: timeMs - zoneMinutesAt(line, end, separator) * 60_000, end: end + 5 + separator.length };
}

/** The milliseconds of a fraction of a second such as `.123456`, of which there may be none, and where it ends. */
export function fractionAt(line: string, at: number): { readonly ms: number; readonly end: number } {
  if (line[at] !== '.') return { ms: 0, end: at };
  const start = at + 1;
  let end = start;
  while (isDigit(line.charCodeAt(end))) end += 1;
  if (end === start) throw stopped(line, end, 'a digit behind the point');
  return { ms: Number(line.slice(start, Math.min(end, start + 3)).padEnd(3, '0')), end };
}
