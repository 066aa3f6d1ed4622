import type { LineDecoder } from '../decoder.ts';

/** A line of a web server's access log. What the server did not know, which it writes as `-`, is an empty text. */
export interface AccessLogRecord {
  readonly host: string;
  readonly ident: string;
  readonly user: string;
  readonly timeMs: number;
  /** The request as it came; when it is no HTTP request line, method, path and protocol are empty. */
  readonly request: string;
  readonly method: string;
  readonly path: string;
  readonly protocol: string;
  readonly status: number;
  /** The body's length; `-` is 0. */
  readonly bytes: number;
  readonly referrer: string;
  readonly agent: string;
}

interface AccessLogDecoder extends LineDecoder {
  readonly decodeLine: (line: string) => AccessLogRecord;
}

/**
 * The combined log format of Apache and nginx; the common log format too, whose lines end after the bytes.
 *
 *     host ident user [17/May/2015:10:05:03 +0000] "GET /path HTTP/1.1" 200 203023 "referrer" "agent"
 *
 * In quoted fields `\"` and `\\` become `"` and `\`; other escapes, such as `\x16`, stand for bytes that may be no text, and stay.
 */
export function combinedLog(): AccessLogDecoder {
  return { format: 'combined', config: {}, recognises: (line) => timeStart.test(line), decodeLine };
}

/** The first three fields and the time's day; not a JSON text that happens to hold them. */
const timeStart = /^[^\s{"]\S* \S+ [^[]*\[\d\d\/[A-Z][a-z]{2}\/\d{4}:/;

function decodeLine(line: string): AccessLogRecord {
  const hostEnd = endOfWord(line, 0, 'the host');
  const identEnd = endOfWord(line, hostEnd + 1, 'the identity of the client');
  // A user's name may hold spaces, so it ends where the time begins.
  const userEnd = line.indexOf(' [', identEnd + 1);
  if (userEnd <= identEnd + 1) throw stopped(line, identEnd + 1, "the user's name and then [, where the time begins");
  const timeAt = userEnd + 2;
  const timeMs = decodeTime(line, timeAt);
  let at = expectText(line, timeAt + timeLength, '] "');
  const requestEnd = endOfQuoted(line, at, 'the request');
  const request = textOf(line.slice(at, requestEnd));
  at = expectText(line, requestEnd, '" ');
  const status = digitsAt(line, at, 3, 'a status of three digits');
  at = expectText(line, at + 3, ' ');
  const bytesEnd = endOfBytes(line, at);
  const bytes = line.charCodeAt(at) === hyphen ? 0 : Number(line.slice(at, bytesEnd));
  let referrer = '';
  let agent = '';
  if (bytesEnd < line.length) {
    at = expectText(line, bytesEnd, ' "');
    const referrerEnd = endOfQuoted(line, at, 'the referrer');
    referrer = textOf(line.slice(at, referrerEnd));
    at = expectText(line, referrerEnd, '" "');
    const agentEnd = endOfQuoted(line, at, "the client's name");
    agent = textOf(line.slice(at, agentEnd));
    if (agentEnd + 1 !== line.length) throw stopped(line, agentEnd + 1, 'the end of the line');
  }
  const methodEnd = request.indexOf(' ');
  const isRequestLine = methodEnd > 0 && request.charCodeAt(methodEnd + 1) > space;
  const protocolAt = isRequestLine ? startOfProtocol(request, methodEnd) : -1;
  return {
    host: line.slice(0, hostEnd),
    ident: textOf(line.slice(hostEnd + 1, identEnd)),
    user: textOf(line.slice(identEnd + 1, userEnd)),
    timeMs,
    request,
    method: isRequestLine ? request.slice(0, methodEnd) : '',
    path: isRequestLine ? request.slice(methodEnd + 1, protocolAt === -1 ? undefined : protocolAt - 1) : '',
    protocol: protocolAt === -1 ? '' : request.slice(protocolAt),
    status,
    bytes,
    referrer,
    agent,
  };
}

const space = 0x20;
const plus = 0x2b;
const hyphen = 0x2d;
const backslash = 0x5c;

function endOfWord(line: string, at: number, what: string): number {
  const end = line.indexOf(' ', at);
  if (end <= at) throw stopped(line, at, `${what} and a space`);
  return end;
}

function expectText(line: string, at: number, text: string): number {
  if (!line.startsWith(text, at)) throw stopped(line, at, JSON.stringify(text));
  return at + text.length;
}

/** The next quote that no backslash escapes. */
function endOfQuoted(line: string, at: number, what: string): number {
  for (let end = line.indexOf('"', at); end !== -1; end = line.indexOf('"', end + 1)) {
    let escapes = 0;
    while (end - escapes > at && line.charCodeAt(end - escapes - 1) === backslash) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  throw stopped(line, line.length, `the quote that ends ${what}, which begins at column ${at + 1}`);
}

function textOf(field: string): string {
  if (field === '-') return '';
  return field.includes('\\') ? field.replace(/\\(["\\])/g, '$1') : field;
}

/** More digits are no length of anything, and would not be exact as a number. */
const bytesDigitsMax = 15;

function endOfBytes(line: string, at: number): number {
  if (line.charCodeAt(at) === hyphen) return at + 1;
  let end = at;
  while (isDigit(line.charCodeAt(end))) end += 1;
  if (end === at || end - at > bytesDigitsMax)
    throw stopped(line, at, `- or a number of bytes of at most ${bytesDigitsMax} digits`);
  return end;
}

/** Where `HTTP/…` begins, or -1. A path may hold spaces, since clients send what they like. */
function startOfProtocol(request: string, methodEnd: number): number {
  const lastSpace = request.lastIndexOf(' ');
  return lastSpace > methodEnd && request.startsWith('HTTP/', lastSpace + 1) ? lastSpace + 1 : -1;
}

//  17/May/2015:10:05:03 +0000
//  0  3   7    12 15 18 20
const timeLength = 26;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const zoneMinutesMax = 14 * 60;

function decodeTime(line: string, at: number): number {
  const day = digitsAt(line, at, 2, 'a day of two digits');
  expectText(line, at + 2, '/');
  const month = months.indexOf(line.slice(at + 3, at + 6));
  if (month === -1) throw stopped(line, at + 3, 'a month from Jan to Dec');
  expectText(line, at + 6, '/');
  const year = digitsAt(line, at + 7, 4, 'a year of four digits');
  const isLeapDay = month === 1 && day === 29 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (day < 1 || (day > (monthDays[month] as number) && !isLeapDay))
    throw stopped(line, at, `a day that ${months[month]} ${year} has`);
  expectText(line, at + 11, ':');
  const hour = digitsUpTo(line, at + 12, 23, 'an hour');
  expectText(line, at + 14, ':');
  const minute = digitsUpTo(line, at + 15, 59, 'a minute');
  expectText(line, at + 17, ':');
  const second = digitsUpTo(line, at + 18, 59, 'a second');
  expectText(line, at + 20, ' ');
  const sign = line.charCodeAt(at + 21);
  if (sign !== plus && sign !== hyphen) throw stopped(line, at + 21, '+ or -, where the time zone begins');
  const zoneHours = digitsAt(line, at + 22, 2, 'the hours of a time zone');
  const zoneMinutes = zoneHours * 60 + digitsUpTo(line, at + 24, 59, 'the minutes of a time zone');
  if (zoneMinutes > zoneMinutesMax) throw stopped(line, at + 22, 'a time zone of at most 14 hours');
  const minutes =
    (daysOf(year, month + 1, day) * 24 + hour) * 60 + minute - (sign === plus ? zoneMinutes : -zoneMinutes);
  return (minutes * 60 + second) * 1_000;
}

/** The number of days since 1970 of a civil date (Howard Hinnant, chrono-compatible low-level date algorithms, days_from_civil). */
function daysOf(year: number, month: number, day: number): number {
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function digitsUpTo(line: string, at: number, max: number, what: string): number {
  const value = digitsAt(line, at, 2, `${what} of two digits`);
  if (value > max) throw stopped(line, at, `${what} of at most ${max}`);
  return value;
}

function digitsAt(line: string, at: number, digits: number, what: string): number {
  let value = 0;
  for (let index = at; index < at + digits; index += 1) {
    const code = line.charCodeAt(index);
    if (!isDigit(code)) throw stopped(line, index, what);
    value = value * 10 + code - 0x30;
  }
  return value;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

const foundCharactersMax = 12;

/** Columns count from 1, as in editors. */
function stopped(line: string, at: number, expected: string): Error {
  const found = at >= line.length ? 'the end of the line' : JSON.stringify(line.slice(at, at + foundCharactersMax));
  return new Error(`no access log line from column ${at + 1} on: expected ${expected}, found ${found}`);
}
