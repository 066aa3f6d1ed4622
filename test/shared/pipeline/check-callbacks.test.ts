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
    `branch: predicate a ${advice}`,
  ],
  [
    'an asynchronous identity of a sample',
    () => [
      source
        .sample(0.5, { by: asynchronous as never })
        .select('step', { a: () => 1 })
        .to(sink),
    ],
    `sample: by ${advice}`,
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
    'limit is missing; it must be a whole number of at least 1.',
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
    "the kind of a sink is missing; use 'dynamodb', 's3' or 'kinesis'.",
  ],
];

const untyped = P as Untyped;
const one = (aggregator: Untyped) => [perMinute.aggregate('step', { n: aggregator }).to(sink)];
const final = windowed(P.tumbling(P.minutes(1)), { emit: 'on-close' }).aggregate('step', { n: P.count() });
const table = P.lookupTable('users', { key: { id: 'string' }, schema: readingSchema });
const through = (stream: Untyped) => [stream.select('step', { a: () => 1 }).to(sink)];
const value = () => 1;

/** Something that is left out, or is no object, or no name. */
const left: typeof wrong = [
  ['options of a stream', () => through(untyped.stream('s')), 'stream "s" lacks its options; give { schema,'],
  ['a format', () => through(untyped.stream('s', { decode: null })), 'stream "s" has null for its option decode'],
  [
    'a format that is not called',
    () => through(untyped.stream('s', { schema: readingSchema, timestamp: value, decode: [P.csv] })),
    'decodes a function, which is no format',
  ],
  [
    'the name of a stream',
    () => through(untyped.stream(undefined, { schema: readingSchema, timestamp: value, outOfOrderness: P.seconds(0) })),
    'stream missing is not a name',
  ],
  ['a piece', () => through(source.through()), 'through: what it is given is missing, and must be a function'],
  ['predicates', () => through(source.branch().otherwise), 'branch lacks its predicates; give them by name'],
  ['options of a sample', () => through(source.sample(0.5, 5)), 'sample has 5 for its options'],
  ['a share', () => through(source.sample(null)), 'a sample is a share of null'],
  ['streams of a union', () => through(untyped.union()), 'union is of no streams'],
  ['a stream of a union', () => through(untyped.union(source, keyed)), 'union lacks its streams'],
  ['a table', () => through(source.enrich(undefined, {}, value)), 'enrich lacks its table'],
  ['options of an enrichment', () => through(source.enrich(table)), 'enrich lacks its options; give { key:'],
  ['options of a table', () => [untyped.lookupTable('users')], 'table users lacks its options'],
  ['the key of a table', () => [untyped.lookupTable('users', {})], 'table users lacks its key'],
  [
    'the schema of a table',
    () =>
      through(
        source.enrich(
          untyped.lookupTable('users', { key: { id: 'string' } }),
          { key: value, freshness: P.seconds(0) },
          value,
        ),
      ),
    'has no schema of its items',
  ],
  ['a window', () => [counted(keyed.window())], 'window lacks its kind; give one, such as tumbling(minutes(5))'],
  [
    'options of a window',
    () => [counted(keyed.window(P.tumbling(P.minutes(1))))],
    'a window of kind tumbling lacks its options',
  ],
  ['the size of a window', () => [counted(windowed(untyped.tumbling()))], 'window size is missing; give a duration'],
  ['a window of no kind', () => [counted(windowed({ kind: 'hopping' }))], 'the kind of a window is "hopping"; use'],
  [
    'how often rows are early',
    () => [counted(windowed(P.tumbling(P.minutes(1)), { emit: 'on-close', early: 5 }))],
    'early of a window has 5 for its options',
  ],
  ['options of sliding windows', () => [untyped.sliding(P.minutes(1))], 'sliding lacks its options; give { every:'],
  ['options of cumulative windows', () => [untyped.cumulative(P.minutes(1))], 'cumulative lacks its options'],
  ['options of calendar windows', () => [untyped.calendar('day')], 'calendar lacks its options; give { timeZone:'],
  ['options of sessions', () => [untyped.session()], 'session lacks its options; give { gap: minutes(30) }.'],
  ['options of counted windows', () => [untyped.countWindow(3, null)], 'countWindow has null for its options'],
  ['options of a global window', () => [untyped.global()], 'global lacks its options'],
  ['a trigger', () => [untyped.global({ trigger: 5 })], 'global has 5 for its trigger'],
  [
    'columns of windows',
    () => [perMinute.aggregate('step').to(sink)],
    'step step lacks its columns; give them by name',
  ],
  ['columns without a window', () => [keyed.aggregate('step').to(sink)], 'step step lacks its columns'],
  ['columns of rows', () => [source.select('step').to(sink)], 'step step lacks its columns'],
  ['columns of late rows', () => [final.late('lates').to(sink)], 'step lates lacks its columns'],
  [
    'a window of rows',
    () => [source.select('step', { a: value }, { window: P.session({ gap: P.minutes(1) }) }).to(sink)],
    'shows its rows with windows that are not tumbling ones',
  ],
  ['options of top', () => [final.top('best', 3).to(sink)], 'step best lacks its options; give { by:'],
  ['options of rank', () => [final.rank('best', 3).to(sink)], 'step best lacks its options; give { by:'],
  ['a stream to join', () => [keyed.join(source, near)], 'join lacks its other stream; give a keyed one'],
  ['options of a join', () => [keyed.join(keyed)], 'join lacks its options; give { within:'],
  ['the interval of a join', () => [keyed.join(keyed, { allowedLateness })], 'join lacks its within'],
  ['columns of a join', () => [keyed.join(keyed, near).select('step')], 'step step lacks its columns'],
  [
    'columns of one side',
    () => [keyed.join(keyed, near).select('step', { left: {} })],
    'step step lacks its columns of the right side',
  ],
  ['a table to join', () => [keyed.joinTable()], 'joinTable lacks its other stream'],
  ['options of a join with a table', () => [keyed.joinTable(keyed)], 'joinTable lacks its options'],
  ['options of dedupe', () => [keyed.dedupe('step')], 'step step lacks its options'],
  ['columns of dedupe', () => [keyed.dedupe('step', {})], 'step step lacks its columns'],
  ['options of throttle', () => [keyed.throttle('step')], 'step step lacks its options'],
  ['options of a function', () => [keyed.process('step')], 'step step lacks its options'],
  ['what a function emits', () => [keyed.process('step', { columns: {} })], 'step step lacks its emits'],
  ['options of anomalies', () => [untyped.anomalies(value)], 'anomalies lacks its options'],
  [
    'options of an aggregator',
    () => one(untyped.ewma(value)),
    'ewma lacks its options; give { halfLife: minutes(5) }.',
  ],
  ['what the greatest is the greatest by', () => one(untyped.argMax(value)), 'argMax lacks its options; give { by:'],
  ['bounds', () => one(untyped.histogram(value, {})), 'histogram lacks its bounds'],
  ['variables', () => one(untyped.multipleRegression()), 'multipleRegression lacks its variables'],
  ['parts', () => one(untyped.quantiles()), 'quantiles lacks its parts'],
  ['where it is predicted', () => [untyped.prediction('n')], 'prediction lacks its options; give { at: 100 }.'],
  ['options of a table as a sink', () => [untyped.dynamodb()], 'dynamodb lacks its options; give { ttl: days(7) }.'],
  ['options of files', () => [untyped.s3()], "s3 lacks its options; give { format: 'parquet' }."],
  ['a sink', () => [final.to(undefined)], 'the kind of a sink is missing'],
  ['fields', () => [untyped.record()], 'record lacks its fields; give them by name'],
  ['a field', () => [untyped.record({ a: P.string })], 'record lacks its field a; give one, such as string().'],
  ['items', () => [untyped.list()], 'list lacks its items'],
  ['what is optional', () => [untyped.optional()], 'optional lacks its field'],
  ['columns of a line', () => [untyped.csv({})], 'csv lacks its columns'],
  ['a message', () => [untyped.protobuf()], 'protobuf lacks its options'],
];

test('options of a pipeline that are no object are refused', () => {
  expect(() => untyped.pipeline('test', [counted(perMinute)], null)).toThrow('pipeline test has null for its options');
});

describe('a definition that no types have checked is refused:', () => {
  for (const [what, outputs, message] of [...wrong, ...left]) {
    test(what, () => {
      const define = () => P.pipeline('test', outputs());
      expect(define).toThrow(message);
      expect(define).toThrow(expect.toSatisfy((error: unknown) => hasCode(error, 'PIPELINE_INVALID')));
    });
  }
});

test('triggers of several kinds are kept, in any order', () => {
  expect(P.global({ trigger: [P.everyTime(P.minutes(1)), P.everyRecords(2)] })).toEqual({
    kind: 'global',
    everyRecords: 2,
    everyMs: 60_000,
  });
  expect(P.global({ trigger: [P.everyTime(P.minutes(1), { time: 'arrival' }), P.everyTime(P.minutes(2))] })).toEqual({
    kind: 'global',
    everyMs: 120_000,
    everyArrivalMs: 60_000,
  });
});

test('the time of a trigger is one of two', () => {
  expect(() => P.everyTime(P.minutes(1), { time: 'clock' as 'arrival' })).toThrow(
    "PIPELINE_INVALID: everyTime: time is \"clock\"; use 'event' or 'arrival'.",
  );
});
