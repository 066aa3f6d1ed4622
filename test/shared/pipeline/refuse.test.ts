import { describe, expect, test } from 'vitest';
import * as language from '#shared/pipeline/index.ts';
import { checkOneOf, givenList, givenOptions, shown } from '#shared/pipeline/refuse.ts';

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
  expect(() => givenOptions('topK', { k: value }, '{ k: 10 }')).toThrow(
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
