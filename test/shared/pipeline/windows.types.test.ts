import { expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import {
  calendar,
  count,
  countWindow,
  dynamodb,
  everyRecords,
  everyTime,
  first,
  global,
  hours,
  linearRegression,
  minutes,
  part,
  prediction,
  rate,
  ratio,
  seconds,
  session,
  shareOfTotal,
  stddev,
  stream,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';

// The compiler is the test: these functions are checked and never called.

const requests = stream('requests', {
  schema: z.object({ host: z.string(), bytes: z.number(), at: z.number() }),
  timestamp: (r) => r.at,
  outOfOrderness: seconds(5),
});
const byHost = requests.keyBy((r) => ({ host: r.host }));
const sink = dynamodb({ ttl: hours(1) });
const lateness = { allowedLateness: seconds(0) } as const;
type RowOf<O> = O extends { readonly __row?: infer Row } ? NonNullable<Row> : never;

test('the row of a global window has no bounds', () => {
  const ever = byHost
    .window(global({ trigger: [everyRecords(10), everyTime(minutes(1))] }), lateness)
    .aggregate('ever', { n: count(), bytes: sum((r) => r.bytes) })
    .to(sink);
  expectTypeOf<RowOf<typeof ever>>().toEqualTypeOf<{ host: string; readonly n: number; readonly bytes: number }>();
});

test('a model of all records predicts, and windows of each key derive what needs no total', () => {
  interface Request {
    readonly bytes: number;
    readonly at: number;
  }
  const line = linearRegression<Request>(
    (r) => r.at,
    (r) => r.bytes,
  );
  const all = byHost.window(global({ trigger: everyRecords(10) }), lateness).aggregate('ever', { n: count(), line });
  const ever = all
    .derive({ next: prediction('line', { at: 10 }) })
    .derive({ slope: part('line.slope'), each: ratio('line.slope', 'n') })
    .to(sink);
  expectTypeOf<RowOf<typeof ever>['next']>().toEqualTypeOf<number | null>();
  const visits = byHost.window(session({ gap: minutes(1) }), lateness).aggregate('visits', { n: count() });
  expectTypeOf(visits.derive({ perSecond: rate('n') })).toHaveProperty('to');
  void (() => {
    // @ts-expect-error: a global window has no length.
    all.derive({ r: rate('n') });
    // @ts-expect-error: it has no total of all keys either.
    all.derive({ s: shareOfTotal('n') });
    // @ts-expect-error: sessions of different keys have none.
    visits.derive({ s: shareOfTotal('n') });
    // @ts-expect-error: records without a window have no length.
    byHost.aggregate('v', { n: count() }).derive({ r: rate('n') });
    // @ts-expect-error: there is no such part.
    all.derive({ p: part('line.slpe') });
  });
});

test('rows that change are no stream, and those of every n records are', () => {
  const changing = byHost.window(global({ trigger: everyRecords(10) }), lateness).aggregate('ever', { n: count() });
  expectTypeOf(changing).not.toHaveProperty('asStream');
  const whole = byHost.window(countWindow(10), lateness).aggregate('tens', { n: count() });
  expectTypeOf(whole.asStream).toBeFunction();
  expectTypeOf(whole).not.toHaveProperty('top');
});

test('rows are ranked by numbers, which may be null, and by parts', () => {
  const table = byHost.window(tumbling(minutes(1)), { ...lateness, emit: 'on-close' }).aggregate('spread', {
    off: stddev((r: { bytes: number }) => r.bytes),
    first: first((r: { host: string }) => r.host),
  });
  expectTypeOf(table.top('noisiest', 5, { by: 'off' })).toHaveProperty('to');
  void (() => {
    // @ts-expect-error: a text is no rank.
    table.top('texts', 5, { by: 'first' });
  });
});

test('a late record has the key and the columns that are selected', () => {
  const late = byHost
    .window(tumbling(minutes(1)), lateness)
    .aggregate('minutes', { n: count() })
    .late('late', { bytes: (r) => r.bytes, at: (r) => r.at })
    .to(sink);
  expectTypeOf<RowOf<typeof late>>().toEqualTypeOf<{ host: string; readonly bytes: number; readonly at: number }>();
});

test('what cannot be meant does not compile', () => {
  void (() => {
    // @ts-expect-error: only weeks begin on a day.
    calendar('day', { timeZone: 'UTC', weekStart: 'sunday' });
    // @ts-expect-error: a calendar is of a place.
    calendar('day', {});
    // @ts-expect-error: rows that are refreshed anyway have no early ones.
    byHost.window(tumbling(minutes(1)), { ...lateness, early: { every: minutes(1) } });
    // @ts-expect-error: windows of records have no refresh.
    byHost.window(countWindow(3), { ...lateness, refresh: minutes(1) });
    // @ts-expect-error: a trigger is a number of records or a duration.
    global({ trigger: everyTime(60_000) });
  });
});
