import { describe, expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import {
  count,
  csv,
  days,
  dynamodb,
  first,
  histogram,
  linearRegression,
  max,
  milliseconds,
  minutes,
  multipleRegression,
  part,
  pipeline,
  prediction,
  quantile,
  quantiles,
  ratio,
  seconds,
  session,
  shareOfTotal,
  sliding,
  stream,
  sum,
  tumbling,
  variance,
} from '#shared/pipeline/index.ts';

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
const perMinute = byHost.window(tumbling(minutes(1)), { allowedLateness: seconds(0) });
const sink = dynamodb({ ttl: days(1) });

type RowOf<O> = O extends { readonly __row?: infer Row } ? NonNullable<Row> : never;
type KeyOf<O> = O extends { readonly __key?: infer Key } ? NonNullable<Key> : never;

describe('without an annotation', () => {
  test('a callback knows what the schema gives', () => {
    void (() =>
      requests.filter((r) => {
        expectTypeOf(r).toEqualTypeOf<z.output<typeof request>>();
        return true;
      }));
  });

  test('a producer knows what the schema accepts', () => {
    expectTypeOf<NonNullable<(typeof requests)['__in']>>().toEqualTypeOf<z.input<typeof request>>();
  });

  test('map changes the type of the record', () => {
    const mapped = requests.map((r) => ({ ...r, failed: r.status >= 500 }));
    void (() =>
      mapped.filter((r) => {
        expectTypeOf(r.failed).toEqualTypeOf<boolean>();
        return r.failed;
      }));
  });

  test('flatMap gives the type of its parts', () => {
    const parts = requests.flatMap((r) => [r.host, r.region]);
    void (() =>
      parts.filter((part) => {
        expectTypeOf(part).toEqualTypeOf<string>();
        return true;
      }));
  });

  test('a type guard narrows the type', () => {
    const european = requests.filter((r): r is z.output<typeof request> & { region: 'eu' } => r.region === 'eu');
    void (() => european.map((r) => expectTypeOf(r.region).toEqualTypeOf<'eu'>()));
  });

  test('through gives what the piece gives', () => {
    const bytes = requests.through((from) => from.map((r) => r.bytes));
    void (() => bytes.map((value) => expectTypeOf(value).toEqualTypeOf<number>()));
  });

  test('a row has the key, the window, the columns and the derived columns', () => {
    const output = perMinute
      .aggregate('by-host', { requests: count(), bytes: sum((r) => r.bytes), p99: quantile(0.99, (r) => r.bytes) })
      .derive({ share: shareOfTotal('bytes'), each: ratio('bytes', 'requests') })
      .to(sink);
    expectTypeOf<RowOf<typeof output>>().toEqualTypeOf<{
      host: string;
      readonly windowStart: Date;
      readonly windowEnd: Date;
      readonly requests: number;
      readonly bytes: number;
      readonly p99: number;
      readonly share: number | null;
      readonly each: number | null;
    }>();
  });

  test('a key keeps the types of its columns', () => {
    const output = requests
      .keyBy((r) => ({ region: r.region, failed: r.status >= 500 }))
      .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
      .aggregate('by-region', { n: count() })
      .to(sink);
    expectTypeOf<KeyOf<typeof output>>().toEqualTypeOf<{ region: 'eu' | 'us'; failed: boolean }>();
  });

  test('outputs are found by their literal names', () => {
    const made = pipeline('traffic', [
      perMinute.aggregate('a', { n: count() }).to(sink),
      perMinute.aggregate('b', { n: count() }).to(sink),
    ]);
    expectTypeOf<keyof (typeof made)['outputs']>().toEqualTypeOf<'a' | 'b'>();
  });

  test('a second derive sees the columns of the first', () => {
    void (() =>
      perMinute
        .aggregate('a', { n: count(), bytes: sum((r) => r.bytes) })
        .derive({ each: ratio('bytes', 'n') })
        .derive({ share: shareOfTotal('n') })
        .to(sink));
  });
});

test('a wrong unit does not compile', () => {
  void (() => {
    // @ts-expect-error a raw number is not a duration
    tumbling(60_000);
    // @ts-expect-error a raw number is not a duration
    sliding(minutes(5), { every: 60_000 });
    // @ts-expect-error a raw number is not a duration
    session({ gap: 60_000 });
    // @ts-expect-error a raw number is not a duration
    dynamodb({ ttl: 86_400_000 });
    // @ts-expect-error a raw number is not a duration
    byHost.window(tumbling(minutes(1)), { allowedLateness: 0 });
    // @ts-expect-error a raw number is not a duration
    byHost.window(tumbling(minutes(1)), { allowedLateness: seconds(0), refresh: 1_000 });
    // @ts-expect-error a raw number is not a duration
    stream('requests', { schema: request, timestamp: (r) => r.at, outOfOrderness: 5_000 });
    // @ts-expect-error a raw number is not a duration
    stream('requests', { schema: request, timestamp: (r) => r.at, outOfOrderness: seconds(5), idleAfter: 60_000 });
    // @ts-expect-error a text is not a count of minutes
    minutes('1');
    // @ts-expect-error durations are added in one unit: milliseconds(minutes(1) + seconds(1))
    tumbling(minutes(1) + seconds(1));
    // @ts-expect-error a window is not a duration
    dynamodb({ ttl: tumbling(minutes(1)) });
  });
});

test('a stage offers only what may come next', () => {
  void (() => {
    // @ts-expect-error a window behind rows that are never final
    byHost.aggregate('a', { n: count() }).asStream();
    // @ts-expect-error window before keyBy
    requests.window(tumbling(minutes(1)), { allowedLateness: seconds(0) });
    // @ts-expect-error a sink before aggregate
    perMinute.to(sink);
    // @ts-expect-error derive before aggregate
    perMinute.derive({ share: shareOfTotal('n') });
    // @ts-expect-error filter after keyBy
    byHost.filter(() => true);
    // @ts-expect-error a branch without a sink is not an output
    pipeline('traffic', [perMinute.aggregate('a', { n: count() })]);
    // @ts-expect-error a stream is not an output
    pipeline('traffic', [requests]);
    // @ts-expect-error nothing follows a sink
    perMinute.aggregate('a', { n: count() }).to(sink).derive({});
  });
});

test('a window without its options does not compile', () => {
  void (() => {
    // @ts-expect-error lateness is required
    byHost.window(tumbling(minutes(1)));
    // @ts-expect-error lateness is required
    byHost.window(tumbling(minutes(1)), {});
    // @ts-expect-error lateness is required
    byHost.window(session({ gap: minutes(1) }), { emit: 'on-close' });
    // @ts-expect-error a session reports once
    byHost.window(session({ gap: minutes(1) }), { allowedLateness: seconds(0), emit: 'on-update' });
    // @ts-expect-error what reports once is not refreshed
    byHost.window(session({ gap: minutes(1) }), { allowedLateness: seconds(0), refresh: seconds(1) });
    // @ts-expect-error a misspelt option
    byHost.window(tumbling(minutes(1)), { allowedLatenes: seconds(0) });
    // @ts-expect-error an unknown way to emit
    byHost.window(tumbling(minutes(1)), { allowedLateness: seconds(0), emit: 'on-change' });
    // @ts-expect-error an unknown placement
    byHost.window(tumbling(minutes(1)), { allowedLateness: seconds(0), placement: 'ec2' });
    // @ts-expect-error a sliding window without its slide
    sliding(minutes(5));
    // @ts-expect-error an unknown option of a pipeline
    pipeline('traffic', [], { slot: 16 });
  });
});

test('a wrong field or column does not compile', () => {
  void (() => {
    // @ts-expect-error a misspelt field in a filter
    requests.filter((r) => r.statu < 400);
    // @ts-expect-error a filter gives true or false
    requests.filter((r) => r.bytes);
    // @ts-expect-error a misspelt field in a key
    requests.keyBy((r) => ({ host: r.hst }));
    // @ts-expect-error a key is an object of named columns
    requests.keyBy((r) => r.host);
    // @ts-expect-error a key column is a text, a number or a boolean
    requests.keyBy((r) => ({ at: r.at }));
    // @ts-expect-error a key column is always there
    requests.keyBy((r) => ({ host: r.status > 0 ? r.host : undefined }));
    // @ts-expect-error flatMap gives an array
    requests.flatMap((r) => r.bytes);
    // @ts-expect-error a misspelt field in an aggregator
    perMinute.aggregate('a', { bytes: sum((r) => r.byts) });
    // @ts-expect-error a text cannot be summed
    perMinute.aggregate('a', { bytes: sum((r) => r.host) });
    // @ts-expect-error a time has no maximum of numbers
    perMinute.aggregate('a', { last: max((r) => r.at) });
    // @ts-expect-error an aggregator is called
    perMinute.aggregate('a', { n: count });
    // @ts-expect-error a column that was not aggregated
    perMinute.aggregate('a', { n: count() }).derive({ share: shareOfTotal('bytes') });
    // @ts-expect-error a ratio to a column that was not aggregated
    perMinute.aggregate('a', { n: count() }).derive({ share: ratio('n', 'bytes') });
    const shared = perMinute.aggregate('a', { n: count() }).derive({ share: shareOfTotal('n') });
    // @ts-expect-error a derived column is there only when the view is read
    shared.derive({ each: ratio('share', 'n') });
    const deep = perMinute.aggregate('a', {
      n: count(),
      page: first((r) => r.host),
      spread: variance((r) => r.bytes),
      latency: quantiles({ p50: 0.5, p99: 0.99 }, (r) => r.bytes),
      sizes: histogram((r) => r.bytes, { bounds: [10] }),
      trend: linearRegression(
        (r) => r.bytes,
        (r) => r.status,
      ),
      both: multipleRegression({ bytes: (r) => r.bytes, status: (r) => r.status }, (_, timeMs) => timeMs),
    });
    deep.derive({
      p99: part('latency.p99'),
      small: ratio('sizes.0', 'n'),
      each: ratio('spread', 'n'),
      r2: part('both.r2'),
      later: prediction('trend', { at: 1 }),
      here: prediction('trend', { at: 'n' }),
      there: prediction('both', { at: { bytes: 1, status: 'n' } }),
    });
    // @ts-expect-error a quantile that was not asked for
    deep.derive({ p75: part('latency.p75') });
    // @ts-expect-error a text has no parts
    deep.derive({ page: part('page') });
    // @ts-expect-error a prediction needs a regression
    deep.derive({ later: prediction('latency', { at: 1 }) });
    // @ts-expect-error a variable that the regression does not have
    deep.derive({ later: prediction('both', { at: { paths: 1 } }) });
    // @ts-expect-error the window's bounds are no numbers
    perMinute.aggregate('a', { n: count() }).derive({ share: shareOfTotal('windowStart') });
    // @ts-expect-error a name is needed
    perMinute.aggregate({ n: count() });
  });
});

test('two columns of one name do not compile', () => {
  void (() => {
    // @ts-expect-error every row has a view
    requests.keyBy((r) => ({ view: r.host }));
    // @ts-expect-error every row has a windowEnd
    requests.keyBy((r) => ({ host: r.host, windowEnd: r.status }));
    // @ts-expect-error every row is final or not
    perMinute.aggregate('a', { final: count() });
    // @ts-expect-error the key has a host
    perMinute.aggregate('a', { host: count() });
    // @ts-expect-error the key has a host, whatever stands beside it
    perMinute.aggregate('a', { n: count(), host: sum((r) => r.bytes) });
    // @ts-expect-error the key has a host
    perMinute.aggregate('a', { n: count() }).derive({ host: shareOfTotal('n') });
    // @ts-expect-error n is aggregated
    perMinute.aggregate('a', { n: count() }).derive({ n: shareOfTotal('n') });
    // @ts-expect-error every row has a windowStart
    perMinute.aggregate('a', { n: count() }).derive({ windowStart: shareOfTotal('n') });
  });
});

test('names that are known only at run time compile', () => {
  void (() => {
    const byLabel = requests.keyBy((r): Record<string, string> => ({ [r.region]: r.host }));
    const aggregates: Readonly<Record<string, ReturnType<typeof count>>> = { n: count() };
    byLabel.window(tumbling(minutes(1)), { allowedLateness: seconds(0) }).aggregate('a', { host: count() });
    perMinute.aggregate('a', aggregates);
  });
});

test('a wrong source does not compile', () => {
  void (() => {
    // @ts-expect-error a timestamp is a Date or milliseconds
    stream('requests', { schema: request, timestamp: (r) => r.host, outOfOrderness: seconds(5) });
    // @ts-expect-error a field that the schema does not have
    stream('requests', { schema: request, timestamp: (r) => r.time, outOfOrderness: seconds(5) });
    // @ts-expect-error outOfOrderness is required
    stream('requests', { schema: request, timestamp: (r) => r.at });
    const maybe = (r: z.output<typeof request>): Date | undefined => (r.bytes > 0 ? r.at : undefined);
    // @ts-expect-error a timestamp may not be missing
    stream('requests', { schema: request, timestamp: maybe, outOfOrderness: seconds(5) });
    // @ts-expect-error no schema
    stream('requests', { timestamp: () => 0, outOfOrderness: seconds(5) });
    // @ts-expect-error at least one format
    stream('requests', { schema: request, timestamp: (r) => r.at, outOfOrderness: seconds(5), decode: [] });
    // @ts-expect-error an unknown column type
    csv({ columns: { bytes: 'integer' } });
    stream('requests', { schema: request, timestamp: (r) => r.at, outOfOrderness: milliseconds(5) });
  });
});
