import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { topK } from '#shared/pipeline/aggregators/top-k.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { anyKept } from './arbitraries.ts';

const identity = (value: Json): Json => value;

// As long as no value has to make room all laws hold to the last bit; beyond that the bounds do (below).
aggregatorLaws(
  'topK',
  () => topK(identity, { k: 3, capacity: 100 }),
  fc.tuple(anyKept, fc.integer({ min: 0, max: 9 })),
);

type Weighted = readonly [value: number, weight: number];
const small = topK(identity, { k: 4, capacity: 8 });
type Counters = ReturnType<typeof small.create>;

/** Values of a skewed distribution, in parts that are merged in the order of a random tree. */
const parts = fc.array(
  fc.array(
    fc.tuple(
      fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 0, max: 3 }) }, fc.integer({ min: 4, max: 60 })),
      fc.integer({ min: 1, max: 5 }),
    ),
    { maxLength: 60 },
  ),
  { minLength: 1, maxLength: 6 },
);

function mergeInTree(states: readonly Counters[], picks: readonly number[]): Counters {
  const rest = [...states];
  for (let at = 0; rest.length > 1; at += 1) {
    const [into] = rest.splice((picks[at] ?? 0) % rest.length, 1) as [Counters];
    const [from] = rest.splice((picks[at + 7] ?? 1) % rest.length, 1) as [Counters];
    rest.push(small.merge(into, small.decode(JSON.parse(JSON.stringify(small.encode(from))) as Json)));
  }
  return rest[0] as Counters;
}

describe('topK beyond its capacity', () => {
  test('counts are too high by at most their error, errors are at most N / capacity, and nothing frequent is missed', () => {
    fc.assert(
      fc.property(parts, fc.array(fc.nat(), { maxLength: 16 }), (all, picks) => {
        const states = all.map((part) => part.reduce<Counters>((state, one) => small.add(state, one), small.create()));
        const state = mergeInTree(states, picks);
        const exact = new Map<number, number>();
        let total = 0;
        for (const [value, weight] of all.flat() as readonly Weighted[]) {
          exact.set(value, (exact.get(value) ?? 0) + weight);
          total += weight;
        }
        const counted = new Map(
          (small.encode(state) as readonly [number, number, number][]).map(([value, count, error]) => [
            value,
            [count, error],
          ]),
        );
        expect(counted.size).toBeLessThanOrEqual(8);
        for (const [value, [count = 0, error = 0]] of counted) {
          expect(count).toBeGreaterThanOrEqual(exact.get(value) ?? 0);
          expect(count - error).toBeLessThanOrEqual(exact.get(value) ?? 0);
          expect(error).toBeLessThanOrEqual(total / 8);
        }
        for (const [value, count] of exact) if (count > total / 8) expect(counted.has(value)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('topK', () => {
  test('gives the most frequent first, and values of one count in their order', () => {
    const values = ['b', 'a', 'c', 'c', 7, { x: 1 }];
    const state = values.reduce<Counters>((counters, value) => small.add(counters, [value, 1]), small.create());
    expect(small.result(state)).toEqual([
      { count: 2, error: 0, value: 'c' },
      { count: 1, error: 0, value: 7 },
      { count: 1, error: 0, value: 'a' },
      { count: 1, error: 0, value: 'b' },
    ]);
  });

  test('with a weight it is by its sum', () => {
    const bytes = topK((r: { path: string; bytes: number }) => r.path, { k: 1, weight: (r) => r.bytes });
    const records = [
      { path: '/a', bytes: 5 },
      { path: '/b', bytes: 3 },
      { path: '/b', bytes: 4 },
    ];
    const state = records.map((record) => bytes.select(record, 0)).reduce(bytes.add, bytes.create());
    expect(bytes.result(state)).toEqual([{ count: 7, error: 0, value: '/b' }]);
    expect(bytes.refuse?.(['/a', -1])).toBe('the weight is -1; it must be a whole number from 0 to 2^53 - 1');
    expect(bytes.refuse?.(['/a', 0.5])).toContain('the weight is 0.5');
  });

  test('a text is never taken for an object', () => {
    const values: readonly Json[] = [{ a: 1 }, '{"a":1}', '\u0000{"a":1}', '\u0000"\u0000{\\"a\\":1}"', null, 'null'];
    const state = values.map((value) => small.select(value as never, 0)).reduce(small.add, small.create());
    expect(state.size).toBe(values.length);
    expect(small.decode(small.encode(state)).size).toBe(values.length);
  });

  test('k and capacity have limits', () => {
    expect(() => topK(identity, { k: 0 })).toThrow('topK: k is 0; it must be a whole number from 1 to 100.');
    expect(() => topK(identity, { k: 10, capacity: 9 })).toThrow(
      'topK: capacity is 9; it must be a whole number from 10 to 1000.',
    );
    expect(topK(identity, { k: 3 }).config).toEqual({ k: 3, capacity: 100, weight: false });
  });

  test.each([
    1,
    [1],
    [[1, 1]],
    [[1, 1, 1]],
    [[1, 2, -1]],
    [
      [1, 1, 0],
      [1, 1, 0],
    ],
  ])('%j is no state', (...encoded) => {
    expect(() => small.decode((encoded.length === 1 ? encoded[0] : encoded) as Json)).toThrow(
      'the state of top-k must be',
    );
  });
});
