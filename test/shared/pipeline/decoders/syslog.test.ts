import { describe, expect, test } from 'vitest';
import { type SyslogRecord, syslog } from '#shared/pipeline/decoders/syslog.ts';
import { toIso } from '#shared/schemas/time.ts';

const decoder = syslog();
const arrivalMs = Date.parse('2026-11-21T12:00:00Z');

describe('a line of RFC 5424', () => {
  // Examples 1 and 4 of https://www.rfc-editor.org/rfc/rfc5424#section-6.5
  test('is read with its structured data', () => {
    const line =
      '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"] An application event';
    expect(decoder.decodeLine(line)).toEqual({
      facility: 20,
      severity: 5,
      timeMs: Date.parse('2003-10-11T22:14:15.003Z'),
      host: 'mymachine.example.com',
      app: 'evntslog',
      procId: '',
      msgId: 'ID47',
      structuredData: {
        'exampleSDID@32473': { iut: '3', eventSource: 'Application', eventID: '1011' },
        'examplePriority@32473': { class: 'high' },
      },
      message: 'An application event',
    });
  });

  test('is read with the mark of UTF-8 before its message, which is no part of it', () => {
    const line = "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed";
    expect(decoder.decodeLine(line)).toMatchObject({
      facility: 4,
      severity: 2,
      structuredData: {},
      message: "'su root' failed",
    });
  });

  test('is read with escapes and other backslashes in its values', () => {
    const line = String.raw`<0>1 - h a p m [x k="a\"b\\c\]d\e"]`;
    expect(decoder.decodeLine(line)).toMatchObject({
      timeMs: null,
      structuredData: { x: { k: String.raw`a"b\c]d\e` } },
      message: '',
    });
  });

  test('is read whatever its parameters are named', () => {
    const { structuredData } = decoder.decodeLine('<0>1 - h a p m [__proto__ constructor="1"]');
    expect(Object.keys(structuredData)).toEqual(['__proto__']);
  });

  test.each([
    ['<192>1 - h a p m -', 'from column 2 on: expected a priority from 0 to 191 and then >'],
    ['<1>1 2026-13-01T00:00:00Z h a p m -', 'from column 11 on: expected a month from 01 to 12'],
    ['<1>1 2026-02-29T00:00:00Z h a p m -', 'expected a day that Feb 2026 has'],
    ['<1>1 - h a p', 'from column 12 on: expected the process, or -, and then a space'],
    ['<1>1 - h a p m [x k="1]', 'expected the quote that ends the value of k, which begins at column 22'],
    ['<1>1 - h a p m [x k=1]', 'from column 20 on: expected "=\\""'],
    ['<1>1 - h a p m [] x', 'expected the name of an element of the structured data'],
    ['<1>1 - h a p m x', 'expected structured data, which begins with [, or -'],
  ])('that is %j is rejected, and says where', (line, message) => {
    expect(() => decoder.decodeLine(line)).toThrow(message);
  });
});

describe('a line of RFC 3164', () => {
  // https://www.rfc-editor.org/rfc/rfc3164#section-5.4
  test('is read with the year that is nearest to its arrival', () => {
    const line = "<34>Oct 11 22:14:15 mymachine su[231]: 'su root' failed for lonvick on /dev/pts/8";
    expect(decoder.decodeLine(line, { arrivalMs })).toEqual({
      facility: 4,
      severity: 2,
      timeMs: Date.parse('2026-10-11T22:14:15Z'),
      host: 'mymachine',
      app: 'su',
      procId: '231',
      msgId: '',
      structuredData: {},
      message: "'su root' failed for lonvick on /dev/pts/8",
    });
  });

  test.each([
    ['Dec 31 23:59:59', '2027-01-01T00:00:10Z', '2026-12-31T23:59:59Z'],
    ['Jan  1 00:00:05', '2026-12-31T23:59:58Z', '2027-01-01T00:00:05Z'],
    ['Feb 29 00:00:00', '2027-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
  ])('that says %s and arrives at %s is of %s', (time, arrival, expected) => {
    const { timeMs } = decoder.decodeLine(`${time} h a: m`, { arrivalMs: Date.parse(arrival) });
    expect(timeMs).toBe(Date.parse(expected));
  });

  test('is of the year and the time zone that are given', () => {
    const local = syslog({ year: 2020, utcOffset: '-01:30' });
    expect(local.decodeLine('Feb  1 23:00:00 h m', { arrivalMs }).timeMs).toBe(Date.parse('2020-02-02T00:30:00Z'));
  });

  test.each([
    ['year', syslog({ year: 2025 })],
    ['reference', syslog({ reference: new Date('2026-01-10T00:00:00Z') })],
  ])('goes on in the next year behind December, from the %s of the first line', (_, given) => {
    let begun = given.begin?.() ?? given;
    const timesOf = (times: readonly string[]) =>
      times.map((time) => toIso((begun.decodeLine(`${time} h a: m`) as SyslogRecord).timeMs ?? 0).slice(0, 10));
    // A line that is late is of the year before; a device without a clock begins in January, and is told its time later.
    expect(
      timesOf(['Nov 21 10:00:00', 'Dec 31 23:59:59', 'Jan  1 00:00:01', 'Dec 31 23:59:58', 'Jan  1 00:00:02']),
    ).toEqual(['2025-11-21', '2025-12-31', '2026-01-01', '2025-12-31', '2026-01-01']);
    expect(timesOf(['Jun 10 00:00:00', 'Nov 21 00:00:00', 'Jan  1 00:00:00', 'Nov 21 00:00:00'])).toEqual([
      '2026-06-10',
      '2026-11-21',
      '2027-01-01',
      '2026-11-21',
    ]);
    // A raw record, and a file, begin anew.
    begun = given.begin?.() ?? given;
    expect(timesOf(['Dec  1 00:00:00'])).toEqual(['2025-12-01']);
  });

  test('stands alone with its year', () => {
    const given = syslog({ year: 2025, utcOffset: '+02:00' });
    const begun = given.begin?.();
    begun?.decodeLine('Dec 31 23:00:00 h a: m');
    for (const line of ['<34>Jan  1 01:00:00.5 h su[1]: x', '<165>1 - h a p m -', '2026-01-01T00:00:00Z h m']) {
      const record = begun?.decodeLine(line);
      const alone = begun?.standAlone(line) ?? '';
      expect(syslog().decodeLine(alone)).toEqual(record);
      expect(alone).toBe(line.replace('Jan  1 01:00:00.5', '2025-12-31T23:00:00.500Z'));
    }
    expect(() => begun?.decodeLine('Foo 11 22:14:15 h m')).toThrow();
    expect(begun?.standAlone('Foo 11 22:14:15 h m')).toBe('Foo 11 22:14:15 h m');
  });

  test('is read without a tag, without a priority, and with a full time', () => {
    expect(decoder.decodeLine('2026-11-21T10:00:00.5+01:00 h kernel panic', { arrivalMs })).toMatchObject({
      facility: 1,
      severity: 5,
      timeMs: Date.parse('2026-11-21T09:00:00.500Z'),
      app: '',
      message: 'kernel panic',
    });
  });

  // journalctl -o short-iso, short-iso-precise and short-precise, as systemd 254 writes them.
  test.each([
    ['2026-11-21T10:00:00+0100', '2026-11-21T09:00:00Z'],
    ['2026-11-21T10:00:00.123456-0130', '2026-11-21T11:30:00.123Z'],
    ['Nov 21 10:00:00.123456', '2026-11-21T10:00:00.123Z'],
    ['<13>Nov  1 10:00:00.5', '2026-11-01T10:00:00.500Z'],
  ])('is read with the time %s', (time, expected) => {
    expect(decoder.decodeLine(`${time} h sshd[7]: m`, { arrivalMs })).toMatchObject({
      timeMs: Date.parse(expected),
      host: 'h',
      procId: '7',
    });
  });

  test.each([
    ['Oct 11 22:14:15. h m', { arrivalMs }, 'from column 17 on: expected a digit behind the point'],
    ['2026-11-21T10:00:00+01 h m', {}, 'from column 23 on: expected the minutes of a time zone'],
    ['<1>1 2026-11-21T10:00:00+0100 h a p m -', {}, 'from column 28 on: expected ":"'],
    [
      'Oct 11 22:14:15 h m',
      {},
      'the line has no year (RFC 3164), and a file no time of arrival; name that of the first line: syslog({ year: 2026 })',
    ],
    ['Feb 30 00:00:00 h m', { arrivalMs }, 'from column 5 on: expected a day that the month has'],
    ['Foo 11 22:14:15 h m', { arrivalMs }, 'from column 1 on: expected a month from Jan to Dec'],
    ['Oct 11 22:14:15', { arrivalMs }, 'from column 16 on: expected " ", found the end of the line'],
  ])('that is %j is rejected, and says where', (line, context, message) => {
    expect(() => decoder.decodeLine(line, context)).toThrow(message);
  });
});

test.each([
  [{ year: 0 }],
  [{ reference: new Date('x') }],
  [{ year: 2026, reference: new Date() }],
  [{ year: 2026.5 }],
  [{ utcOffset: 'CET' }],
  [{ utcOffset: '+25:00' }],
])('options that cannot be are refused: %j', (options) => {
  expect(() => syslog(options)).toThrow(/^PIPELINE_INVALID: syslog: /);
});
