import { describe, expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import { days, dynamodb, type Stream, seconds, stream, union } from '#shared/pipeline/index.ts';

// The compiler is the test: these functions are checked and never called.

const request = z.object({ host: z.string(), bytes: z.number(), at: z.number(), page: z.string().optional() });
type Request = z.output<typeof request>;
const requests = stream('requests', { schema: request, timestamp: (r) => r.at, outOfOrderness: seconds(5) });
const sink = dynamodb({ ttl: days(1) });

type RowOf<O> = O extends { readonly __row?: infer Row } ? NonNullable<Row> : never;

describe('rows of records', () => {
  test('have the selected columns, and the key where there is one', () => {
    const plain = requests.select('plain', { host: (r) => r.host, page: (r) => r.page }).to(sink);
    expectTypeOf<RowOf<typeof plain>>().toEqualTypeOf<{
      readonly host: string;
      readonly page: string | undefined;
    }>();
    const keyed = requests
      .keyBy((r) => ({ host: r.host }))
      .select('keyed', { bytes: (r) => r.bytes })
      .to(sink);
    expectTypeOf<RowOf<typeof keyed>>().toEqualTypeOf<{ host: string; readonly bytes: number }>();
  });

  test('have no column twice, and nothing that JSON cannot hold', () => {
    void (() => {
      // @ts-expect-error The key has a column of this name.
      requests.keyBy((r) => ({ host: r.host })).select('keyed', { host: (r) => r.host });
      // @ts-expect-error Every row has a column of this name.
      requests.select('view', { final: (r) => r.host });
      // @ts-expect-error A Date is no JSON.
      requests.select('view', { at: (r) => new Date(r.at) });
    });
  });
});

describe('one stream as several', () => {
  test('narrows each part by its guard, and the rest by all of them', () => {
    type Shape =
      | { readonly kind: 'dot' }
      | { readonly kind: 'line'; readonly length: number }
      | { readonly kind: 'area' };
    const shapes = requests.map((r): Shape => (r.bytes > 1 ? { kind: 'dot' } : { kind: 'area' }));
    const { dots, long, otherwise } = shapes.branch({
      dots: (shape) => shape.kind === 'dot',
      long: (shape): shape is Extract<Shape, { kind: 'line' }> => shape.kind === 'line',
    });
    expectTypeOf(dots).toEqualTypeOf<Stream<{ readonly kind: 'dot' }>>();
    expectTypeOf(long).toEqualTypeOf<Stream<{ readonly kind: 'line'; readonly length: number }>>();
    expectTypeOf(otherwise).toEqualTypeOf<Stream<{ readonly kind: 'area' }>>();
    const { big, otherwise: rest } = requests.branch({ big: (r) => r.bytes > 9 });
    expectTypeOf(big).toEqualTypeOf<Stream<Request>>();
    expectTypeOf(rest).toEqualTypeOf<Stream<Request>>();
  });
});

describe('several streams as one', () => {
  test('have the records of all', () => {
    expectTypeOf(union(requests, requests)).toEqualTypeOf<Stream<Request>>();
    const both = union(
      requests.map((r) => ({ kind: 'a' as const, r })),
      requests.map((r) => ({ kind: 'b' as const, at: r.at })),
    );
    void (() =>
      both.filter((one) => {
        expectTypeOf(one).toEqualTypeOf<{ kind: 'a'; r: Request } | { kind: 'b'; at: number }>();
        return true;
      }));
  });

  test('are at least two', () => {
    // @ts-expect-error One stream needs no union.
    void (() => union(requests));
  });
});
