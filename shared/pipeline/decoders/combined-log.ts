import { dayMs, daysOf } from '#shared/schemas/time.ts';
import type { LineDecoder } from '../decoder.ts';
import { checkDay, digitsAt, expectText, isDigit, monthAt, stopped, timeOfDayAt, zoneMinutesAt } from './line-text.ts';

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
  /** The header X-Forwarded-For, as the client or its proxies sent it. Left out where the line ends before it. */
  readonly forwardedFor?: string;
}

/** What the common log format knows: neither referrer nor agent. */
export type CommonLogRecord = Omit<AccessLogRecord, keyof Client>;

/** What other formats add to the common one. */
type Client = Pick<AccessLogRecord, 'referrer' | 'agent' | 'forwardedFor'>;

interface AccessLogDecoder<Log> extends LineDecoder {
  readonly decodeLine: (line: string) => Log;
}

/**
 * The combined log format of Apache and nginx; the common log format too, whose lines end after the bytes, and `main` of nginx, as its
 * packages configure it, which adds the header X-Forwarded-For.
 *
 *     host ident user [17/May/2015:10:05:03 +0000] "GET /path HTTP/1.1" 200 203023 "referrer" "agent" "192.0.2.1, 192.0.2.2"
 *
 * In quoted fields `\"` and `\\` become `"` and `\`; other escapes, such as `\x16`, stand for bytes that may be no text, and stay.
 */
export function combinedLog(): AccessLogDecoder<AccessLogRecord> {
  return {
    format: 'combined',
    config: {},
    recognises,
    decodeLine: (line) => {
      const common = decodeCommon(line);
      return { ...common.record, ...clientOf(line, common.end) };
    },
  };
}

/**
 * The common log format (NCSA): a line that goes on behind the bytes is rejected.
 *
 *     host ident user [17/May/2015:10:05:03 +0000] "GET /path HTTP/1.1" 200 203023
 */
export function commonLog(): AccessLogDecoder<CommonLogRecord> {
  return {
    format: 'common',
    config: {},
    recognises,
    decodeLine: (line) => {
      const { record, end } = decodeCommon(line);
      if (end !== line.length) throw stopped(line, end, 'the end of the line');
      return record;
    },
  };
}

function recognises(line: string): boolean {
  return timeStart.test(line);
}

/** The first three fields and the time's day; not a JSON text that happens to hold them. */
const timeStart = /^[^\s{"]\S* \S+ [^[]*\[\d\d\/[A-Z][a-z]{2}\/\d{4}:/;

function decodeCommon(line: string): { readonly record: CommonLogRecord; readonly end: number } {
  const hostEnd = endOfWord(line, 0, 'the host');
  const identEnd = endOfWord(line, hostEnd + 1, 'the identity of the client');
  // A user's name may hold spaces, so it ends where the time begins.
  const userEnd = line.indexOf(' [', identEnd + 1);
  if (userEnd <= identEnd + 1) throw stopped(line, identEnd + 1, "the user's name and then [, where the time begins");
  // The identity is hardly ever known, so a name that begins so is one field too late.
  if (userEnd > identEnd + 2 && line.startsWith('- ', identEnd + 1))
    throw stopped(
      line,
      identEnd + 1,
      "the user's name; vhost_combined has the virtual host before all fields, so cut it off",
    );
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
  const methodEnd = request.indexOf(' ');
  const isRequestLine = methodEnd > 0 && request.charCodeAt(methodEnd + 1) > space;
  const protocolAt = isRequestLine ? startOfProtocol(request, methodEnd) : -1;
  return {
    record: {
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
    },
    end: bytesEnd,
  };
}

/** The fields behind those of the common format; its own lines end before them. */
function clientOf(line: string, end: number): Client {
  if (end >= line.length) return { referrer: '', agent: '' };
  let at = expectText(line, end, ' "');
  const referrerEnd = endOfQuoted(line, at, 'the referrer');
  const referrer = textOf(line.slice(at, referrerEnd));
  at = expectText(line, referrerEnd, '" "');
  const agentEnd = endOfQuoted(line, at, "the client's name");
  const agent = textOf(line.slice(at, agentEnd));
  if (agentEnd + 1 === line.length) return { referrer, agent };
  if (!line.startsWith(' "', agentEnd + 1)) throw stopped(line, agentEnd + 1, 'the end of the line');
  at = agentEnd + 3;
  const forwardedEnd = endOfQuoted(line, at, 'the header X-Forwarded-For');
  if (forwardedEnd + 1 !== line.length) throw stopped(line, forwardedEnd + 1, 'the end of the line');
  return { referrer, agent, forwardedFor: textOf(line.slice(at, forwardedEnd)) };
}

const space = 0x20;
const hyphen = 0x2d;
const backslash = 0x5c;

function endOfWord(line: string, at: number, what: string): number {
  const end = line.indexOf(' ', at);
  if (end <= at) throw stopped(line, at, `${what} and a space`);
  return end;
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

function decodeTime(line: string, at: number): number {
  const day = digitsAt(line, at, 2, 'a day of two digits');
  expectText(line, at + 2, '/');
  const month = monthAt(line, at + 3);
  expectText(line, at + 6, '/');
  const year = digitsAt(line, at + 7, 4, 'a year of four digits');
  checkDay(line, at, { year, month, day });
  expectText(line, at + 11, ':');
  const ms = timeOfDayAt(line, at + 12);
  expectText(line, at + 20, ' ');
  return daysOf(year, month + 1, day) * dayMs + ms - zoneMinutesAt(line, at + 21, '') * 60_000;
}
