import { DDSketch } from '@datadog/sketches-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  accuracyDefault,
  quantileBinsMax,
  quantileMagnitudeMax,
  quantileMagnitudeMin,
} from '#shared/pipeline/aggregators/dd-sketch.ts';
import { quantile } from '#shared/pipeline/aggregators/quantile.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { seededRandom } from './arbitraries.ts';

const value = fc.oneof(
  fc.integer({ min: -1_000, max: 1_000 }),
  fc.double({ min: -quantileMagnitudeMax, max: quantileMagnitudeMax, noNaN: true }),
  fc.constantFrom(0, -0, 1e-9, -1e-9, 1e-10, 1e21, -1e21),
);

aggregatorLaws('quantile', () => quantile(0.9, (number: number) => number), value);

function quantileOf(q: number, values: readonly number[], accuracy = accuracyDefault): number {
  const aggregator = quantile(q, (number: number) => number, { accuracy });
  return aggregator.result(values.reduce(aggregator.add, aggregator.create()));
}

/** The value of rank floor(q (n - 1)): the definition. */
function exactQuantile(q: number, values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))] ?? Number.NaN;
}

const random = seededRandom(20_261_121);
const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const shapes: readonly (readonly [name: string, values: readonly number[]])[] = [
  ['uniform', Array.from({ length: 10_000 }, () => random() * 1_000)],
  ['log-normal, as latencies are', Array.from({ length: 10_000 }, () => Math.exp(normal() * 2 + 3))],
  ['normal around 0', Array.from({ length: 10_000 }, () => normal() * 50)],
  ['negative', Array.from({ length: 10_000 }, () => -Math.exp(normal()))],
  ['mostly 0', Array.from({ length: 10_000 }, () => (random() < 0.7 ? 0 : random() * 10 - 5))],
  ['whole and few', Array.from({ length: 10_000 }, () => Math.floor(random() * 5))],
];
const quantiles = [0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1];

describe.each(shapes)('of values that are %s', (_, values) => {
  test.each([0.01, 0.001, 0.1])('is off by at most %d of itself', (accuracy) => {
    for (const q of quantiles) {
      const exact = exactQuantile(q, values);
      // The logarithm is rounded, so a value on the edge of a bin may count to the next one.
      expect(Math.abs(quantileOf(q, values, accuracy) - exact)).toBeLessThanOrEqual(
        Math.abs(exact) * accuracy * (1 + 1e-9),
      );
    }
  });

  test('agrees with another implementation, within the extremes that it was given', () => {
    const sketch = new DDSketch({ relativeAccuracy: accuracyDefault });
    for (const each of values) sketch.accept(each);
    expect([quantileOf(0, values), quantileOf(1, values)]).toEqual([sketch.min, sketch.max]);
    for (const q of quantiles.slice(1, -1)) {
      const other = Math.min(sketch.max, Math.max(sketch.min, sketch.getValueAtQuantile(q)));
      expect(Math.abs(quantileOf(q, values) - other)).toBeLessThanOrEqual(Math.abs(other) * 1e-9);
    }
  });
});

test('of one value, however often it came, is that value', () => {
  const q = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(q, value, fc.integer({ min: 1, max: 5 }), (at, one, times) => {
      expect(quantileOf(at, Array<number>(times).fill(one))).toBe(one + 0);
    }),
    { numRuns: 1_000 },
  );
});

test('of any values is between the least and the greatest, which are exact', () => {
  const q = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      q,
      fc.array(value, { minLength: 1, maxLength: 20 }),
      fc.constantFrom(0.001, 0.01, 0.5),
      (at, all, accuracy) => {
        const [least, greatest] = [Math.min(...all) + 0, Math.max(...all) + 0];
        expect([quantileOf(0, all, accuracy), quantileOf(1, all, accuracy)]).toEqual([least, greatest]);
        const found = quantileOf(at, all, accuracy);
        expect(found >= least && found <= greatest).toBe(true);
      },
    ),
    { numRuns: 1_000 },
  );
});

test('of any values is within the accuracy of the one of that rank, however small or large it is', () => {
  const magnitude = fc.double({ min: quantileMagnitudeMin, max: quantileMagnitudeMax, noNaN: true });
  const signed = fc.tuple(magnitude, fc.constantFrom(-1, 1)).map(([size, sign]) => size * sign);
  fc.assert(
    fc.property(
      fc.array(signed, { minLength: 3, maxLength: 5 }),
      fc.constantFrom(0.001, 0.01, 0.2),
      (all, accuracy) => {
        const exact = exactQuantile(0.5, all);
        expect(Math.abs(quantileOf(0.5, all, accuracy) - exact)).toBeLessThanOrEqual(
          Math.abs(exact) * accuracy * (1 + 1e-9),
        );
      },
    ),
    { numRuns: 1_000 },
  );
});

test('of a few values is the one of that rank', () => {
  expect(quantileOf(0.5, [-100, 0, 100])).toBe(0);
  expect(quantileOf(0, [-100, 0, 100])).toBe(-100);
  expect(quantileOf(1, [-100, 0, 100])).toBe(100);
});

test('of nothing is NaN, and takes two characters', () => {
  const aggregator = quantile(0.5, (number: number) => number);
  expect(aggregator.result(aggregator.create())).toBeNaN();
  expect(JSON.stringify(aggregator.encode(aggregator.create()))).toBe('[]');
});

test('a value nearer to 0 than the least magnitude counts as 0, among others', () => {
  expect(quantileOf(0.5, [-1, 9.99e-10, 1])).toBe(0);
  expect(quantileOf(0.5, [-1, -9.99e-10, 1])).toBe(0);
  expect(quantileOf(0.5, [-1, 1e-9, 1])).toBeGreaterThan(0);
});

test('a value beyond the greatest magnitude is refused', () => {
  const { refuse } = quantile(0.5, (number: number) => number);
  expect(refuse?.(quantileMagnitudeMax)).toBeUndefined();
  expect(refuse?.(-1.1e21)).toBe('-1.1e+21 is too large; at most 1e+21 either side of 0 is allowed');
  expect(refuse?.(Number.NaN)).toBe('NaN is not a finite number');
});

test('has as many bins as documented, whatever it is given', () => {
  expect(quantileBinsMax(accuracyDefault)).toBe(6_911);
  const aggregator = quantile(0.5, (number: number) => number);
  const sketch = aggregator.create();
  for (let power = -10; power < 21; power += 0.001) {
    aggregator.add(sketch, 10 ** power);
    aggregator.add(sketch, -(10 ** power));
  }
  aggregator.add(sketch, quantileMagnitudeMax);
  aggregator.add(sketch, -quantileMagnitudeMax);
  expect(sketch.bins.size).toBe(quantileBinsMax(accuracyDefault));
});

test('values within a factor of ten share 117 bins at most', () => {
  const aggregator = quantile(0.5, (number: number) => number);
  const sketch = aggregator.create();
  for (let number = 1; number <= 10; number += 0.001) aggregator.add(sketch, number);
  expect(sketch.bins.size).toBeLessThanOrEqual(117);
});

test.each([
  ['no list', { 1: 1 }],
  ['half a pair', [0, 0, 0]],
  ['a count of 0', [0, 0, 0, 0]],
  ['a negative count', [0, 0, 0, -1]],
  ['half a count', [0, 0, 0, 0.5]],
  ['half a bin', [0, 0, 0.5, 1]],
  ['the same bin twice', [0, 0, 0, 1, 0, 1]],
  ['bins out of order', [1e-9, 1e-9, 2, 1, -1, 1]],
  ['a bin of no value', [1e30, 1e30, 1_000_000, 1]],
  ['texts', [0, 0, '0', '1']],
  ['extremes of nothing', [0, 0]],
  ['a least value above the greatest', [1.0001, 1, 1037, 2]],
  ['a least value of another bin', [1, 2, 0, 1, 1072, 1]],
  ['a greatest value of another bin', [0, 2, 0, 1, 1037, 1]],
  ['a greatest value that is a text', [0, '2', 0, 1, 1072, 1]],
  ['an infinite value', [0, Number.POSITIVE_INFINITY, 0, 1, 1072, 1]],
])('a state cannot hold %s', (_, encoded) => {
  expect(() => quantile(0.5, (number: number) => number).decode(encoded)).toThrow(
    'the state of quantile must be the least and the greatest value, and pairs of a distance and a count',
  );
});

test.each([-0.1, 1.1, Number.NaN])('a q of %d is refused when the pipeline is defined', (q) => {
  expect(() => quantile(q, (number: number) => number)).toThrow(`q is ${q}; it must be from 0 to 1`);
});

test.each([0, 0.6, Number.NaN])('an accuracy of %d is refused when the pipeline is defined', (accuracy) => {
  expect(() => quantile(0.5, (number: number) => number, { accuracy })).toThrow(`accuracy is ${accuracy}`);
});
