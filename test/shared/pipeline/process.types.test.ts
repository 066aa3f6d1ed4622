import { describe, expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import { days, dynamodb, minutes, seconds, stream } from '#shared/pipeline/index.ts';

// The compiler is the test: these functions are checked and never called.

const request = z.object({
  host: z.string(),
  status: z.number().int(),
  at: z.iso.datetime().transform((text) => new Date(text)),
});
const requests = stream('requests', { schema: request, timestamp: (r) => r.at, outOfOrderness: seconds(5) });
const byHost = requests.keyBy((r) => ({ host: r.host }));
const sink = dynamodb({ ttl: days(1) });
const usual = { ttl: minutes(1), allowedLateness: seconds(0) } as const;

type RowOf<O> = O extends { readonly __row?: infer Row } ? NonNullable<Row> : never;

describe('a process function, without an annotation,', () => {
  test('knows its record, its key, its state and its rows', () => {
    const output = byHost
      .process('a', {
        columns: {
          status: (r) => {
            expectTypeOf(r).toEqualTypeOf<z.output<typeof request>>();
            return r.status;
          },
        },
        emits: { total: 'number', what: 'string?', any: 'json' },
        state: () => ({ total: 0, seen: false }),
        onEvent: (event, { key, state, emit, timeMs }) => {
          expectTypeOf(event).toEqualTypeOf<{ readonly status: number }>();
          expectTypeOf(key).toEqualTypeOf<{ host: string }>();
          expectTypeOf(state.get()).toEqualTypeOf<{ total: number; seen: boolean }>();
          emit({ total: state.get().total + event.status, what: null, any: [timeMs] });
          // @ts-expect-error A column is missing.
          emit({ total: 1, what: '' });
          // @ts-expect-error A column has another type.
          emit({ total: '', what: '', any: 1 });
          // @ts-expect-error The state has another type.
          state.set({ total: '' });
        },
        onTimer: (timeMs, { setTimer }) => setTimer(timeMs + minutes(1)),
        ...usual,
      })
      .to(sink);
    expectTypeOf<RowOf<typeof output>['total']>().toEqualTypeOf<number>();
    expectTypeOf<RowOf<typeof output>['what']>().toEqualTypeOf<string | null>();
    expectTypeOf<RowOf<typeof output>['time']>().toEqualTypeOf<Date>();
    expectTypeOf<RowOf<typeof output>['host']>().toEqualTypeOf<string>();
  });

  test('has no names twice, and nothing in its state that JSON would change', () => {
    const columns = { status: (r: { readonly status: number }) => r.status };
    const good = { columns, state: () => 0, onEvent: () => {}, ...usual };
    // @ts-expect-error Taken by the key.
    byHost.process('a', { ...good, emits: { host: 'string' } });
    // @ts-expect-error Taken by the row.
    byHost.process('a', { ...good, emits: { time: 'string' } });
    // @ts-expect-error No such type.
    byHost.process('a', { ...good, emits: { when: 'date' } });
    // @ts-expect-error A Date comes back as a text.
    byHost.process('a', { ...good, emits: {}, state: () => ({ since: new Date() }) });
    // @ts-expect-error The life of a state must be said.
    byHost.process('a', { columns, emits: {}, state: () => 0, onEvent: () => {}, allowedLateness: seconds(0) });
  });
});

test('what is left without duplicates has the key, the time and the columns', () => {
  const output = byHost
    .dedupe('a', { columns: { status: (r) => r.status }, within: minutes(1), allowedLateness: seconds(0) })
    .to(sink);
  expectTypeOf<RowOf<typeof output>>().toEqualTypeOf<{
    host: string;
    readonly time: Date;
    readonly status: number;
  }>();
});

describe('a join with a table', () => {
  const names = stream('names', {
    schema: z.object({ host: z.string(), name: z.string(), at: z.number(), gone: z.boolean() }),
    timestamp: (r) => r.at,
    outOfOrderness: seconds(0),
  });
  const table = names.keyBy((r) => ({ host: r.host }));

  test('knows the records of both sides, and that a left one may have no version', () => {
    const inner = byHost
      .joinTable(table, { deletes: (r) => r.gone, allowedLateness: seconds(0) })
      .select('a', { left: { status: (r) => r.status }, right: { name: (r) => r.name } })
      .to(sink);
    expectTypeOf<RowOf<typeof inner>>().toEqualTypeOf<{
      host: string;
      readonly time: Date;
      readonly status: number;
      readonly tableTime: Date;
      readonly name: string;
    }>();
    const left = byHost
      .joinTable(table, { kind: 'left', allowedLateness: seconds(0) })
      .select('a', { left: { status: (r) => r.status }, right: { name: (r) => r.name } })
      .to(sink);
    expectTypeOf<RowOf<typeof left>['name']>().toEqualTypeOf<string | null>();
    expectTypeOf<RowOf<typeof left>['tableTime']>().toEqualTypeOf<Date | null>();
  });

  test('needs the same key on both sides, and names once', () => {
    const options = { allowedLateness: seconds(0) };
    const byName = names.keyBy((r) => ({ name: r.name }));
    // @ts-expect-error Another key.
    byHost.joinTable(byName, options);
    // @ts-expect-error A name of the other side.
    byHost.joinTable(table, options).select('a', { left: { n: () => 1 }, right: { n: () => 1 } });
  });
});
