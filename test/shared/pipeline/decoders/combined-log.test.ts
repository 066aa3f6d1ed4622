import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AccessLogRecord, combinedLog } from '#shared/pipeline/decoders/combined-log.ts';

const { decodeLine, recognises } = combinedLog();
const line =
  '83.149.9.216 - frank [17/May/2015:10:05:03 +0000] "GET /images/search.png?q=1 HTTP/1.1" 200 203023 "http://example.com/" "Mozilla/5.0 (X11)"';

/** The line with its time replaced. */
function at(time: string): string {
  return line.replace(/\[.*?\]/, `[${time}]`);
}

describe('combinedLog', () => {
  test('reads every field', () => {
    expect(decodeLine(line)).toEqual({
      host: '83.149.9.216',
      ident: '',
      user: 'frank',
      timeMs: Date.UTC(2015, 4, 17, 10, 5, 3),
      request: 'GET /images/search.png?q=1 HTTP/1.1',
      method: 'GET',
      path: '/images/search.png?q=1',
      protocol: 'HTTP/1.1',
      status: 200,
      bytes: 203_023,
      referrer: 'http://example.com/',
      agent: 'Mozilla/5.0 (X11)',
    });
  });

  test('reads the common log format, which has no referrer and no agent', () => {
    const common = line.slice(0, line.indexOf(' "http'));
    expect(decodeLine(common)).toEqual({ ...decodeLine(line), referrer: '', agent: '' });
  });

  // log_format main of /etc/nginx/nginx.conf in the packages of nginx.org.
  test('reads the main format of nginx, which adds the header X-Forwarded-For', () => {
    const record = decodeLine(line);
    expect(decodeLine(`${line} "192.0.2.1, 192.0.2.2"`)).toEqual({ ...record, forwardedFor: '192.0.2.1, 192.0.2.2' });
    expect(decodeLine(`${line} "-"`)).toEqual({ ...record, forwardedFor: '' });
  });

  test('what the server did not know is an empty text, and no bytes are 0', () => {
    const record = decodeLine('h - - [17/May/2015:10:05:03 +0000] "-" 408 - "-" "-"');
    expect(record).toMatchObject({ ident: '', user: '', request: '', bytes: 0, referrer: '', agent: '' });
  });

  test('reads escaped quotes and backslashes, and leaves other escapes', () => {
    const record = decodeLine(
      'h - - [17/May/2015:10:05:03 +0000] "GET /\\"a\\" HTTP/1.1" 200 1 "\\\\" "\\"b\\" \\x16\\\\"',
    );
    expect(record).toMatchObject({ path: '/"a"', referrer: '\\', agent: '"b" \\x16\\' });
  });

  test('reads a user with spaces', () => {
    expect(decodeLine(line.replace('frank', 'frank of the web')).user).toBe('frank of the web');
  });

  test.each([
    ['GET /', { method: 'GET', path: '/', protocol: '' }],
    ['GET /a b HTTP/1.0', { method: 'GET', path: '/a b', protocol: 'HTTP/1.0' }],
    ['GET /a b', { method: 'GET', path: '/a b', protocol: '' }],
    ['GET HTTP/1.1', { method: 'GET', path: 'HTTP/1.1', protocol: '' }],
    ['\\x16\\x03\\x01', { method: '', path: '', protocol: '' }],
    ['', { method: '', path: '', protocol: '' }],
  ])('takes the request %j apart', (request, parts) => {
    expect(decodeLine(line.replace(/"GET.*?"/, () => `"${request}"`))).toMatchObject(parts);
  });

  test.each([
    ['17/May/2015:10:05:03 +0200', Date.UTC(2015, 4, 17, 8, 5, 3)],
    ['17/May/2015:10:05:03 -0330', Date.UTC(2015, 4, 17, 13, 35, 3)],
    ['01/Jan/1970:00:00:00 +0000', 0],
    ['31/Dec/1969:23:59:59 +0000', -1_000],
    ['29/Feb/2016:00:00:00 +0000', Date.UTC(2016, 1, 29)],
    ['29/Feb/2000:00:00:00 +0000', Date.UTC(2000, 1, 29)],
    ['01/Jan/2000:00:30:00 +1400', Date.UTC(1999, 11, 31, 10, 30)],
  ])('reads the time %s', (time, expected) => {
    expect(decodeLine(at(time)).timeMs).toBe(expected);
  });

  test('reads every time as Date does', () => {
    const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
    const two = (value: number): string => String(value).padStart(2, '0');
    const anyTime = fc.date({
      min: new Date('0001-01-02T00:00:00Z'),
      max: new Date('9999-12-30T00:00:00Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(anyTime, fc.integer({ min: -14 * 60, max: 14 * 60 }), (date, zoneMinutes) => {
        const utcMs = Math.floor(date.getTime() / 1_000) * 1_000;
        const local = new Date(utcMs + zoneMinutes * 60_000);
        const zone = `${zoneMinutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(zoneMinutes) / 60))}${two(Math.abs(zoneMinutes) % 60)}`;
        const day = `${two(local.getUTCDate())}/${months[local.getUTCMonth()]}/${String(local.getUTCFullYear()).padStart(4, '0')}`;
        const clock = [local.getUTCHours(), local.getUTCMinutes(), local.getUTCSeconds()].map(two).join(':');
        expect(decodeLine(at(`${day}:${clock} ${zone}`)).timeMs).toBe(utcMs);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['31/Apr/2015:10:05:03 +0000', 'from column 23 on: expected a day that Apr 2015 has'],
    ['29/Feb/2015:10:05:03 +0000', 'expected a day that Feb 2015 has'],
    ['29/Feb/1900:10:05:03 +0000', 'expected a day that Feb 1900 has'],
    ['00/May/2015:10:05:03 +0000', 'expected a day that May 2015 has'],
    ['17/Mai/2015:10:05:03 +0000', 'from column 26 on: expected a month from Jan to Dec, found "Mai/2015:10:"'],
    ['17/May/2015:24:05:03 +0000', 'from column 35 on: expected an hour of at most 23'],
    ['17/May/2015:10:60:03 +0000', 'expected a minute of at most 59'],
    ['17/May/2015:10:05:60 +0000', 'expected a second of at most 59'],
    ['17/May/2015:10:05:03 0000', 'expected + or -, where the time zone begins'],
    ['17/May/2015:10:05:03 +1500', 'expected a time zone of at most 14 hours'],
    ['17/May/2015:10:05:03 +0060', 'expected the minutes of a time zone of at most 59'],
    ['7/May/2015:10:05:03 +0000', 'from column 24 on: expected a day of two digits'],
    ['17/May/15:10:05:03 +0000', 'expected a year of four digits'],
  ])('refuses the time %s', (time, message) => {
    expect(() => decodeLine(at(time))).toThrow(message);
  });

  test.each([
    ['', 'from column 1 on: expected the host and a space, found the end of the line'],
    ['host', 'from column 1 on: expected the host and a space, found "host"'],
    ['h -', 'from column 3 on: expected the identity of the client and a space'],
    [
      'www.example.com:80 192.0.2.1 - - [21/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5',
      "from column 30 on: expected the user's name; vhost_combined has the virtual host before all fields",
    ],
    ['h - user', "from column 5 on: expected the user's name and then [, where the time begins"],
    ['h - - [17/May/2015:10:05:03 +0000 "GET', 'from column 34 on: expected "] \\"", found'],
    ['h - - [17/May/2015:10:05:03 +0000] "GET /', 'the quote that ends the request, which begins at column 37'],
    [line.replace('200', '20'), 'expected a status of three digits, found "'],
    [line.replace('200', '2000'), 'from column 92 on: expected " ", found "0 203023'],
    [line.replace('203023', 'many'), 'expected - or a number of bytes of at most 15 digits, found "many'],
    [line.replace('203023', '1'.repeat(16)), 'expected - or a number of bytes'],
    [`${line} 0.004`, 'expected the end of the line, found " 0.004"'],
    [`${line} "-" 0.004`, 'expected the end of the line, found " 0.004"'],
    [`${line} "192.0.2.1`, 'expected the quote that ends the header X-Forwarded-For, which begins at column'],
    [line.slice(0, -1), "the quote that ends the client's name"],
  ])('refuses %s', (broken, message) => {
    expect(() => decodeLine(broken)).toThrow(message);
  });

  test.each([
    [line, true],
    [line.replace('frank', 'frank of the web'), true],
    [line.slice(0, -10), true],
    ['{"a":"x y z [17/May/2015:10:05:03"}', false],
    ['1.2.3.4,512,1431857103000', false],
  ])('whether %s is of this format: %s', (text, expected) => {
    expect(recognises(text)).toBe(expected);
  });

  test('fails with nothing but an Error that says where', () => {
    const anything = fc.constantFrom(
      '"',
      '\\',
      ' ',
      '[',
      ']',
      '-',
      '+',
      '/',
      ':',
      '0',
      '9',
      'x',
      'é',
      '😀',
      '\u0000',
      '\ud800',
    );
    const damaged = fc
      .array(fc.tuple(fc.nat(line.length), fc.nat(3), fc.string({ unit: anything, maxLength: 3 })), { maxLength: 4 })
      .map((changes) =>
        changes.reduce((text, [from, length, put]) => text.slice(0, from) + put + text.slice(from + length), line),
      );
    fc.assert(
      fc.property(fc.oneof(damaged, fc.string(), fc.string({ unit: anything })), (text) => {
        try {
          decodeLine(text);
        } catch (error) {
          expect((error as Error).message).toMatch(
            /^the line cannot be read from column \d+ on: expected .+, found ./s,
          );
        }
      }),
      { numRuns: 3_000 },
    );
  });

  test('takes time in proportion to the line, whatever is in it', () => {
    // A quadratic search would take minutes for these.
    for (const filler of ['\\', '\\"', '"', ' ', '[']) {
      const long = `h - - [17/May/2015:10:05:03 +0000] "${filler.repeat(500_000)}`;
      expect(() => decodeLine(long)).toThrow(/expected/);
      recognises(long);
      recognises(filler.repeat(500_000));
    }
  });
});

const log = '../shared/data/access.log';

describe.skipIf(!existsSync(log))('a real access log', () => {
  const records: AccessLogRecord[] = [];
  const lines: string[] = [];
  const failures: [number, string][] = [];
  if (existsSync(log)) {
    readFileSync(log, 'utf8')
      .split('\n')
      .forEach((text, index) => {
        if (text === '') return;
        try {
          records.push(decodeLine(text));
          lines.push(text);
        } catch (error) {
          failures.push([index + 1, (error as Error).message]);
        }
      });
  }

  test('has exactly one malformed line, whose last quote is missing', () => {
    expect(records).toHaveLength(9_999);
    expect(failures).toEqual([[8_899, expect.stringContaining("the quote that ends the client's name")]]);
  });

  test('has the bytes by host that awk sums', () => {
    const good = lines.join('\n');
    const program =
      '{ if ($10 ~ /^[0-9]+$/) b[$1] += $10; else b[$1] += 0 } END { for (ip in b) printf "%s %d\\n", ip, b[ip] }';
    const expected = execFileSync('awk', [program], { input: good, encoding: 'utf8' }).trim().split('\n').sort();
    const bytes = new Map<string, number>();
    for (const record of records) bytes.set(record.host, (bytes.get(record.host) ?? 0) + record.bytes);
    expect([...bytes].map(([host, sum]) => `${host} ${sum}`).sort()).toEqual(expected);
  });

  test('has the fields that splitting at spaces gives', () => {
    const expected = lines.map((text) => {
      const [host, , , day, zone, method, path, , status] = text.split(' ');
      const [, date, month, year, clock] = /^\[(\d+)\/(\w+)\/(\d+):(.*)$/.exec(day ?? '') ?? [];
      const timeMs = Date.parse(`${date} ${month} ${year} ${clock} ${zone?.slice(0, 5)}`);
      return [host, timeMs, method?.slice(1), path, status].join(' ');
    });
    const actual = records.map(({ host, timeMs, method, path, status }) =>
      [host, timeMs, method, path, status].join(' '),
    );
    expect(actual).toEqual(expected);
  });

  test('is recognised line by line', () => {
    expect(lines.every(recognises)).toBe(true);
  });
});
