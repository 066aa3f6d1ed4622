import { MillraceError } from '#shared/schemas/error.ts';
import { dayMs, daysOf, toIso } from '#shared/schemas/time.ts';
import type { BegunDecoder, DecodeContext, LineDecoder } from '../decoder.ts';
import { givenOptions } from '../refuse.ts';
import {
  digitsAt,
  expectText,
  fractionAt,
  isDay,
  isDigit,
  isoTimeAt,
  monthAt,
  stopped,
  timeOfDayAt,
  zoneMinutesAt,
} from './line-text.ts';

/** A line of syslog. What the sender did not know, which RFC 5424 writes as `-`, is an empty text. */
export interface SyslogRecord {
  /** 0 to 23: 0 kernel, 1 user, 3 daemon, 4 auth, 16 to 23 local. */
  readonly facility: number;
  /** 0 (emergency) to 7 (debug). */
  readonly severity: number;
  /** `null` when the sender had no clock. */
  readonly timeMs: number | null;
  readonly host: string;
  readonly app: string;
  readonly procId: string;
  readonly msgId: string;
  /** By element and parameter; of a parameter that is given several times, the last. */
  readonly structuredData: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly message: string;
}

export interface SyslogOptions {
  /**
   * The year of the first line of a file, or raw record, where lines have none (RFC 3164); each one behind has that which brings it nearest to
   * the line before, so that December goes on in January. By default a line has the year that brings it nearest to when Kinesis took
   * the record; for a file, which has no such time, this or `reference` must be given.
   */
  readonly year?: number | undefined;
  /** Instead of `year`: a time within half a year of the first line, such as that of a file's rotation. */
  readonly reference?: Date | undefined;
  /** The time zone of lines that have none (RFC 3164): `+01:00`. Default UTC. */
  readonly utcOffset?: string | undefined;
}

interface SyslogDecoder extends LineDecoder {
  readonly decodeLine: (line: string, context?: DecodeContext) => SyslogRecord;
}

/**
 * Lines of syslog: RFC 5424, RFC 3164, and the latter with a full time or a fraction of a second, as rsyslog and journalctl write it; the
 * priority may be missing, as in files.
 *
 *     <165>1 2026-11-21T10:00:00.003Z web-1 nginx 8710 ID47 [req@32473 ip="192.0.2.1" ms="12"] GET /
 *     <34>Nov 21 10:00:00 web-1 sshd[412]: Accepted publickey
 *     2026-11-21T10:00:00.003+01:00 web-1 sshd[412]: Accepted publickey
 */
export function syslog(options: SyslogOptions = {}): SyslogDecoder {
  const {
    year,
    reference,
    utcOffset = '+00:00',
  } = givenOptions('syslog', options, ['year', 'reference', 'utcOffset'], '{ year: 2026 }');
  if (year !== undefined && !(Number.isInteger(year) && year >= 1 && year <= 9999))
    throw new MillraceError('PIPELINE_INVALID', `syslog: the year is ${year}; it must be one of 1 to 9999.`);
  if (reference !== undefined && (year !== undefined || !Number.isFinite(reference.getTime?.())))
    throw new MillraceError(
      'PIPELINE_INVALID',
      `syslog: the reference ${year === undefined ? 'is no time' : 'and the year say the same; leave one out'}.`,
    );
  const offsetMs = offsetMsOf(utcOffset);
  const first: LocalTime = { year, nearMs: reference?.getTime(), offsetMs };
  const isGiven = year !== undefined || reference !== undefined;
  return {
    format: 'syslog',
    config: {
      ...(year === undefined ? {} : { year }),
      ...(reference === undefined ? {} : { reference: reference.toISOString() }),
      utcOffset,
    },
    recognises: (line) => lineStart.test(line),
    decodeLine: (line, context) =>
      decodeLine(line, isGiven ? first : { year, nearMs: context?.arrivalMs, offsetMs }).record,
    ...(isGiven ? { begin: () => beginAt(first) } : {}),
  };
}

/** Where no line has a time of arrival, the one before tells its year. */
function beginAt(first: LocalTime): BegunDecoder {
  let local = first;
  let last: Decoded | undefined;
  return {
    decodeLine: (line) => {
      last = undefined;
      last = decodeLine(line, local);
      if (last.localTime !== undefined) local = { ...first, year: undefined, nearMs: last.localTime.timeMs };
      return last.record;
    },
    standAlone: (line) => {
      if (last?.line !== line || last.localTime === undefined) return line;
      const { start, end, timeMs } = last.localTime;
      return line.slice(0, start) + toIso(timeMs) + line.slice(end);
    },
  };
}

interface Decoded {
  readonly line: string;
  readonly record: SyslogRecord;
  /** A time without a year, where it stands in the line, and what it was understood as. */
  readonly localTime?: { readonly start: number; readonly end: number; readonly timeMs: number };
}

const lineStart = /^(<\d{1,3}>(1 )?)?([A-Z][a-z]{2} [ \d]\d \d\d:|\d{4}-\d\d-\d\d[T ]\d\d:|- )/;

/** How lines without a year and a zone are understood. */
interface LocalTime {
  readonly year: number | undefined;
  /** The year is the one that brings a line nearest to this. */
  readonly nearMs: number | undefined;
  readonly offsetMs: number;
}

function offsetMsOf(text: string): number {
  try {
    if (text.length === 6) return zoneMinutesAt(text, 0, ':') * 60_000;
  } catch {}
  throw new MillraceError('PIPELINE_INVALID', `syslog: utcOffset is ${JSON.stringify(text)}; write it as "+01:00".`);
}

const priorityMax = 191;
/** user.notice, what a relay takes a line without a priority for (RFC 3164, 4.3.3). */
const priorityDefault = 13;

function decodeLine(line: string, local: LocalTime): Decoded {
  let at = 0;
  let priority = priorityDefault;
  if (line[0] === '<') {
    const end = line.indexOf('>');
    priority = end >= 2 && end <= 4 ? Number(line.slice(1, end)) : Number.NaN;
    if (!(Number.isInteger(priority) && priority >= 0 && priority <= priorityMax))
      throw stopped(line, 1, `a priority from 0 to ${priorityMax} and then >`);
    at = end + 1;
  }
  const head = { facility: priority >> 3, severity: priority & 7 };
  if (line[0] === '<' && line.startsWith('1 ', at))
    return { line, record: { ...head, ...decodeStructured(line, at + 2) } };
  if (isDigit(line.charCodeAt(at))) {
    const { timeMs, end } = isoTimeAt(line, at, { basicZone: true });
    return { line, record: { ...head, timeMs, ...decodePlain(line, expectText(line, end, ' ')) } };
  }
  const secondMs = localTimeAt(line, at, local);
  const { ms, end } = fractionAt(line, at + localTimeLength);
  const timeMs = secondMs + ms;
  const record = { ...head, timeMs, ...decodePlain(line, expectText(line, end, ' ')) };
  return { line, record, localTime: { start: at, end, timeMs } };
}

/** Behind the version of RFC 5424. */
function decodeStructured(line: string, start: number): Omit<SyslogRecord, 'facility' | 'severity'> {
  let at = start;
  let timeMs: number | null = null;
  if (line[at] === '-') at += 1;
  else ({ timeMs, end: at } = isoTimeAt(line, at));
  at = expectText(line, at, ' ');
  const words: string[] = [];
  for (const what of ['the host', 'the application', 'the process', 'the kind of the message']) {
    const end = line.indexOf(' ', at);
    if (end <= at) throw stopped(line, at, `${what}, or -, and then a space`);
    words.push(nilOf(line.slice(at, end)));
    at = end + 1;
  }
  const [host, app, procId, msgId] = words as [string, string, string, string];
  const { structuredData, end } = structuredDataAt(line, at);
  if (end < line.length) expectText(line, end, ' ');
  const message = line.slice(end + 1);
  // Text in UTF-8 may be marked as such.
  return { timeMs, host, app, procId, msgId, structuredData, message: message.replace(/^\ufeff/, '') };
}

function nilOf(word: string): string {
  return word === '-' ? '' : word;
}

function structuredDataAt(
  line: string,
  start: number,
): { readonly structuredData: SyslogRecord['structuredData']; readonly end: number } {
  if (line[start] === '-') return { structuredData: {}, end: start + 1 };
  const elements: [string, Readonly<Record<string, string>>][] = [];
  let at = start;
  while (line[at] === '[') {
    const idEnd = endOfName(line, at + 1, 'the name of an element of the structured data');
    const id = line.slice(at + 1, idEnd);
    const parameters: [string, string][] = [];
    at = idEnd;
    while (line[at] === ' ') {
      const nameEnd = endOfName(line, at + 1, 'the name of a parameter');
      const name = line.slice(at + 1, nameEnd);
      const valueStart = expectText(line, nameEnd, '="');
      const valueEnd = endOfValue(line, valueStart, name);
      // RFC 5424, 6.3.3: only these are escaped; before anything else a backslash is one.
      parameters.push([name, line.slice(valueStart, valueEnd).replace(/\\(["\\\]])/g, '$1')]);
      at = valueEnd + 1;
    }
    at = expectText(line, at, ']');
    elements.push([id, Object.fromEntries(parameters)]);
  }
  if (at === start) throw stopped(line, at, 'structured data, which begins with [, or -');
  return { structuredData: Object.fromEntries(elements), end: at };
}

function endOfName(line: string, at: number, what: string): number {
  let end = at;
  while (end < line.length && !' ="]'.includes(line[end] as string)) end += 1;
  if (end === at) throw stopped(line, at, what);
  return end;
}

function endOfValue(line: string, at: number, name: string): number {
  for (let end = at; end < line.length; end += 1) {
    if (line[end] === '\\') end += 1;
    else if (line[end] === '"') return end;
  }
  throw stopped(line, line.length, `the quote that ends the value of ${name}, which begins at column ${at + 1}`);
}

/** Behind the time of RFC 3164: the host, and often a tag such as `sshd[412]:`. */
function decodePlain(line: string, start: number): Omit<SyslogRecord, 'facility' | 'severity' | 'timeMs'> {
  const hostEnd = line.indexOf(' ', start);
  if (hostEnd <= start) throw stopped(line, start, 'the host and a space');
  const rest = line.slice(hostEnd + 1);
  const tag = /^([^\s:[\]]+)(?:\[([^\s\]]*)\])?:(?: |$)/.exec(rest);
  return {
    host: line.slice(start, hostEnd),
    app: tag?.[1] ?? '',
    procId: tag?.[2] ?? '',
    msgId: '',
    structuredData: {},
    message: tag === null ? rest : rest.slice(tag[0].length),
  };
}

//  Nov 21 10:00:00
//  0   4  7
const localTimeLength = 15;

function localTimeAt(line: string, at: number, { year, nearMs, offsetMs }: LocalTime): number {
  const month = monthAt(line, at);
  expectText(line, at + 3, ' ');
  const day =
    line[at + 4] === ' ' ? digitsAt(line, at + 5, 1, 'a day') : digitsAt(line, at + 4, 2, 'a day of two digits');
  expectText(line, at + 6, ' ');
  const restMs = timeOfDayAt(line, at + 7) - offsetMs;
  const timesMs = yearsNear(year, nearMs)
    .filter((one) => isDay({ year: one, month, day }))
    .map((one) => daysOf(one, month + 1, day) * dayMs + restMs);
  if (year === undefined && nearMs === undefined)
    throw new Error(
      'the line has no year (RFC 3164), and a file no time of arrival; name that of the first line: syslog({ year: 2026 })',
    );
  const [first, ...others] = timesMs;
  if (first === undefined) throw stopped(line, at + 4, 'a day that the month has');
  const aim = nearMs ?? first;
  return others.reduce((best, one) => (Math.abs(one - aim) < Math.abs(best - aim) ? one : best), first);
}

/** A mean year of the Gregorian calendar. */
const yearMs = 365.2425 * dayMs;

function yearsNear(year: number | undefined, nearMs: number | undefined): readonly number[] {
  if (year !== undefined) return [year];
  if (nearMs === undefined) return [];
  const about = 1970 + Math.floor(nearMs / yearMs);
  return [about, about - 1, about + 1].filter((one) => one >= 1 && one <= 9999);
}
