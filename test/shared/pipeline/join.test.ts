import { describe, expect, test } from 'vitest';
import {
  type AnyOutput,
  count,
  type Duration,
  dynamodb,
  hours,
  type JoinKind,
  milliseconds,
  type Pipeline,
  pipeline,
  seconds,
  tumbling,
} from '#shared/pipeline/index.ts';
import { joinedCharactersMax, refuseJoined, type Selectors } from '#shared/pipeline/join.ts';
import { place } from '#shared/pipeline/placement.ts';
import { routesOf, stepsOf } from '#shared/pipeline/plan.ts';
import { hasCode } from '#shared/schemas/error.ts';
import { type Reading, readings } from '../readings.ts';

type Columns = Selectors<Reading>;

interface Change {
  readonly name?: string;
  readonly within?: readonly [number, number];
  readonly kind?: JoinKind;
  readonly allowedLateness?: number;
  readonly left?: Columns;
  readonly right?: Columns;
  readonly rightSource?: string;
  readonly ttl?: Duration;
}

/** A good join of two sources, changed or spoiled by `change`. */
function joined(change: Change = {}): AnyOutput {
  const keyed = (name: string) => readings({ name }).keyBy((reading) => ({ key: reading.key }));
  const [lower, upper] = change.within ?? [0, 10];
  return keyed('lefts')
    .join(keyed(change.rightSource ?? 'rights'), {
      within: [milliseconds(lower), milliseconds(upper)],
      allowedLateness: milliseconds(change.allowedLateness ?? 0),
      ...(change.kind === undefined ? {} : { kind: change.kind }),
    })
    .select(change.name ?? 'joined', {
      left: change.left ?? { amount: (reading: Reading) => reading.amount },
      right: change.right ?? { at: (reading: Reading) => reading.at },
    })
    .to(dynamodb({ ttl: change.ttl ?? hours(1) }));
}

function planned(change: Change = {}): Pipeline {
  return pipeline('test', [joined(change)]);
}

describe('the plan of a join', () => {
  test('has two sources, a route for each side, and the columns by side', () => {
    expect(stepsOf(planned().plan)).toEqual([
      {
        op: 'join',
        id: 'joined',
        kind: 'inner',
        lowerMs: 0,
        upperMs: 10,
        left: { source: 'lefts', input: 'lefts/key', columns: ['amount'] },
        right: { source: 'rights', input: 'rights/key', columns: ['at'] },
        allowedLatenessMs: 0,
        sinks: [{ kind: 'dynamodb', ttlMs: 3_600_000 }],
        placement: 'fargate',
        reason: 'both sides of a key wait in one memory until no partner can come any more',
      },
    ]);
  });

  test('is JSON: nothing of it is lost on the wire', () => {
    const { plan } = planned();
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  test('shares a keyBy with a window', () => {
    const keyed = readings().keyBy((reading) => ({ key: reading.key }));
    const others = readings({ name: 'others' }).keyBy((reading) => ({ key: reading.key }));
    const sink = dynamodb({ ttl: hours(1) });
    const options = { within: [seconds(0), seconds(1)], allowedLateness: seconds(0) } as const;
    const { plan } = pipeline('test', [
      keyed
        .window(tumbling(seconds(1)), { allowedLateness: seconds(0) })
        .aggregate('window', { n: count() })
        .to(sink),
      keyed.join(others, options).select('join', { left: {}, right: {} }).to(sink),
    ]);
    expect(routesOf(plan).map(({ id }) => id)).toEqual(['readings/key', 'others/key']);
  });

  test('has a route for each side of a stream that is joined with itself', () => {
    const keyed = readings().keyBy((reading) => ({ key: reading.key }));
    const output = keyed
      .join(keyed, { within: [seconds(0), seconds(1)], allowedLateness: seconds(0) })
      .select('join', { left: {}, right: {} })
      .to(dynamodb({ ttl: hours(1) }));
    const { plan, bindings } = pipeline('test', [output]);
    expect(routesOf(plan).map(({ id }) => id)).toEqual(['readings/key', 'readings/key-2']);
    expect([...bindings.keys()]).toEqual(plan.nodes.map((node) => node.id));
  });
});

describe('the plan hash of a join', () => {
  const usual = planned().planHash;
  test.each<readonly [string, Change]>([
    ['its name', { name: 'other' }],
    ['the beginning of the interval', { within: [-1, 10] }],
    ['the end of the interval', { within: [0, 11] }],
    ['its kind', { kind: 'left' }],
    ['allowedLateness', { allowedLateness: 1 }],
    ['a source', { rightSource: 'others' }],
    ['a column', { left: { other: (reading) => reading.amount } }],
    ['a column of the other side', { right: {} }],
    ['the ttl', { ttl: hours(2) }],
  ])('changes with %s', (_, change) => {
    expect(planned(change).planHash).not.toBe(usual);
  });

  test('changes with the order of the columns, which blocks and state hold by number', () => {
    const a = (reading: Reading) => reading.amount;
    const hashOf = (left: Columns): string => planned({ left }).planHash;
    expect(hashOf({ a, b: a })).not.toBe(hashOf({ b: a, a }));
  });

  test('does not change with the callbacks, with a default that is written out, nor with the reason', () => {
    expect(planned({ kind: 'inner', left: { amount: () => 0 } }).planHash).toBe(usual);
  });
});

test('a join goes to the worker, and says why', () => {
  expect(place(joined().step)).toEqual({ placement: 'fargate', reason: expect.stringMatching(/both sides of a key/) });
});

const one = (): number => 1;

describe('a join that cannot be meant is refused:', () => {
  test.each<readonly [string, Change, RegExp]>([
    ['an interval that ends before it begins', { within: [5, 4] }, /the end of within is 4 ms; .* at least 5 ms/],
    ['an interval in fractions', { within: [0.5, 4] }, /the beginning of within is 0.5 ms/],
    ['an interval without an end', { within: [0, Number.POSITIVE_INFINITY] }, /the end of within is Infinity ms/],
    ['a negative lateness', { allowedLateness: -1 }, /allowedLateness is -1 ms/],
    ['a ttl of nothing', { ttl: milliseconds(0) }, /ttl is 0 ms/],
    ['one column on both sides', { left: { a: one }, right: { a: one } }, /column a is there twice/],
    ['the name of a time', { left: { leftTime: one } as Columns }, /column leftTime is there twice/],
    ['the name of an own column', { right: { view: one } as Columns }, /column view is a name that every row has/],
    ['a name that is none', { right: { 'a b': one } }, /column "a b" is not a name/],
    ['a step with the name of its right stream', { name: 'rights' }, /step rights has the name of a stream/],
  ])('%s', (_, change, message) => {
    const make = () => planned(change);
    expect(make).toThrow(message);
    expect(hasCode(attempt(make), 'PIPELINE_INVALID')).toBe(true);
  });
});

function attempt(make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    return error;
  }
}

describe('a selected value', () => {
  test.each<readonly [string, unknown]>([
    ['a text', 'a'],
    ['a number', -1.5],
    ['a truth', false],
    ['null', null],
    ['a list', [1, ['a', null]]],
    ['an object', { a: { b: [1] } }],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
  ])('may be %s', (_, value) => {
    expect(refuseJoined(value, 2)).toBeUndefined();
  });

  test.each<readonly [string, unknown, RegExp]>([
    ['undefined', undefined, /is of type undefined/],
    ['NaN', Number.NaN, /is NaN/],
    ['an infinite number', Number.NEGATIVE_INFINITY, /is -Infinity/],
    ['a bigint', 1n, /is of type bigint/],
    ['a Date', new Date(0), /is an object of a class/],
    ['a Map', new Map(), /is an object of a class/],
    ['a list that holds undefined', [1, undefined], /is of type undefined/],
    ['an object that holds a function', { a: () => 1 }, /is of type function/],
  ])('may not be %s, which a snapshot would change', (_, value, message) => {
    expect(refuseJoined(value, 2)).toMatch(message);
  });

  test('shares the room of a row with the other columns', () => {
    const fits = 'x'.repeat(joinedCharactersMax / 4);
    expect([refuseJoined(fits, 4), refuseJoined(`${fits}x`, 4)]).toEqual([
      undefined,
      'has 25001 characters as JSON; with 4 columns in a row at most 25000 are allowed',
    ]);
  });
});
