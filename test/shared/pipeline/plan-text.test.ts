import { expect, test } from 'vitest';
import {
  calendar,
  count,
  countWindow,
  cumulative,
  everyRecords,
  everyTime,
  global,
  hours,
  minutes,
  seconds,
  session,
  shareOfTotal,
  stream,
  tumbling,
} from '#shared/pipeline/index.ts';
import { describePlan } from '#shared/pipeline/plan-text.ts';
import { pipelineOf, type Reading, readingSchema, readings, sink } from '../readings.ts';

// What `millrace plan` says of each kind of window, before anything runs.

const keyed = readings().keyBy((reading) => ({ key: reading.key }));
const late = { allowedLateness: seconds(0) } as const;
const columns = { n: count<Reading>() };

test('every kind of window is described', () => {
  const early = { every: minutes(5), time: 'event' } as const;
  const days = keyed
    .window(calendar('day', { timeZone: 'Europe/Berlin' }), { ...late, emit: 'on-close', early })
    .aggregate('days', columns);
  const { plan } = pipelineOf([
    keyed
      .window(cumulative(hours(6), { step: hours(1) }), late)
      .aggregate('so-far', columns)
      .to(sink),
    days.to(sink),
    days.late('late-days', { at: (reading) => reading.at }).to(sink),
    keyed
      .window(calendar('week', { timeZone: 'UTC', weekStart: 'sunday' }), late)
      .aggregate('weeks', columns)
      .to(sink),
    keyed
      .window(session({ gap: minutes(30), maxLength: hours(4) }), late)
      .aggregate('visits', columns)
      .to(sink),
    keyed
      .window(countWindow(10, { incomplete: 'emit', ttl: hours(1) }), late)
      .aggregate('tens', columns)
      .to(sink),
    keyed
      .window(
        global({ trigger: [everyRecords(100), everyTime(minutes(1)), everyTime(minutes(2), { time: 'arrival' })] }),
        late,
      )
      .aggregate('ever', columns)
      .to(sink),
  ]);
  const lines = describePlan(plan, 'hash').flatMap(
    (line) => /^ {2}((?:cumulative|calendar|sessions|every|all|a row) .*)$/.exec(line)?.[1] ?? [],
  );
  expect(lines).toEqual([
    'cumulative windows of up to 6 h in steps of 1 h, allowed lateness 0 ms, rows refreshed every 5 s',
    'calendar windows of a day in Europe/Berlin, allowed lateness 0 ms, rows when windows close, early ones every 5 min of event time',
    'a row of each record that is late for days, under its key, rows as records come',
    'calendar windows of a week from Sunday on in UTC, allowed lateness 0 ms, rows refreshed every 5 s',
    'sessions with a gap of 30 min and at most 4 h long, allowed lateness 0 ms, rows when windows close',
    'every 10 records of a key, the last ones fewer, given up 1 h after the last one, allowed lateness 0 ms, rows when windows close',
    'all records of a key, shown every 100 records and every 1 min and every 2 min of arrival time, allowed lateness 0 ms, rows when they are triggered',
  ]);
});

test('rows that are ranked by a share say so, and what is totalled for them', () => {
  const table = keyed
    .window(tumbling(minutes(1)), { ...late, emit: 'on-close' })
    .aggregate('minutes', columns)
    .derive({ share: shareOfTotal('n') });
  const { plan } = pipelineOf([table.top('best', 3, { by: 'share' }).to(sink)]);
  const lines = describePlan(plan, 'hash');
  expect(lines).toContain('  totalled over all keys: n');
  expect(lines).toContain('  the 3 rows of each window of minutes with the highest share, rows when windows close');
  expect(lines).toContain('  columns n, share');
});

test('a stream that goes on with the clock is described', () => {
  const source = stream('readings', {
    schema: readingSchema,
    timestamp: (reading) => reading.at,
    outOfOrderness: seconds(0),
    idleAfter: minutes(1),
    whenSilent: 'advance',
  });
  const { plan } = pipelineOf([source.select('rows', { amount: ({ amount }) => amount }).to(sink)]);
  expect(describePlan(plan, 'hash')).toContain(
    '  reads json; out of order by up to 0 ms; gives up silent shards after 1 min, and goes on with the clock when all are silent',
  );
});
