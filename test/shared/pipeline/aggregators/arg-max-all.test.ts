import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { argMaxAll } from '#shared/pipeline/aggregators/arg-max-all.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { anyKept } from './arbitraries.ts';

interface Bid {
  readonly price: number;
  readonly bidder: Json;
}

const most = argMaxAll((bid: Bid) => bid.bidder, { by: (bid) => bid.price });

aggregatorLaws('argMaxAll', () => most, fc.tuple(fc.integer({ min: 0, max: 2 }), anyKept));

function resultOf(bids: readonly Bid[]): readonly Json[] {
  return most.result(bids.map((bid) => most.select(bid, 0)).reduce(most.add, most.create()));
}

describe('argMaxAll', () => {
  test('has all that are tied at the top, one as often as it came, and nothing else', () => {
    const bids = [
      { price: 2, bidder: 'low' },
      { price: 3, bidder: 'bob' },
      { price: 3, bidder: 'ann' },
      { price: 1, bidder: 'lower' },
      { price: 3, bidder: 'bob' },
    ];
    expect(resultOf(bids)).toEqual(['ann', 'bob', 'bob']);
    expect(resultOf([...bids].reverse())).toEqual(['ann', 'bob', 'bob']);
  });

  test('of nothing is nothing', () => {
    expect(resultOf([])).toEqual([]);
  });

  test('refuses what is no number to rank by, and no JSON to keep', () => {
    expect(most.refuse?.([Number.NaN, 'ann'])).toContain('NaN');
    expect(most.refuse?.([1, undefined as unknown as Json])).toBeDefined();
  });

  test('refuses a state that is none of its own', () => {
    for (const encoded of [7, [], [1], ['a', 'b']]) expect(() => most.decode(encoded)).toThrow('arg-max-all');
  });
});
