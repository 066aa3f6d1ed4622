import fc from 'fast-check';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { plainOf } from '#shared/pipeline/aggregators/json-order.ts';
import { momentMagnitudeMax, momentOf } from '#shared/pipeline/aggregators/moments.ts';

/** Numbers that break naive sums: whole ones around 2^53, tiny beside huge, halves of units, opposites, subnormals. */
export const nastyNumber: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: -1_000, max: 1_000 }),
  fc.maxSafeInteger(),
  fc.constantFrom(
    0.1,
    0.2,
    0.3,
    1e16,
    -1e16,
    1,
    -1,
    1e-16,
    2 ** 53,
    -(2 ** 53),
    2 ** 53 + 2,
    5e-324,
    -5e-324,
    1e290,
    -1e290,
  ),
  fc
    .tuple(fc.integer({ min: -1_074, max: 960 }), fc.boolean())
    .map(([power, isNegative]) => (isNegative ? -1 : 1) * 2 ** power),
  fc.double({ min: -1e290, max: 1e290, noNaN: true }),
  fc.double({ min: -1, max: 1, noNaN: true }),
);

/** Of those, what the squares can be summed of, as it is selected. */
export const nastyMoment: fc.Arbitrary<number> = nastyNumber
  .filter((value) => Math.abs(value) <= momentMagnitudeMax)
  .map((value) => momentOf(value) + 0);

/** Values that are kept as they are: few different ones, so that many are the same. */
export const anyKept: fc.Arbitrary<Json> = fc
  .oneof(
    fc.integer({ min: -2, max: 2 }),
    fc.constantFrom('', 'a', 'b', '10', true, false, null),
    fc.dictionary(fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 1 })),
    fc.array(fc.constantFrom(0, 'a', null), { maxLength: 2 }),
  )
  .map((value) => plainOf(value as Json));

/** A seeded generator for measured data (T. Ettinger, mulberry32), the same in every run. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
