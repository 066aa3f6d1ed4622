import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { type ColumnTypes, columnTypesOf, typed } from '#shared/pipeline/column-types.ts';
import {
  type AnyOutput,
  count,
  first,
  lookupTable,
  minutes,
  pipeline,
  s3,
  seconds,
  shareOfTotal,
  stream,
  sum,
  tumbling,
  union,
} from '#shared/pipeline/index.ts';
import type { Stream } from '#shared/pipeline/stream.ts';
import { readings } from '../readings.ts';

const sink = s3({ format: 'parquet' });
const schema = z.object({
  at: z.number(),
  user: z.string(),
  kind: z.enum(['view', 'sale']),
  price: z.number().nullable(),
  address: z.object({ city: z.string(), zip: z.string().regex(/^\d{5}$/) }).optional(),
});
const clicks = stream('clicks', { schema, timestamp: ({ at }) => at, outOfOrderness: seconds(0) });

describe('the types of columns are told by what their callbacks give', () => {
  test('for records of the schema, and of its parts', () => {
    const columns = {
      user: ({ user }: Click) => user.slice(1),
      city: ({ address }: Click) => address?.city ?? null,
      isSale: ({ kind }: Click) => kind === 'sale',
      cents: ({ price }: Click) => (price === null ? null : Math.round(price * 100)),
      address: ({ address }: Click) => address ?? null,
      names: ({ user }: Click) => user.split(' '),
    };
    expect(typesOf(clicks.select('rows', columns).to(sink))).toEqual({
      user: 'string',
      city: 'string',
      isSale: 'boolean',
      cents: 'number',
      address: 'json',
      names: 'json',
    });
  });

  test('and not where that is of several types, or throws, or is not known', () => {
    const columns = {
      mixed: ({ user }: Click) => (user.includes('/') ? user : 1),
      instead: ({ price }: Click) => price ?? 'none',
      throws: ({ user }: Click) => JSON.parse(user) as string,
      nothing: () => null,
      // No sample has five digits.
      zip: ({ address }: Click) => address?.zip ?? null,
    };
    const more = stream('more', {
      schema: z.object({
        at: z.number(),
        any: z.unknown(),
        coerced: z.coerce.number(),
        size: z.union([z.string(), z.number()]),
      }),
      timestamp: ({ at }) => at,
      outOfOrderness: seconds(0),
    });
    const whatever = {
      any: ({ any }: { readonly any: unknown }) => (any ?? null) as string | null,
      coerced: ({ coerced }: { readonly coerced: number }) => coerced,
      size: ({ size }: { readonly size: string | number }) => size,
    };
    expect(typesOf(more.select('rows', whatever).to(sink))).toEqual({
      any: undefined,
      coerced: 'number',
      size: undefined,
    });
    const unknown = { mixed: undefined, instead: undefined, throws: undefined, nothing: undefined, zip: undefined };
    expect(typesOf(clicks.select('rows', columns).to(sink))).toEqual(unknown);
    const any = readings().select('rows', { amount: ({ amount }) => amount });
    expect(typesOf(any.to(sink))).toEqual({ amount: undefined });
  });

  test('behind filters, maps, unions, branches and tables', () => {
    const users = lookupTable('users', {
      key: { id: 'string' },
      schema: z.object({ id: z.string(), age: z.number() }),
    });
    const { sales } = clicks.branch({ sales: ({ kind }) => kind === 'sale' });
    const named = union(sales, clicks)
      .filter(({ user }) => user !== '')
      .map(({ user, price }) => ({ name: user, price }))
      .enrich(users, { key: ({ name }) => ({ id: name }), freshness: minutes(1) }, (one, item) => ({
        ...one,
        ...item,
      }));
    const rows = named.keyBy(({ name }) => ({ name })).select('rows', { age: ({ age }) => age ?? null });
    expect(typesOf(rows.to(sink))).toEqual({ name: 'string', age: 'number' });
  });

  test('of a union of schemas where all give one type', () => {
    const either = z.discriminatedUnion('op', [
      z.object({ op: z.literal('add'), at: z.number(), what: z.string(), n: z.number() }),
      z.object({ op: z.literal('drop'), at: z.number(), what: z.string(), n: z.string() }),
    ]);
    const edits = stream('edits', { schema: either, timestamp: ({ at }) => at, outOfOrderness: seconds(0) });
    const rows = edits.select('rows', { op: ({ op }) => op, what: ({ what }) => what, n: ({ n }) => n });
    expect(typesOf(rows.to(sink))).toEqual({ op: 'string', what: 'string', n: undefined });
  });

  test('of a stream that was united with itself again and again, and of a schema whose objects hold each other', () => {
    const many = Array.from({ length: 40 }).reduce<Stream<Click>>((all) => union(all, all), clicks);
    expect(typesOf(many.select('rows', { user: ({ user }) => user }).to(sink))).toEqual({ user: 'string' });
    const holding = Array.from({ length: 40 }).reduce<z.ZodType<{ readonly at: number }>>(
      (inner) => z.object({ at: z.number(), left: inner, right: inner }),
      z.object({ at: z.number() }),
    );
    const deep = stream('deep', { schema: holding, timestamp: ({ at }) => at, outOfOrderness: seconds(0) });
    expect(typesOf(deep.select('rows', { at: ({ at }) => at }).to(sink))).toEqual({ at: 'number' });
  });

  test('of a schema that holds itself', () => {
    const tree = z.object({
      at: z.number(),
      name: z.string(),
      get parts() {
        return z.array(tree);
      },
    });
    const trees = stream('trees', { schema: tree, timestamp: ({ at }) => at, outOfOrderness: seconds(0) });
    const rows = trees.select('rows', { name: ({ name }) => name, of: ({ parts }) => parts[0]?.name ?? null });
    expect(typesOf(rows.to(sink))).toEqual({ name: 'string', of: undefined });
  });
});

test('a key whose columns are named by records is not known', () => {
  const byName = clicks.keyBy(({ user, kind }) => ({ [user]: 1, kind }));
  expect(typesOf(byName.select('rows', {}).to(sink))).toEqual({});
  const plain = clicks.keyBy(({ user, kind }) => ({ user, isSale: kind === 'sale' }));
  expect(typesOf(plain.select('rows', {}).to(sink))).toEqual({ user: 'string', isSale: 'boolean' });
});

test('an aggregator says what it gives, and a total that files do not have is none of their columns', () => {
  const table = clicks
    .keyBy(({ user }) => ({ user }))
    .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
    .aggregate('rows', {
      n: count(),
      price: sum(({ price }: Click) => price ?? 0),
      kind: first(({ kind }: Click) => kind),
      rounded: { ...count<Click>(), gives: 'string', result: (n) => `${n}` },
    })
    .derive({ share: shareOfTotal('price') });
  const own = { n: 'integer', price: 'number', kind: 'string', rounded: 'string' };
  expect(typesOf(table.to(sink))).toEqual({ user: 'string', ...own });
});

test('a pipeline calls no callback for them, and its plan says nothing of them', () => {
  let calls = 0;
  const rows = clicks.select('rows', {
    user: ({ user }) => {
      calls += 1;
      return user;
    },
  });
  const [plain, said] = [rows.to(sink), typed(rows.to(sink), new Map([['user', 'json']]))];
  const made = pipeline('test', [said]);
  expect(made.planHash).toBe(pipeline('test', [plain]).planHash);
  expect(calls).toBe(0);
  expect([...(made.columnTypes?.get('rows')?.() ?? [])]).toEqual([['user', 'json']]);
});

type Click = z.infer<typeof schema>;

function typesOf({ step }: AnyOutput): Readonly<Record<string, unknown>> {
  return Object.fromEntries(columnTypesOf(step) as ColumnTypes);
}
