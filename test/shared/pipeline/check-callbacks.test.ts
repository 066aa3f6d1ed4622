import { describe, expect, test } from 'vitest';
import * as P from '#shared/pipeline/index.ts';
import { hasCode } from '#shared/schemas/error.ts';
import { type Reading, readingSchema, readings } from '../readings.ts';

// What follows is not checked by types, as where a pipeline is run without them.
// biome-ignore lint/suspicious/noExplicitAny: see above.
type Untyped = any;

const sink = P.dynamodb({ ttl: P.days(1) });
const allowedLateness = P.seconds(0);
const source = readings() as Untyped;
const keyed = source.keyBy((reading: Reading) => ({ key: reading.key }));
const windowed = (window: unknown, options: object = {}) => keyed.window(window, { allowedLateness, ...options });
const counted = (of: Untyped) => of.aggregate('step', { n: P.count() }).to(sink);
const perMinute = windowed(P.tumbling(P.minutes(1)));
const near = { within: [P.seconds(0), P.seconds(5)], allowedLateness };
const sides = { left: { a: () => 1 }, right: { b: () => 1 } };
const asynchronous = async () => false;
const advice = 'is an async function, and callbacks are synchronous';
const processing = {
  columns: {},
  emits: {},
  state: () => 0,
  onEvent: () => {},
  ttl: P.hours(1),
  allowedLateness,
};

const wrong: readonly (readonly [what: string, outputs: () => Untyped, message: string])[] = [
  [
    'an asynchronous filter',
    () => [
      counted(
        source
          .filter(asynchronous)
          .keyBy(() => ({ a: 1 }))
          .window(P.tumbling(P.minutes(1)), { allowedLateness }),
      ),
    ],
    `readings/filter: what filter is given ${advice}`,
  ],
  [
    'an asynchronous map',
    () => [
      source
        .map(asynchronous)
        .select('step', { a: () => 1 })
        .to(sink),
    ],
    `readings/map: what map is given ${advice}`,
  ],
  [
    'an asynchronous branch',
    () => [
      source
        .branch({ a: asynchronous })
        .a.select('step', { a: () => 1 })
        .to(sink),
    ],
    `readings/filter: what filter is given ${advice}`,
  ],
  [
    'an asynchronous condition of a count',
    () => [perMinute.aggregate('step', { n: P.count(asynchronous as Untyped) }).to(sink)],
    `what count of column n is given ${advice}`,
  ],
  ['an asynchronous column', () => [source.select('step', { a: asynchronous }).to(sink)], `column a ${advice}`],
  [
    'an asynchronous onEvent',
    () => [keyed.process('step', { ...processing, onEvent: asynchronous }).to(sink)],
    `onEvent ${advice}`,
  ],
  [
    'an asynchronous onTimer',
    () => [keyed.process('step', { ...processing, onTimer: asynchronous }).to(sink)],
    `onTimer ${advice}`,
  ],
  [
    'no state',
    () => [keyed.process('step', { ...processing, state: undefined }).to(sink)],
    'state is missing, and must be a function',
  ],
  [
    'a key that is a name',
    () => [counted(source.keyBy('key').window(P.tumbling(P.minutes(1)), { allowedLateness }))],
    'readings/key: what keyBy is given is "key", and must be a function',
  ],
  [
    'a column that is a name',
    () => [source.select('step', { a: 'key' }).to(sink)],
    'column a is "key", and must be a function',
  ],
  [
    'a column of a join that is a name',
    () => [
      keyed
        .join(keyed, near)
        .select('step', { ...sides, right: { b: 'key' } })
        .to(sink),
    ],
    'column b is "key", and must be a function',
  ],
  [
    'a sum of a name',
    () => [perMinute.aggregate('step', { n: P.sum('amount' as Untyped) }).to(sink)],
    'what sum of column n is given is "amount", and must be a function',
  ],
  [
    'an aggregator that is not called',
    () => [perMinute.aggregate('step', { n: P.count }).to(sink)],
    'column n is a function, and must be an aggregator, such as count()',
  ],
  [
    'an aggregator that is missing',
    () => [keyed.aggregate('step', { n: undefined }).to(sink)],
    'column n is missing, and must be an aggregator',
  ],
  [
    'a derived column that is a function',
    () => [
      perMinute
        .aggregate('step', { n: P.count() })
        .derive({ r: () => 1 })
        .to(sink),
    ],
    'derived column r names no columns',
  ],
  [
    'no timestamp',
    () => [
      (P.stream as Untyped)('readings', { schema: readingSchema, outOfOrderness: P.seconds(0) })
        .select('step', { a: () => 1 })
        .to(sink),
    ],
    'readings: timestamp is missing, and must be a function',
  ],
  [
    'no schema',
    () => [
      (P.stream as Untyped)('readings', { timestamp: () => 0, outOfOrderness: P.seconds(0) })
        .select('step', { a: () => 1 })
        .to(sink),
    ],
    'has no schema',
  ],
  [
    'a placement that is none',
    () => [counted(windowed(P.tumbling(P.minutes(1)), { placement: 'Lambda' }))],
    "placement is \"Lambda\"; use 'lambda' or 'fargate'.",
  ],
  [
    'an emit that is none',
    () => [counted(windowed(P.tumbling(P.minutes(1)), { emit: 'onClose' }))],
    "emit is \"onClose\"; use 'on-update' or 'on-close'.",
  ],
  [
    'a join of a kind that is none',
    () => [
      keyed
        .join(keyed, { ...near, kind: 'right' })
        .select('step', sides)
        .to(sink),
    ],
    "kind is \"right\"; use 'inner', 'left' or 'full'.",
  ],
  [
    'a table join of a kind that is none',
    () => [keyed.joinTable(keyed, { kind: 'full', allowedLateness }).select('step', sides).to(sink)],
    "kind is \"full\"; use 'inner' or 'left'.",
  ],
  [
    'a lateness that is missing',
    () => [counted(keyed.window(P.tumbling(P.minutes(1)), {}))],
    'allowedLateness is missing; give a duration, such as minutes(5).',
  ],
  [
    'a size that is a text',
    () => [counted(windowed(P.tumbling('1m' as Untyped)))],
    'window size is "1m"; give a duration, such as minutes(5).',
  ],
  [
    'a throttle without a limit',
    () => [keyed.throttle('step', { columns: {}, per: P.seconds(1), allowedLateness }).to(sink)],
    'limit is undefined; it must be a whole number of at least 1.',
  ],
  [
    'two triggers of one kind',
    () => [counted(windowed(P.global({ trigger: [P.everyRecords(2), P.everyRecords(3)] })))],
    'two triggers of one kind (everyRecords)',
  ],
  ['no trigger', () => [counted(windowed(P.global({} as Untyped)))], 'has a global window without a trigger'],
  [
    'a branch that is not finished',
    () => [perMinute.aggregate('step', { n: P.count() })],
    'output 1 is no finished branch; let it end in .to(...).',
  ],
  ['an output that is no list', () => counted(perMinute), 'has outputs that are no list'],
  [
    'a branch that goes nowhere',
    () => [perMinute.aggregate('step', { n: P.count() }).to()],
    'goes nowhere; name a sink',
  ],
  [
    'a sink that is not called',
    () => [perMinute.aggregate('step', { n: P.count() }).to(P.dynamodb)],
    "the kind of a sink is undefined; use 'dynamodb', 's3' or 'kinesis'.",
  ],
];

describe('a definition that no types have checked is refused:', () => {
  for (const [what, outputs, message] of wrong) {
    test(what, () => {
      const define = () => P.pipeline('test', outputs());
      expect(define).toThrow(message);
      expect(define).toThrow(expect.toSatisfy((error: unknown) => hasCode(error, 'PIPELINE_INVALID')));
    });
  }
});

test('triggers of both kinds are kept, in any order', () => {
  expect(P.global({ trigger: [P.everyTime(P.minutes(1)), P.everyRecords(2)] })).toEqual({
    kind: 'global',
    everyRecords: 2,
    everyMs: 60_000,
  });
});
