import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gridOf } from '#shared/engine/operators/window.ts';
import { type CalendarWindow, calendar } from '#shared/pipeline/index.ts';
import { calendarWindowAt } from '#shared/testing/calendar-oracle.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';

/** The window around a moment, and its length in hours. */
function around(window: CalendarWindow, moment: string): readonly [start: string, end: string, hours: number] {
  const grid = gridOf(window);
  const [name] = grid.namesAt(Date.parse(moment));
  const { startMs, endMs } = grid.rangeOf(name as number);
  const iso = (timeMs: number): string => new Date(timeMs).toISOString().replace(':00.000Z', 'Z');
  return [iso(startMs), iso(endMs), (endMs - startMs) / 3_600_000];
}

const dayIn = (timeZone: string): CalendarWindow => calendar('day', { timeZone });

describe('a day', () => {
  test.each<readonly [string, string, readonly [string, string, number]]>([
    ['Europe/Berlin', '2024-03-31T12:00Z', ['2024-03-30T23:00Z', '2024-03-31T22:00Z', 23]],
    ['Europe/Berlin', '2024-10-27T12:00Z', ['2024-10-26T22:00Z', '2024-10-27T23:00Z', 25]],
    ['Europe/Berlin', '2024-07-01T12:00Z', ['2024-06-30T22:00Z', '2024-07-01T22:00Z', 24]],
    ['America/New_York', '2024-03-10T12:00Z', ['2024-03-10T05:00Z', '2024-03-11T04:00Z', 23]],
    ['America/New_York', '2024-11-03T12:00Z', ['2024-11-03T04:00Z', '2024-11-04T05:00Z', 25]],
    // Half an hour.
    ['Australia/Lord_Howe', '2024-10-06T03:00Z', ['2024-10-05T13:30Z', '2024-10-06T13:00Z', 23.5]],
    ['Australia/Lord_Howe', '2024-04-07T03:00Z', ['2024-04-06T13:00Z', '2024-04-07T13:30Z', 24.5]],
    // The place went over the date line and had no 30 December.
    ['Pacific/Apia', '2011-12-30T09:59Z', ['2011-12-29T10:00Z', '2011-12-30T10:00Z', 24]],
    ['Pacific/Apia', '2011-12-30T10:00Z', ['2011-12-30T10:00Z', '2011-12-31T10:00Z', 24]],
    // Clocks were put forward at midnight, so the day begins at one.
    ['America/Sao_Paulo', '2018-11-04T12:00Z', ['2018-11-04T03:00Z', '2018-11-05T02:00Z', 23]],
    // Clocks were put back at one minute past midnight: the hour that came again is of the day that had begun.
    ['America/St_Johns', '2006-10-29T02:45Z', ['2006-10-29T02:30Z', '2006-10-30T03:30Z', 25]],
    ['America/St_Johns', '2006-10-29T02:29Z', ['2006-10-28T02:30Z', '2006-10-29T02:30Z', 24]],
    ['UTC', '1969-12-31T23:59Z', ['1969-12-31T00:00Z', '1970-01-01T00:00Z', 24]],
  ])('in %s around %s', (timeZone, moment, expected) => {
    expect(around(dayIn(timeZone), moment)).toEqual(expected);
  });
});

test('a week begins on Monday, or on Sunday when that is wished', () => {
  const timeZone = 'Europe/Berlin';
  expect(around(calendar('week', { timeZone }), '2024-03-31T12:00Z')).toEqual([
    '2024-03-24T23:00Z',
    '2024-03-31T22:00Z',
    167,
  ]);
  expect(around(calendar('week', { timeZone, weekStart: 'sunday' }), '2024-03-31T12:00Z')).toEqual([
    '2024-03-30T23:00Z',
    '2024-04-06T22:00Z',
    167,
  ]);
});

test('a month is as long as it is there', () => {
  expect(around(calendar('month', { timeZone: 'Europe/Berlin' }), '2024-03-05T00:00Z')).toEqual([
    '2024-02-29T23:00Z',
    '2024-03-31T22:00Z',
    31 * 24 - 1,
  ]);
  expect(around(calendar('month', { timeZone: 'Pacific/Apia' }), '2011-12-05T00:00Z')[2]).toBe(30 * 24);
});

const zones = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'America/St_Johns',
  'America/Sao_Paulo',
  'Asia/Kathmandu',
  'Africa/Casablanca',
  'America/Havana',
];
const anyWindow = fc
  .record({ timeZone: fc.constantFrom(...zones), unit: fc.constantFrom('day', 'monday', 'sunday', 'month') })
  .map(({ timeZone, unit }): CalendarWindow => {
    if (unit === 'day' || unit === 'month') return calendar(unit, { timeZone });
    return calendar('week', { timeZone, weekStart: unit as 'monday' | 'sunday' });
  });
const anyTime = fc.integer({ min: Date.UTC(1975, 0), max: Date.UTC(2035, 0) });

test('is what asking the clock on the wall gives', { timeout: fuzzTimeoutMs }, () => {
  fc.assert(
    fc.property(anyWindow, anyTime, (window, timeMs) => {
      const grid = gridOf(window);
      const { startMs, endMs } = grid.rangeOf(grid.namesAt(timeMs)[0] as number);
      expect([startMs, endMs]).toEqual([...calendarWindowAt(window, timeMs)]);
    }),
    { numRuns: 2_000 },
  );
});

test('windows lie side by side from 1975 to 2035', () => {
  const wrong: unknown[] = [];
  for (const timeZone of zones.slice(0, 6)) {
    const grid = gridOf(dayIn(timeZone));
    let timeMs = grid.sliceStart(Date.UTC(1975, 0));
    while (timeMs < Date.UTC(2035, 0)) {
      const endMs = grid.sliceEnd(timeMs);
      if (endMs <= timeMs || grid.sliceStart(endMs - 1) !== timeMs || grid.startOf(endMs) !== timeMs)
        wrong.push([timeZone, timeMs]);
      timeMs = endMs;
    }
  }
  expect(wrong).toEqual([]);
});

test(
  'agrees with DuckDB, hour by hour',
  async () => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    for (const timeZone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia']) {
      for (const unit of ['day', 'week', 'month'] as const) {
        const reader = await connection.runAndReadAll(`
        SELECT epoch_ms(t), epoch_ms(date_trunc('${unit}', t AT TIME ZONE '${timeZone}') AT TIME ZONE '${timeZone}')
        FROM (SELECT unnest(generate_series(TIMESTAMPTZ '2011-01-01 00:30:00+00', TIMESTAMPTZ '2013-01-01 00:00:00+00', INTERVAL 1 HOUR)) AS t)`);
        const rows = reader.getRows() as unknown as readonly (readonly [bigint, bigint])[];
        expect(rows.length).toBeGreaterThan(17_000);
        const grid = gridOf(calendar(unit, { timeZone }));
        const wrong = rows.filter(([timeMs, startMs]) => grid.sliceStart(Number(timeMs)) !== Number(startMs));
        expect([timeZone, unit, wrong]).toEqual([timeZone, unit, []]);
      }
    }
  },
  fuzzTimeoutMs,
);
