import type { Decoder } from '../decoder.ts';

/** A line of a web server's access log. `-` is an empty text, and no bytes are 0. */
export interface AccessLogRecord {
  readonly host: string;
  readonly ident: string;
  readonly user: string;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  /** The request line, such as `GET /index.html HTTP/1.1`; method, path and protocol are its parts. */
  readonly request: string;
  readonly method: string;
  readonly path: string;
  readonly protocol: string;
  readonly status: number;
  readonly bytes: number;
  readonly referrer: string;
  readonly agent: string;
}

/**
 * The combined log format of Apache and nginx (httpd documentation, mod_log_config), and the common one, which ends after the bytes.
 *
 *     host ident user [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 203023 "referrer" "agent"
 */
export function combinedLog(): Decoder {
  return {
    format: 'combined',
    config: {},
    recognises: (line) => line.includes(' [') && line.includes('"') && !line.startsWith('{'),
    decodeLine: (line) => new LineParser(line).parse(),
  };
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const daysInMonth = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

class LineParser {
  readonly #line: string;
  #at = 0;

  constructor(line: string) {
    this.#line = line;
  }

  parse(): AccessLogRecord {
    const host = this.#word('a host');
    const ident = dash(this.#word('an identity'));
    const user = dash(this.#word('a user'));
    const timeMs = this.#time();
    const request = this.#quoted('a request');
    const status = this.#number('a status', false);
    const bytes = this.#number('a number of bytes', true);
    let referrer = '';
    let agent = '';
    if (this.#at < this.#line.length) {
      referrer = dash(this.#quoted('a referrer'));
      agent = dash(this.#quoted('an agent'));
      if (this.#at < this.#line.length) throw this.#expected('the end of the line');
    }
    const [method = '', path = '', protocol = ''] = request.split(' ');
    return { host, ident, user, timeMs, request, method, path, protocol, status, bytes, referrer, agent };
  }

  #word(what: string): string {
    const space = this.#line.indexOf(' ', this.#at);
    if (space <= this.#at) throw this.#expected(what);
    const word = this.#line.slice(this.#at, space);
    this.#at = space + 1;
    return word;
  }

  #number(what: string, dashIsZero: boolean): number {
    const space = this.#line.indexOf(' ', this.#at);
    const end = space === -1 ? this.#line.length : space;
    const text = this.#line.slice(this.#at, end);
    if (!(dashIsZero && text === '-') && !/^\d{1,15}$/.test(text)) throw this.#expected(what);
    this.#at = end + 1;
    return text === '-' ? 0 : Number(text);
  }

  #quoted(what: string): string {
    if (this.#line[this.#at] !== '"') throw this.#expected(`${what} in quotes`);
    let end = this.#at + 1;
    for (; ; end += 1) {
      const quote = this.#line.indexOf('"', end);
      if (quote === -1) throw this.#expected(`${what} with a closing quote`);
      end = quote;
      let backslashes = 0;
      while (this.#line[quote - 1 - backslashes] === '\\') backslashes += 1;
      if (backslashes % 2 === 0) break;
    }
    const text = this.#line.slice(this.#at + 1, end);
    if (end + 1 < this.#line.length && this.#line[end + 1] !== ' ') {
      this.#at = end + 1;
      throw this.#expected('a space');
    }
    this.#at = end + 2;
    return text.includes('\\') ? text.replace(/\\(["\\])/g, '$1') : text;
  }

  /** `[17/May/2015:10:05:03 +0000] `, by fixed places and without a Date. */
  #time(): number {
    const line = this.#line;
    const at = this.#at;
    const text = line.slice(at, at + 28);
    const match = /^\[(\d\d)\/([A-Z][a-z][a-z])\/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\]$/.exec(text);
    if (match === null || line[at + 28] !== ' ') throw this.#expected('a time such as [17/May/2015:10:05:03 +0000]');
    const [, day, monthName, year, hour, minute, second, sign, zoneHour, zoneMinute] = match;
    const month = months.indexOf(monthName as string);
    const isLeap = Number(year) % 4 === 0 && (Number(year) % 100 !== 0 || Number(year) % 400 === 0);
    const dayMax = month === 1 && !isLeap ? 28 : (daysInMonth[month] as number);
    if (
      month === -1 ||
      Number(day) < 1 ||
      Number(day) > dayMax ||
      Number(hour) > 23 ||
      Number(minute) > 59 ||
      Number(second) > 60 ||
      Number(zoneMinute) > 59
    ) {
      throw this.#expected('a time that exists');
    }
    this.#at = at + 29;
    const zoneMs = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000 * (sign === '-' ? -1 : 1);
    return (
      daysFromCivil(Number(year), month + 1, Number(day)) * 86_400_000 +
      Number(hour) * 3_600_000 +
      Number(minute) * 60_000 +
      Number(second) * 1_000 -
      zoneMs
    );
  }

  #expected(what: string): Error {
    const rest = this.#line.slice(this.#at, this.#at + 20);
    const found = this.#at >= this.#line.length ? 'the end of the line' : JSON.stringify(rest);
    return new Error(`expected ${what} at character ${this.#at + 1}, found ${found}`);
  }
}

function dash(text: string): string {
  return text === '-' ? '' : text;
}

/** Days since 1970 (Howard Hinnant, chrono-compatible low-level date algorithms, days_from_civil). */
function daysFromCivil(year: number, month: number, day: number): number {
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
