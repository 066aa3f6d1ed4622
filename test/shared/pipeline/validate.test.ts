import { describe, expect, test } from 'vitest';
import type { Derived } from '#shared/pipeline/derive.ts';
import {
  type AnyOutput,
  calendar,
  count,
  countDistinct,
  cumulative,
  type Duration,
  days,
  dynamodb,
  hours,
  milliseconds,
  type PipelineOptions,
  pipeline,
  quantile,
  rate,
  ratio,
  seconds,
  session,
  shareOfTotal,
  sliding,
  stream,
  sum,
  tumbling,
  type WindowSpec,
} from '#shared/pipeline/index.ts';
import { expectedKeysMax, idleAfterMsMin, overlapMax, slicesMax, slotsMax } from '#shared/pipeline/validate.ts';
import { hasCode } from '#shared/schemas/error.ts';
import { reservedColumns } from '#shared/schemas/row.ts';
import { type Reading, readingSchema, readings } from '../readings.ts';

interface Change {
  readonly name?: string;
  readonly source?: ReturnType<typeof readings>;
  readonly window?: WindowSpec;
  readonly options?: { readonly allowedLateness?: Duration; readonly refresh?: Duration };
  readonly aggregates?: Readonly<Record<string, ReturnType<typeof count<Reading>>>>;
  readonly derived?: Readonly<Record<string, Derived<string>>>;
  readonly ttl?: Duration;
}

/** A good branch, spoiled by `change`. What the types forbid a user who casts or writes JavaScript does all the same. */
function branch(change: Change = {}): AnyOutput {
  const output = (change.source ?? readings())
    .keyBy((reading) => ({ key: reading.key }))
    .window((change.window ?? tumbling(seconds(1))) as ReturnType<typeof tumbling>, {
      allowedLateness: seconds(0),
      ...change.options,
    })
    .aggregate(change.name ?? 'step', change.aggregates ?? { requests: count() })
    .derive((change.derived ?? {}) as Record<string, Derived<never>>);
  return output.to(dynamodb({ ttl: change.ttl ?? hours(1) }));
}

function messageOf(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    expect(hasCode(error, 'PIPELINE_INVALID')).toBe(true);
    return (error as Error).message.slice('PIPELINE_INVALID: '.length);
  }
  return 'it was taken';
}

const nameAdvice =
  'is not a name: use lower-case letters, digits and hyphens, begin with a letter, at most 63 characters.';
const ms = milliseconds;

describe('the pipeline', () => {
  test.each<readonly [string, PipelineOptions, string]>([
    ['0 slots', { slots: 0 }, `test: slots is 0; it must be a power of two up to ${slotsMax}.`],
    ['3 slots', { slots: 3 }, `test: slots is 3; it must be a power of two up to ${slotsMax}.`],
    ['-2 slots', { slots: -2 }, `test: slots is -2; it must be a power of two up to ${slotsMax}.`],
    ['half a slot', { slots: 0.5 }, `test: slots is 0.5; it must be a power of two up to ${slotsMax}.`],
    ['NaN slots', { slots: Number.NaN }, `test: slots is NaN; it must be a power of two up to ${slotsMax}.`],
    ['2,048 slots', { slots: 2_048 }, `test: slots is 2048; it must be a power of two up to ${slotsMax}.`],
    ['no keys', { expectedKeys: 0 }, `test: expectedKeys is 0; it must be a whole number up to ${expectedKeysMax}.`],
    [
      'half a key',
      { expectedKeys: 1.5 },
      `test: expectedKeys is 1.5; it must be a whole number up to ${expectedKeysMax}.`,
    ],
    [
      'too many keys',
      { expectedKeys: expectedKeysMax + 1 },
      `test: expectedKeys is ${expectedKeysMax + 1}; it must be a whole number up to ${expectedKeysMax}.`,
    ],
  ])('with %s is refused', (_, options, message) => {
    expect(messageOf(() => pipeline('test', [branch()], options))).toBe(message);
  });

  test.each(['', 'Test', '1test', 'te_st', 'te st', 'a'.repeat(64), 'té'])('with the id %j is refused', (id) => {
    expect(messageOf(() => pipeline(id, [branch()]))).toBe(`pipeline ${JSON.stringify(id)} ${nameAdvice}`);
  });

  test('with an id of 63 characters is taken', () => {
    expect(pipeline('a'.repeat(63), [branch()]).id).toHaveLength(63);
  });

  test('without outputs is refused', () => {
    expect(messageOf(() => pipeline('test', []))).toBe(
      'test has no outputs; give it at least one branch that ends in .to(...).',
    );
  });

  test('with two steps of one name is refused', () => {
    const source = readings();
    expect(messageOf(() => pipeline('test', [branch({ source }), branch({ source })]))).toBe(
      'test: step step has the name of another step, and the name is the identity of the state. Rename one.',
    );
  });

  test('with a step that has the name of its stream is refused', () => {
    expect(messageOf(() => pipeline('test', [branch({ name: 'readings' })]))).toBe(
      'test: step readings has the name of a stream, and a name stands for one thing. Rename one.',
    );
  });

  test('with a step that has the name of a later stream is refused', () => {
    const outputs = [branch({ name: 'others' }), branch({ source: readings({ name: 'others' }) })];
    expect(messageOf(() => pipeline('test', outputs))).toBe(
      'test: step others has the name of a stream, and a name stands for one thing. Rename one.',
    );
  });
});

describe('a stream', () => {
  test.each(['', 'Readings', 'a/b', 'a.b'])('with the name %j is refused', (name) => {
    expect(messageOf(() => pipeline('test', [branch({ source: readings({ name }) })]))).toBe(
      `test: stream ${JSON.stringify(name)} ${nameAdvice}`,
    );
  });

  test('that is defined twice is refused, though both definitions are the same', () => {
    expect(messageOf(() => pipeline('test', [branch({ name: 'a' }), branch({ name: 'b' })]))).toBe(
      'test: stream "readings" has the name of another stream. Define it once and use it twice.',
    );
  });

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('with outOfOrderness %d is refused', (value) => {
    expect(messageOf(() => pipeline('test', [branch({ source: readings({ outOfOrderness: value }) })]))).toBe(
      `test: stream "readings" outOfOrderness is ${value} ms; it must be a whole number of at least 0 ms.`,
    );
  });

  test('with an idleAfter below a minute is refused', () => {
    expect(messageOf(() => pipeline('test', [branch({ source: readings({ idleAfter: idleAfterMsMin - 1 }) })]))).toBe(
      `test: stream "readings" idleAfter is ${idleAfterMsMin - 1} ms; it must be a whole number of at least ${idleAfterMsMin} ms.`,
    );
  });

  test('with an idleAfter of a minute is taken', () => {
    expect(pipeline('test', [branch({ source: readings({ idleAfter: idleAfterMsMin }) })]).plan.nodes[0]).toMatchObject(
      {
        idleAfterMs: idleAfterMsMin,
      },
    );
  });

  test('with no format at all is refused', () => {
    const source = stream('readings', {
      schema: readingSchema,
      timestamp: (reading) => reading.at,
      outOfOrderness: ms(0),
      decode: [] as never,
    });
    expect(messageOf(() => pipeline('test', [branch({ source })]))).toBe(
      'test: stream "readings" has no format to decode; leave decode out for JSON, or name at least one.',
    );
  });
});

describe('a step', () => {
  const refused: readonly (readonly [string, Change, string])[] = [
    ['a name in capitals', { name: 'Step' }, `test: step "Step" ${nameAdvice}`],
    [
      'negative lateness',
      { options: { allowedLateness: ms(-1) } },
      'allowedLateness is -1 ms; it must be a whole number of at least 0 ms.',
    ],
    [
      'lateness without end',
      { options: { allowedLateness: ms(Number.POSITIVE_INFINITY) } },
      'allowedLateness is Infinity ms; it must be a whole number of at least 0 ms.',
    ],
    ['no refresh', { options: { refresh: ms(0) } }, 'refresh is 0 ms; it must be a whole number of at least 1 ms.'],
    ['a ttl below a second', { ttl: ms(999) }, 'ttl is 999 ms; it must be a whole number of at least 1000 ms.'],
    [
      'an empty window',
      { window: tumbling(ms(0)) },
      'window size is 0 ms; it must be a whole number of at least 1 ms.',
    ],
    [
      'half a millisecond',
      { window: tumbling(ms(0.5)) },
      'window size is 0.5 ms; it must be a whole number of at least 1 ms.',
    ],
    [
      'an empty sliding window',
      { window: sliding(ms(0), { every: ms(1) }) },
      'window size is 0 ms; it must be a whole number of at least 1 ms.',
    ],
    [
      'a slide of 0',
      { window: sliding(ms(1), { every: ms(0) }) },
      'slide is 0 ms; it must be a whole number of at least 1 ms.',
    ],
    [
      'a slide beyond the size',
      { window: sliding(ms(5), { every: ms(6) }) },
      'slides by 6 ms with a size of 5 ms, so records between windows would be in none.',
    ],
    [
      'too many overlaps',
      { window: sliding(ms(10_001), { every: ms(1) }) },
      `a record would be in 10001 windows; at most ${overlapMax} are allowed.`,
    ],
    [
      'too many slices',
      { window: sliding(days(7), { every: ms(604_799_999) }) },
      `slides by 604799999 ms with a size of 604800000 ms, which have no longer common divisor than 1 ms, so a window would be 604800000 slices; at most ${slicesMax} are allowed. Choose a slide that divides the size, or give both in a unit of at least 6048 ms.`,
    ],
    [
      'a slice too many',
      { window: sliding(ms(slicesMax + 1), { every: ms(slicesMax) }) },
      `slides by 100000 ms with a size of 100001 ms, which have no longer common divisor than 1 ms, so a window would be 100001 slices; at most ${slicesMax} are allowed. Choose a slide that divides the size, or give both in a unit of at least 2 ms.`,
    ],
    [
      'a cumulative step of 0',
      { window: cumulative(ms(5), { step: ms(0) }) },
      'step is 0 ms; it must be a whole number of at least 1 ms.',
    ],
    [
      'a step that does not divide the size',
      { window: cumulative(ms(5), { step: ms(2) }) },
      'has cumulative windows of up to 5 ms in steps of 2 ms, which do not divide it. Choose a step that does.',
    ],
    [
      'too many steps',
      { window: cumulative(ms(10_001), { step: ms(1) }) },
      `a record would be in 10001 windows; at most ${overlapMax} are allowed.`,
    ],
    [
      'a time zone that is none',
      { window: calendar('day', { timeZone: 'Berlin' }) },
      "has calendar windows in time zone \"Berlin\", which is none; use a name of the IANA time zone database, such as 'Europe/Berlin' or 'UTC'.",
    ],
    [
      'no time zone',
      { window: calendar('day', {} as never) },
      "has calendar windows in time zone undefined, which is none; use a name of the IANA time zone database, such as 'Europe/Berlin' or 'UTC'.",
    ],
    [
      'a unit that is none',
      { window: calendar('hour' as 'day', { timeZone: 'UTC' }) },
      "the unit of a calendar window is \"hour\"; use 'day', 'week' or 'month'.",
    ],
    [
      'weeks from Friday on',
      { window: calendar('week', { timeZone: 'UTC', weekStart: 'friday' as never }) },
      "weekStart is \"friday\"; use 'monday' or 'sunday'.",
    ],
    ['a gap of 0', { window: session({ gap: ms(0) }) }, 'gap is 0 ms; it must be a whole number of at least 1 ms.'],
    ['no columns', { aggregates: {} }, 'aggregates no columns; name at least one, such as { count: count() }.'],
    [
      'a column with a space',
      { aggregates: { 'a b': count() } },
      'column "a b" is not a name of letters, digits and _ that begins with a letter.',
    ],
    [
      'a column __proto__',
      { aggregates: { ['__proto__']: count() } },
      'column "__proto__" is not a name of letters, digits and _ that begins with a letter.',
    ],
    [
      'a derived column that is no name',
      { derived: { '1': rate('requests') } },
      'column "1" is not a name of letters, digits and _ that begins with a letter.',
    ],
    [
      'a derived column of nothing',
      { derived: { share: ratio('requests', 'errors') } },
      'derived column share needs errors, which is not aggregated.',
    ],
    [
      'a derived column of what every object has',
      { derived: { share: rate('toString') } },
      'derived column share needs toString, which is not aggregated.',
    ],
    [
      'a derived column of a derived one',
      { derived: { a: rate('requests'), b: rate('a') } },
      'derived column b needs a, which is not aggregated.',
    ],
    [
      'a column twice',
      { derived: { requests: rate('requests') } },
      'column requests has the name of another column; the case does not count. Rename one.',
    ],
    [
      'two columns that differ by their case',
      { derived: { Requests: rate('requests') } },
      'column Requests has the name of another column; the case does not count. Rename one.',
    ],
    [
      'a column that every row has, in capitals',
      { aggregates: { FINAL: count() } },
      'column FINAL is a name that every row has already.',
    ],
    [
      'a share of sessions',
      { window: session({ gap: ms(1) }), derived: { share: shareOfTotal('requests') } },
      'derived column share: sessions of different keys have different bounds, so there is no total to share.',
    ],
  ];

  test.each(refused)('with %s is refused', (_, change, message) => {
    const where = message.startsWith('test') ? '' : 'test: step step ';
    expect(messageOf(() => pipeline('test', [branch(change)]))).toBe(`${where}${message}`);
  });

  test.each([...reservedColumns])('with the column %s, which every row has, is refused', (column) => {
    expect(messageOf(() => pipeline('test', [branch({ aggregates: { [column]: count() } })]))).toBe(
      `test: step step column ${column} is a name that every row has already.`,
    );
  });

  test('with emit on-update for a session is refused', () => {
    const keyed = readings().keyBy((reading) => ({ key: reading.key }));
    const options = { allowedLateness: ms(0), emit: 'on-update' } as never;
    const output = keyed
      .window(session({ gap: ms(1) }), options)
      .aggregate('step', { n: count() })
      .to(dynamodb({ ttl: hours(1) }));
    expect(messageOf(() => pipeline('test', [output]))).toBe(
      "test: step step emits on-update, but a session's bounds change until it closes. Leave emit out.",
    );
  });

  test('at every limit is taken', () => {
    const output = branch({
      window: sliding(ms(overlapMax), { every: ms(1) }),
      options: { allowedLateness: ms(0), refresh: ms(1) },
      ttl: ms(1_000),
    });
    expect(pipeline('test', [output], { slots: slotsMax, expectedKeys: expectedKeysMax }).plan.slots).toBe(slotsMax);
  });
});

test.each<readonly [string, WindowSpec]>([
  ['as many slices as are allowed', sliding(ms(slicesMax), { every: ms(slicesMax - 1) })],
  ['a day and a slide of a prime number of seconds', sliding(days(1), { every: seconds(86_399) })],
  ['no slide, however long', tumbling(days(365_000))],
])('a window of %s is taken', (_, window) => {
  expect(pipeline('test', [branch({ window })]).id).toBe('test');
});

describe('an aggregator', () => {
  test.each<readonly [string, () => unknown, RegExp]>([
    ['a quantile below 0', () => quantile(-0.1, () => 0), /quantile: q is -0.1; it must be from 0 to 1/],
    ['a quantile of NaN', () => quantile(Number.NaN, () => 0), /quantile: q is NaN; it must be from 0 to 1/],
    ['a percentile for a quantile', () => quantile(99, () => 0), /quantile: q is 99; it must be from 0 to 1/],
    ['an accuracy of 0', () => quantile(0.5, () => 0, { accuracy: 0 }), /quantile: accuracy is 0/],
    ['a precision of 17', () => countDistinct(() => 0, { precision: 17 }), /countDistinct: precision is 17/],
  ])('refuses %s at once', (_, make, message) => {
    expect(messageOf(make)).toMatch(message);
  });
});

test('key groups are a power of two, sized for 16 keys a state item', () => {
  const groupsOf = (expectedKeys: number, slots: number): number =>
    pipeline('test', [branch({ aggregates: { bytes: sum(() => 1) as never } })], { expectedKeys, slots }).plan.groups;
  expect([groupsOf(1, 16), groupsOf(256, 16), groupsOf(257, 16), groupsOf(4_096, 16), groupsOf(4_096, 1)]).toEqual([
    1, 1, 2, 16, 256,
  ]);
});
