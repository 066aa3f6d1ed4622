import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { argMax } from '#shared/pipeline/aggregators/arg-max.ts';
import { argMin } from '#shared/pipeline/aggregators/arg-min.ts';
import { first } from '#shared/pipeline/aggregators/first.ts';
import { compareJson, keptCharactersMax, plainOf } from '#shared/pipeline/aggregators/json-order.ts';
import { last } from '#shared/pipeline/aggregators/last.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { anyKept } from './arbitraries.ts';

interface Bid {
  readonly at: number;
  readonly price: number;
  readonly bidder: Json;
}

const offers = fc.tuple(
  fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom('a', 'b')),
  fc.integer({ min: 0, max: 3 }),
  anyKept,
);
const timed = fc.tuple(fc.constant(0), fc.integer({ min: -3, max: 3 }), anyKept);
const bidder = (bid: Bid): Json => bid.bidder;
const by = { by: (bid: Bid): number => bid.price };

aggregatorLaws('first', () => first(bidder), timed);
aggregatorLaws('last', () => last(bidder), timed);
aggregatorLaws('argMin', () => argMin(bidder, by), offers);
aggregatorLaws('argMax', () => argMax(bidder, by), offers);

function resultOf(aggregator: ReturnType<typeof first<Bid, Json>>, bids: readonly Bid[]): Json {
  return aggregator.result(
    bids.map((bid) => aggregator.select(bid, bid.at)).reduce(aggregator.add, aggregator.create()),
  );
}

const bids: readonly Bid[] = [
  { at: 20, price: 3, bidder: 'bob' },
  { at: 10, price: 3, bidder: 'ann' },
  { at: 30, price: 1, bidder: 'cid' },
  { at: 40, price: 1, bidder: 'dee' },
];

describe('first, last, argMin and argMax', () => {
  test('first and last go by event time, whatever came first', () => {
    expect(resultOf(first(bidder), bids)).toBe('ann');
    expect(resultOf(last(bidder), bids)).toBe('dee');
    expect(resultOf(first(bidder), [...bids].reverse())).toBe('ann');
  });

  test('of the same rank the earliest record is chosen', () => {
    expect(resultOf(argMax(bidder, by), bids)).toBe('ann');
    expect(resultOf(argMin(bidder, by), bids)).toBe('cid');
  });

  test('at one time the value decides: the least, and for last the greatest', () => {
    const same = [2, 'a', 10, { b: 1 }, true].map((value) => ({ at: 1, price: 1, bidder: value }));
    expect(resultOf(first(bidder), same)).toBe(2);
    expect(resultOf(argMax(bidder, by), same)).toBe(2);
    expect(resultOf(last(bidder), same)).toEqual({ b: 1 });
  });

  test('any JSON may be kept, with sorted names and without -0', () => {
    expect(JSON.stringify(resultOf(first(bidder), [{ at: 1, price: 1, bidder: { b: [-0], a: null } }]))).toBe(
      '{"a":null,"b":[0]}',
    );
    expect(Object.is(plainOf(-0), 0)).toBe(true);
  });

  test('what JSON cannot hold, and what is too long, is refused', () => {
    const aggregator = argMax(bidder, by);
    expect(aggregator.refuse?.([1, 1, Number.NaN])).toContain('the value is NaN');
    expect(aggregator.refuse?.([Number.NaN, 1, 'a'])).toBe('NaN is neither a finite number nor a string');
    expect(aggregator.refuse?.([1, 1, undefined as unknown as Json])).toContain('undefined');
    expect(aggregator.refuse?.([1, 1, 'x'.repeat(keptCharactersMax)])).toBeUndefined();
    expect(aggregator.refuse?.([1, 1, 'x'.repeat(keptCharactersMax + 1)])).toContain('10001 characters');
    expect(
      aggregator.refuse?.(aggregator.select({ at: 1, price: 1, bidder: new Date(0) as unknown as Json }, 1)),
    ).toContain('object of a class');
  });

  test.each([1, [], [0, 1], [0, 1, 2, 3], [0, 0.5, 1], [null, 1, 1]])('%j is no state', (encoded) => {
    expect(() => first(bidder).decode(encoded)).toThrow('the state of first must be null or [by, timeMs, value]');
  });
});

test('all JSON has one order', () => {
  const values = fc.tuple(anyKept, anyKept, anyKept);
  fc.assert(
    fc.property(values, ([a, b, c]) => {
      expect(Math.sign(compareJson(a, b))).toBe(0 - Math.sign(compareJson(b, a)));
      if (compareJson(a, b) <= 0 && compareJson(b, c) <= 0) expect(compareJson(a, c)).toBeLessThanOrEqual(0);
      if (compareJson(a, b) === 0) expect(a).toEqual(b);
    }),
  );
});
