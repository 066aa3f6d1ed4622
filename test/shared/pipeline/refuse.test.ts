import { describe, expect, test } from 'vitest';
import * as language from '#shared/pipeline/index.ts';
import { checkOneOf, givenList, givenOptions, shown } from '#shared/pipeline/refuse.ts';
import { arbitraries, testDriver } from '#shared/testing/index.ts';

/** What is written without types, as in JavaScript. */
const untyped = language as unknown as Readonly<Record<string, (...given: readonly unknown[]) => unknown>>;
const call = (name: string, ...given: readonly unknown[]): unknown => untyped[name]?.(...given);
const of = (): number => 1;

const record = language.record({ ts: language.number(), ip: language.string() });
const keyed = language
  .stream('flows', { schema: record, timestamp: (flow) => flow.ts, outOfOrderness: language.seconds(4) })
  .keyBy((flow) => ({ ip: flow.ip }));

const takers: Readonly<Record<string, (options: unknown) => unknown>> = {
  variance: (options) => call('variance', of, options),
  stddev: (options) => call('stddev', of, options),
  covariance: (options) => call('covariance', of, of, options),
  quantile: (options) => call('quantile', 0.5, of, options),
  quantiles: (options) => call('quantiles', { p50: 0.5 }, of, options),
  countDistinct: (options) => call('countDistinct', of, options),
  exactDistinct: (options) => call('exactDistinct', of, options),
  decimalSum: (options) => call('decimalSum', of, options),
  rateOfChange: (options) => call('rateOfChange', of, options),
  countWindow: (options) => call('countWindow', 5, options),
  avro: (options) => call('avro', options),
  jsonDocument: (options) => call('jsonDocument', options),
  syslog: (options) => call('syslog', options),
  vpcFlowLog: (options) => call('vpcFlowLog', options),
};

describe.each(Object.entries(takers))('options of %s that may be missing', (name, take) => {
  test('may be missing', () => expect(() => take(undefined)).not.toThrow());
  test('are not null', () => expect(() => take(null)).toThrow(`PIPELINE_INVALID: ${name} has null for its options`));
  test('are not what holds no options', () => expect(() => take(5)).toThrow(`${name} has 5 for its options`));
});

test.each([
  [null, 'null'],
  [Symbol('s'), 'a symbol'],
  [10n, '10'],
])('an option that is %s is refused by its name', (value, text) => {
  expect(() => givenOptions('topK', { k: value }, ['k'], '{ k: 10 }')).toThrow(
    `PIPELINE_INVALID: topK has ${text} for its option k; leave it out, or give such as { k: 10 }.`,
  );
});

test.each([
  [() => call('vpcFlowLog', { fields: 5 }), "vpcFlowLog has 5 for its fields; give a list of names, or 'header'."],
  [() => call('vpcFlowLog', { withoutData: 'drop' }), `vpcFlowLog: withoutData is "drop"; use 'skip' or 'keep'.`],
  [() => call('jsonDocument', { records: 'logEvents' }), 'jsonDocument has "logEvents" for its records'],
  [() => call('avro', { schemas: {} }), 'avro has {} for its schemas'],
  [() => call('avro', { longs: 'text' }), `avro: longs is "text"; use 'number' or 'bigint'.`],
  [() => call('syslog', { reference: 5 }), 'syslog: the reference is no time.'],
  [() => call('histogram', of, { bounds: {} }), 'histogram has {} for its bounds'],
  [() => call('decimalSum', of, { as: 'Number' }), `decimalSum: as is "Number"; use 'string' or 'number'.`],
  [() => call('collect', of, { max: 3, keep: 'latest' }), `collect: keep is "latest"; use 'first' or 'last'.`],
  [() => call('quantile', Symbol('q'), of), 'quantile: q is a symbol; it must be from 0 to 1.'],
  [() => call('stream', 10n), 'stream 10'],
  [() => givenList('join', 'within', {} as readonly unknown[], 'one'), 'join has {} for its within; give one.'],
  [() => checkOneOf('s3', 'format', 10n, ['a', 'b', 'c']), "s3 format is 10; use 'a', 'b' or 'c'."],
  [() => checkOneOf('avro:', 'encoding', 'x', ['datum']), `avro: encoding is "x"; use 'datum'.`],
])('%s is refused with what is wrong of it', (define, message) => expect(define).toThrow(message));

const sink = language.dynamodb({ ttl: language.days(7) });
const lateness = { allowedLateness: language.seconds(0) };
/** A keyed stream without its types. */
const free = keyed as unknown as Readonly<Record<string, (...given: readonly unknown[]) => unknown>>;
const columns = { ts: (flow: { readonly ts: number }) => flow.ts };
const perMinute = keyed
  .window(language.tumbling(language.minutes(1)), { ...lateness, emit: 'on-close' })
  .aggregate('minutes', { n: language.count() });
const site = language.pipeline('site', [perMinute.to(sink)]);
const window = (spec: unknown, options: object): unknown => free['window']?.(spec, { ...lateness, ...options });

test.each<readonly [() => unknown, string]>([
  [
    () => call('stream', 'flows', { outOfOrdernes: 5 }),
    'stream "flows" has no option outOfOrdernes. Did you mean outOfOrderness? There are schema, timestamp, ',
  ],
  [
    () => call('pipeline', 'p', [], { slot: 4 }),
    'pipeline p has no option slot. Did you mean slots? There are slots, expectedKeys.',
  ],
  [() => call('dynamodb', { ttlMs: 5 }), 'dynamodb has no option ttlMs. There is ttl.'],
  [() => call('s3', { format: 'ndjson', rowMax: 5 }), 's3 has no option rowMax. Did you mean rowsMax?'],
  [() => call('sliding', language.minutes(2), { evry: 5 }), 'sliding has no option evry. Did you mean every?'],
  [() => call('cumulative', language.minutes(2), { steps: 5 }), 'cumulative has no option steps. Did you mean step?'],
  [() => call('session', { gap: 5, maxlength: 5 }), 'session has no option maxlength. Did you mean maxLength?'],
  [
    () => call('countWindow', 5, { incomplet: 'emit' }),
    'countWindow has no option incomplet. Did you mean incomplete?',
  ],
  [() => call('global', { triggers: [] }), 'global has no option triggers. Did you mean trigger?'],
  [
    () => call('calendar', 'day', { timeZone: 'UTC', weekStart: 'sunday' }),
    'calendar has no option weekStart. There is timeZone.',
  ],
  [
    () => window(language.tumbling(language.minutes(1)), { emits: 'on-close' }),
    'a window of kind tumbling has no option emits. Did you mean emit?',
  ],
  [
    () => window(language.session({ gap: language.minutes(1) }), { refresh: 5 }),
    'a window of kind session has no option refresh. There are allowedLateness, emit, early, placement.',
  ],
  [
    () => window(language.tumbling(language.minutes(1)), { early: { evry: 5 } }),
    'early of a window has no option evry. Did you mean every?',
  ],
  [() => call('topK', of, { k: 5, wieght: of }), 'topK has no option wieght. Did you mean weight?'],
  [() => call('quantile', 0.5, of, { acuracy: 0.1 }), 'quantile has no option acuracy. Did you mean accuracy?'],
  [() => call('prediction', 'fit', { ta: 5 }), 'prediction has no option ta. Did you mean at?'],
  [
    () => call('csv', { columns: { a: 'string' }, seperator: ';' }),
    'csv has no option seperator. Did you mean separator?',
  ],
  [
    () => call('lookupTable', 'users', { key: { id: 'string' }, colums: [] }),
    'table users has no option colums. Did you mean columns?',
  ],
  [() => call('anomalies', of, { treshold: 5 }), 'anomalies has no option treshold. Did you mean threshold?'],
  [
    () => free['join']?.(keyed, { within: 'ever', allowedLateness: 5 }),
    'join has no option allowedLateness. There are within, kind.',
  ],
  [
    () =>
      keyed
        .join(keyed, { within: [language.seconds(0), language.seconds(1)], ...lateness })
        .select('j', { left: {}, right: {}, rigth: {} } as never),
    'step j has no side rigth. Did you mean right?',
  ],
  [
    () => free['joinTable']?.(keyed, { ...lateness, delete: of }),
    'joinTable has no option delete. Did you mean deletes?',
  ],
  [() => free['dedupe']?.('d', { columns, withn: 5 }), 'step d has no option withn. Did you mean within?'],
  [() => free['throttle']?.('t', { columns, bursts: 5 }), 'step t has no option bursts. Did you mean burst?'],
  [() => free['process']?.('f', { columns, onevent: of }), 'step f has no option onevent. Did you mean onEvent?'],
  [
    () => free['aggregate']?.('a', { n: language.count() }, { refesh: 5 }),
    'step a has no option refesh. Did you mean refresh?',
  ],
  [() => free['select']?.('s', columns, { windows: 5 }), 'step s has no option windows. Did you mean window?'],
  [() => perMinute.top('best', 5, { by: 'n', as: 'place' } as never), 'step best has no option as. There is by.'],
  [() => testDriver(site, { shard: 2 } as never), 'testDriver has no option shard. Did you mean shards?'],
  [() => testDriver(site, { faults: { seed: 1, kil: 1 } as never }), 'faults has no option kil. Did you mean kill?'],
  [
    () => arbitraries.history([], { duplicate: 1 } as never),
    'history has no option duplicate. Did you mean duplicates?',
  ],
  [
    () => arbitraries.history([{ stream: 'flows', tme: 'ts' } as never]),
    'a stream of a history has no option tme. Did you mean time?',
  ],
])('%s is refused, since an option that there is not would do nothing', (define, message) =>
  expect(define).toThrow(`PIPELINE_INVALID: ${message}`),
);

const nameless = Symbol('s');
const name = nameless as unknown as string;
const form = 'is not a name: use lower-case letters';
test.each<readonly [() => unknown, string]>([
  [
    () =>
      language.stream(name, {
        schema: record,
        timestamp: (flow: { readonly ts: number }) => flow.ts,
        ...lateness,
      } as never),
    'stream a symbol has no option',
  ],
  [() => language.pipeline(name, [perMinute.to(sink)]), `pipeline a symbol ${form}`],
  [() => language.pipeline(name, [perMinute.to(sink)], { slots: 3 }), `pipeline a symbol ${form}`],
  [() => language.pipeline('p', [keyed.aggregate(name, { n: language.count() }).to(sink)]), `p: step a symbol ${form}`],
  [
    () => language.pipeline('p', [keyed.aggregate(name, { n: language.count() }, { refresh: null as never }).to(sink)]),
    'step a symbol has null',
  ],
  [
    () =>
      language.pipeline('p', [
        keyed
          .window(language.tumbling(language.minutes(1)), lateness)
          .aggregate(name, { n: language.count() })
          .to(sink),
      ]),
    `p: step a symbol ${form}`,
  ],
  [() => language.pipeline('p', [perMinute.top(name, 5, { by: 'n' }).to(sink)]), `p: step a symbol ${form}`],
  [() => language.pipeline('p', [perMinute.late(name, columns).to(sink)]), `p: step a symbol ${form}`],
  [() => language.pipeline('p', [keyed.select(name, columns).to(sink)]), `p: step a symbol ${form}`],
  [
    () => language.pipeline('p', [keyed.select(name, null as never).to(sink)]),
    'step a symbol has null for its columns',
  ],
  [
    () => language.pipeline('p', [keyed.dedupe(name, { columns, within: language.seconds(1), ...lateness }).to(sink)]),
    `p: step a symbol ${form}`,
  ],
  [
    () =>
      language.pipeline('p', [
        keyed.join(keyed, { within: 'ever' }).select(name, { left: columns, right: {} }).to(sink),
      ]),
    `p: step a symbol ${form}`,
  ],
  [
    () => language.pipeline('p', [keyed.select(name, columns).to(...([] as unknown as [typeof sink]))]),
    'p: step a symbol goes nowhere',
  ],
  [() => language.lookupTable(name, { key: 5 as never, schema: record }), 'table a symbol has 5 for its key'],
])('a name that is a symbol, in %s, is refused', (define, message) =>
  expect(define).toThrow(`PIPELINE_INVALID: ${message}`),
);

const table = keyed.window(language.tumbling(language.minutes(1)), lateness).aggregate('t', { n: language.count() });
test.each<readonly [() => unknown, string]>([
  [() => call('pipeline', 'p', [perMinute.to(sink)], { slots: true }), 'p: slots is true; it must be a power of two'],
  [() => table.derive(5 as never), 'step t has 5 for its columns'],
  [() => table.derive(undefined as never), 'step t lacks its columns'],
  [() => call('prediction', 'fit', { at: Number.NaN }), 'prediction is asked for at NaN; give a number'],
  [() => call('prediction', 'fit', {}), 'prediction is asked for at missing; give a number'],
  [() => call('variance', of, { population: 'no' }), 'variance: population is "no"; use true or false.'],
  [() => call('covariance', of, of, { population: 1 }), 'covariance: population is 1; use true or false.'],
  [() => call('csv', { columns: { a: 'string' }, header: 'false' }), 'csv: header is "false"; use true or false.'],
  [() => call('jsonDocument', { records: [1] }), 'jsonDocument has [1] for its records'],
  [() => call('oneOf', 'a', 5), "oneOf is of 5; give it texts, such as oneOf('shop', 'web')."],
  [() => call('oneOf'), 'oneOf is of nothing; give it texts'],
  [() => call('histogram', of, { bounds: [Symbol('b'), 5] }), 'histogram: bounds are [null,5]; they must be'],
  [
    () => call('anomalies', of, { halfLife: Number.POSITIVE_INFINITY }),
    'anomalies: halfLife is Infinity ms; it must be a whole number',
  ],
  [
    () =>
      language
        .stream('s', { schema: record, timestamp: of, outOfOrderness: language.seconds(0) })
        .sample(Symbol('s') as never),
    'a sample is a share of a symbol',
  ],
  [
    () =>
      language
        .stream('s', { schema: record, timestamp: of, outOfOrderness: language.seconds(0) })
        .sample(0.5, { seed: 'x' as never }),
    'a sample has "x" for its seed; give a number.',
  ],
  [
    () =>
      language.pipeline('p', [
        keyed
          .window(language.countWindow(Symbol('n') as never), lateness)
          .aggregate('t', { n: language.count() })
          .to(sink),
      ]),
    'p: step t records of a window are a symbol',
  ],
  [
    () =>
      language.pipeline('p', [
        keyed
          .process('f', {
            columns,
            emits: { e: 10n as never },
            state: () => 1,
            onEvent: () => {},
            ttl: language.seconds(1),
            ...lateness,
          })
          .to(sink),
      ]),
    'p: step f column e is of type 10; use string',
  ],
  [
    () =>
      language.pipeline('p', [
        language
          .stream('s', { schema: record, timestamp: (r) => r.ts, outOfOrderness: language.seconds(0) })
          .filter(function* () {
            yield true;
          } as never)
          .select('f', { ts: (r) => r.ts })
          .to(sink),
      ]),
    'p: s/filter: what filter is given is a generator function',
  ],
])('%s is refused, and not taken for something else', (define, message) =>
  expect(define).toThrow(`PIPELINE_INVALID: ${message}`),
);

test('calls of a driver, too, refuse options that there are not', async () => {
  const driver = testDriver(site);
  await expect(driver.send('flows', [], { shards: 1 } as never)).rejects.toThrow(
    'send has no option shards. Did you mean shard?',
  );
  await expect(driver.read('minutes', { keys: {} } as never)).rejects.toThrow(
    'read has no option keys. Did you mean key?',
  );
});

test.each([10n, Symbol('s'), '5', null])('a duration of what is no number, %s, is refused by who takes it', (count) => {
  const window = call('tumbling', call('minutes', count)) as language.TumblingWindow;
  const table = () =>
    keyed.window(window, { allowedLateness: language.seconds(0) }).aggregate('a', { n: language.count() });
  expect(() => language.pipeline('p', [table().to(language.dynamodb({ ttl: language.days(7) }))])).toThrow(
    `PIPELINE_INVALID: p: step a window size is ${shown(count)}; give a duration`,
  );
});

test('what JSON cannot hold is shown as well', () => {
  const circular: unknown[] = [];
  circular.push(circular);
  expect([shown([10n]), shown(circular), shown(Symbol('s')), shown(undefined)]).toEqual([
    'an object',
    'an object',
    'a symbol',
    'missing',
  ]);
});
