import { describe, expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import {
  count,
  days,
  dynamodb,
  minutes,
  ratio,
  seconds,
  session,
  shareOfTotal,
  stream,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';

// The compiler is the test: these functions are checked and never called.

const request = z.object({ host: z.string(), bytes: z.number(), at: z.number() });
const requests = stream('requests', { schema: request, timestamp: (r) => r.at, outOfOrderness: seconds(5) });
const byHost = requests.keyBy((r) => ({ host: r.host }));
const sink = dynamodb({ ttl: days(1) });
const lateness = { allowedLateness: seconds(0) } as const;
const columns = { requests: count<z.output<typeof request>>(), bytes: sum((r: z.output<typeof request>) => r.bytes) };
const perMinute = byHost
  .window(tumbling(minutes(1)), { ...lateness, emit: 'on-close' })
  .aggregate('per-minute', columns);

type RowOf<O> = O extends { readonly __row?: infer Row } ? NonNullable<Row> : never;

describe('rows as a stream', () => {
  test('have the key, the window’s bounds and the aggregated columns', () => {
    void (() =>
      perMinute.asStream().filter((row) => {
        expectTypeOf(row).toEqualTypeOf<{
          host: string;
          readonly windowStart: Date;
          readonly windowEnd: Date;
          readonly requests: number;
          readonly bytes: number;
        }>();
        return true;
      }));
  });

  test('are offered by sessions and joins too', () => {
    const visits = byHost.window(session({ gap: minutes(5) }), lateness).aggregate('visits', columns);
    expectTypeOf(visits.asStream).toBeFunction();
    const pairs = byHost
      .join(byHost, { within: [seconds(0), seconds(1)], kind: 'left', ...lateness })
      .select('pairs', { left: { a: (r) => r.bytes }, right: { b: (r) => r.bytes } });
    void (() =>
      pairs.asStream().map((pair) => {
        expectTypeOf(pair.leftTime).toEqualTypeOf<Date>();
        expectTypeOf(pair.rightTime).toEqualTypeOf<Date | null>();
        expectTypeOf(pair.b).toEqualTypeOf<number | null>();
        return pair;
      }));
  });

  test('are not offered by windows that report before they are final, nor with columns that are derived when read', () => {
    const onUpdate = byHost.window(tumbling(minutes(1)), lateness).aggregate('on-update', columns);
    // @ts-expect-error An on-update row changes.
    void (() => onUpdate.asStream());
    // @ts-expect-error An on-update row changes.
    void (() => onUpdate.top('best', 1, { by: 'bytes' }));
    const derived = perMinute.derive({ each: ratio('bytes', 'requests') });
    // @ts-expect-error The stream is taken from the table before.
    void (() => derived.asStream());
    // @ts-expect-error Nor is there one behind further columns.
    void (() => derived.derive({ twice: ratio('bytes', 'bytes') }).asStream());
  });
});

describe('the best rows', () => {
  test('have a rank, and all columns of the rows', () => {
    const output = perMinute.top('best', 3, { by: 'bytes' }).to(sink);
    expectTypeOf<RowOf<typeof output>>().toEqualTypeOf<{
      readonly rank: number;
      readonly windowStart: Date;
      readonly windowEnd: Date;
      host: string;
      readonly requests: number;
      readonly bytes: number;
    }>();
  });

  test('rank by a column of numbers', () => {
    // @ts-expect-error There is no such column.
    void (() => perMinute.top('best', 3, { by: 'missing' }));
    // @ts-expect-error A key is a text.
    void (() => perMinute.top('best', 3, { by: 'host' }));
  });

  test('have the columns that are derived, and rank by them', () => {
    const derived = perMinute.derive({ share: shareOfTotal('bytes') }).derive({ each: ratio('bytes', 'requests') });
    const output = derived.top('best', 3, { by: 'share' }).to(sink);
    expectTypeOf<RowOf<typeof output>>().toEqualTypeOf<{
      readonly rank: number;
      readonly windowStart: Date;
      readonly windowEnd: Date;
      host: string;
      readonly requests: number;
      readonly bytes: number;
      readonly share: number | null;
      readonly each: number | null;
    }>();
    void (() =>
      derived
        .rank('equals', 3, { by: 'each', as: 'place' })
        .asStream()
        .map((row) => {
          expectTypeOf(row.share).toEqualTypeOf<number | null>();
          expectTypeOf(row.place).toEqualTypeOf<number>();
          return row;
        }));
    // @ts-expect-error There is no such column.
    void (() => derived.top('best', 3, { by: 'shares' }));
    // @ts-expect-error A column is there already.
    void (() => derived.rank('best', 3, { by: 'share', as: 'share' }));
    // @ts-expect-error A derived column is not made of another.
    void (() => derived.derive({ more: ratio('share', 'bytes') }));
    // @ts-expect-error A key is no number to have a share of.
    void (() => perMinute.derive({ share: shareOfTotal('host') }));
    // @ts-expect-error The table has such a column.
    void (() => perMinute.derive({ bytes: shareOfTotal('bytes') }));
  });

  test('are not those of sessions, whose keys share no windows', () => {
    const visits = byHost.window(session({ gap: minutes(5) }), lateness).aggregate('visits', columns);
    // @ts-expect-error Sessions have no top.
    void (() => visits.top('best', 3, { by: 'bytes' }));
  });
});
