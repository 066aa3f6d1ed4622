import { describe, expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import { days, dynamodb, minutes, seconds, stream } from '#shared/pipeline/index.ts';

// The compiler is the test: these functions are checked and never called.

const request = z.object({
  host: z.string(),
  region: z.enum(['eu', 'us']),
  status: z.number().int(),
  bytes: z.number(),
  at: z.iso.datetime().transform((text) => new Date(text)),
});

const requests = stream('requests', { schema: request, timestamp: (r) => r.at, outOfOrderness: seconds(5) });
const byHost = requests.keyBy((r) => ({ host: r.host }));
const errors = requests.filter((r) => r.status >= 400).keyBy((r) => ({ host: r.host }));
const near = { within: [seconds(0), minutes(1)], allowedLateness: seconds(0) } as const;
const sink = dynamodb({ ttl: days(1) });

type RowOf<O> = O extends { readonly __row?: infer Row } ? NonNullable<Row> : never;

describe('a join, without an annotation,', () => {
  test('knows the records of both sides', () => {
    const numbers = stream('numbers', {
      schema: z.object({ host: z.string(), n: z.number() }),
      timestamp: (r) => r.n,
      outOfOrderness: seconds(0),
    });
    void (() =>
      byHost
        .join(
          numbers.keyBy((r) => ({ host: r.host })),
          near,
        )
        .select('a', {
          left: {
            bytes: (r) => {
              expectTypeOf(r).toEqualTypeOf<z.output<typeof request>>();
              return r.bytes;
            },
          },
          right: {
            n: (r) => {
              expectTypeOf(r).toEqualTypeOf<{ host: string; n: number }>();
              return r.n;
            },
          },
        }));
  });

  test('gives the key, both times and the selected columns', () => {
    const output = byHost
      .join(errors, near)
      .select('a', { left: { bytes: (r) => r.bytes }, right: { status: (r) => r.status } })
      .to(sink);
    expectTypeOf<RowOf<typeof output>>().toEqualTypeOf<{
      host: string;
      readonly leftTime: Date;
      readonly bytes: number;
      readonly rightTime: Date;
      readonly status: number;
    }>();
  });

  test('may have no right side when it is a left one', () => {
    const output = byHost
      .join(errors, { ...near, kind: 'left' })
      .select('a', { left: { bytes: (r) => r.bytes }, right: { status: (r) => r.status } })
      .to(sink);
    expectTypeOf<RowOf<typeof output>>().toEqualTypeOf<{
      host: string;
      readonly leftTime: Date;
      readonly bytes: number;
      readonly rightTime: Date | null;
      readonly status: number | null;
    }>();
  });

  test('may have one side only when it is a full one', () => {
    const output = byHost
      .join(errors, { ...near, kind: 'full' })
      .select('a', { left: { bytes: (r) => r.bytes }, right: {} })
      .to(sink);
    expectTypeOf<RowOf<typeof output>>().toEqualTypeOf<{
      host: string;
      readonly leftTime: Date | null;
      readonly bytes: number | null;
      readonly rightTime: Date | null;
    }>();
  });

  test('takes sides whose keys differ in literal types only', () => {
    const byRegion = requests.keyBy((r) => ({ region: r.region }));
    void (() =>
      byRegion.join(
        requests.keyBy((r) => ({ region: r.host })),
        near,
      ));
  });
});

test('a wrong join does not compile', () => {
  const joined = byHost.join(errors, near);
  const byName = requests.keyBy((r) => ({ name: r.host }));
  const byNumber = requests.keyBy((r) => ({ host: r.status }));
  const byHostAndStatus = requests.keyBy((r) => ({ host: r.host, status: r.status }));
  void (() => {
    // @ts-expect-error the key columns have other names
    byHost.join(byName, near);
    // @ts-expect-error the right key has one column more
    byHost.join(byHostAndStatus, near);
    // @ts-expect-error the right key has one column less
    byHostAndStatus.join(errors, near);
    // @ts-expect-error the key columns have other types
    byHost.join(byNumber, near);
    // @ts-expect-error the right side has no key
    byHost.join(requests, near);
    // @ts-expect-error join before keyBy
    requests.join(errors, near);
    // @ts-expect-error lateness is required
    byHost.join(errors, { within: [seconds(0), minutes(1)] });
    // @ts-expect-error an interval is required
    byHost.join(errors, { allowedLateness: seconds(0) });
    // @ts-expect-error an interval has two ends
    byHost.join(errors, { within: [minutes(1)], allowedLateness: seconds(0) });
    // @ts-expect-error a raw number is not a duration
    byHost.join(errors, { within: [0, 60_000], allowedLateness: seconds(0) });
    // @ts-expect-error an unknown kind
    byHost.join(errors, { ...near, kind: 'outer' });
    // @ts-expect-error a join is placed by itself
    byHost.join(errors, { within: [seconds(0), minutes(1)], allowedLateness: seconds(0), placement: 'lambda' });
    // @ts-expect-error a sink before select
    joined.to(sink);
    // @ts-expect-error a misspelt field
    joined.select('a', { left: { bytes: (r) => r.byts }, right: {} });
    // @ts-expect-error both sides are needed
    joined.select('a', { left: { bytes: (r) => r.bytes } });
    // @ts-expect-error a time is not JSON
    joined.select('a', { left: { at: (r) => r.at }, right: {} });
    // @ts-expect-error undefined is not JSON
    joined.select('a', { left: {}, right: { status: (r) => (r.status > 0 ? r.status : undefined) } });
    // @ts-expect-error both sides stand in one row
    joined.select('a', { left: { bytes: (r) => r.bytes }, right: { bytes: (r) => r.bytes } });
    // @ts-expect-error the key has a host
    joined.select('a', { left: { host: (r) => r.host }, right: {} });
    // @ts-expect-error every row is final
    joined.select('a', { left: {}, right: { final: (r) => r.status } });
    // @ts-expect-error every joined row has a leftTime
    joined.select('a', { left: {}, right: { leftTime: (r) => r.bytes } });
    // @ts-expect-error a name is needed
    joined.select({ left: {}, right: {} });
  });
});
