import { DDSketch } from '@datadog/sketches-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  accuracyDefault,
  quantile,
  quantileBinsMax,
  quantileMagnitudeMax,
  quantileMagnitudeMin,
} from '#shared/pipeline/aggregators/quantile.ts';
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

  test('agrees with another implementation', () => {
    const sketch = new DDSketch({ relativeAccuracy: accuracyDefault });
    for (const each of values) sketch.accept(each);
    for (const q of quantiles) {
      const other = sketch.getValueAtQuantile(q);
      expect(Math.abs(quantileOf(q, values) - other)).toBeLessThanOrEqual(Math.abs(other) * 1e-9);
    }
  });
});

test('of one value is within the accuracy, however small or large it is', () => {
  const magnitude = fc.double({ min: quantileMagnitudeMin, max: quantileMagnitudeMax, noNaN: true });
  fc.assert(
    fc.property(magnitude, fc.boolean(), fc.constantFrom(0.001, 0.01, 0.2), (size, isNegative, accuracy) => {
      const exact = isNegative ? -size : size;
      expect(Math.abs(quantileOf(0.5, [exact], accuracy) - exact)).toBeLessThanOrEqual(size * accuracy * (1 + 1e-9));
    }),
    { numRuns: 1_000 },
  );
});

test('of a few values is the one of that rank', () => {
  expect(quantileOf(0.5, [-100, 0, 100])).toBe(0);
  expect(quantileOf(0, [-100, 0, 100])).toBeCloseTo(-100, -1);
  expect(quantileOf(1, [-100, 0, 100])).toBeCloseTo(100, -1);
});

test('of nothing is NaN, and takes two characters', () => {
  const aggregator = quantile(0.5, (number: number) => number);
  expect(aggregator.result(aggregator.create())).toBeNaN();
  expect(JSON.stringify(aggregator.encode(aggregator.create()))).toBe('[]');
});

test('a value nearer to 0 than the least magnitude counts as 0', () => {
  expect(quantileOf(0.5, [9.99e-10])).toBe(0);
  expect(quantileOf(0.5, [-9.99e-10])).toBe(0);
  expect(quantileOf(0.5, [1e-9])).toBeGreaterThan(0);
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
  const bins = aggregator.create();
  for (let power = -10; power < 21; power += 0.001) {
    aggregator.add(bins, 10 ** power);
    aggregator.add(bins, -(10 ** power));
  }
  aggregator.add(bins, quantileMagnitudeMax);
  aggregator.add(bins, -quantileMagnitudeMax);
  expect(bins.size).toBe(quantileBinsMax(accuracyDefault));
});

test('values within a factor of ten share 117 bins at most', () => {
  const aggregator = quantile(0.5, (number: number) => number);
  const bins = aggregator.create();
  for (let number = 1; number <= 10; number += 0.001) aggregator.add(bins, number);
  expect(bins.size).toBeLessThanOrEqual(117);
});

test.each([
  ['no list', { 1: 1 }],
  ['half a pair', [1]],
  ['a count of 0', [1, 0]],
  ['a negative count', [1, -1]],
  ['half a count', [1, 0.5]],
  ['half a bin', [0.5, 1]],
  ['the same bin twice', [1, 1, 0, 1]],
  ['bins out of order', [1, 1, -3, 1]],
  ['a bin of no value', [1_000_000, 1]],
  ['texts', ['1', '1']],
])('a state cannot hold %s', (_, encoded) => {
  expect(() => quantile(0.5, (number: number) => number).decode(encoded)).toThrow(
    'the state of quantile must be pairs of a distance and a count',
  );
});

test.each([-0.1, 1.1, Number.NaN])('a q of %d is refused when the pipeline is defined', (q) => {
  expect(() => quantile(q, (number: number) => number)).toThrow(`q is ${q}; it must be from 0 to 1`);
});

test.each([0, 0.6, Number.NaN])('an accuracy of %d is refused when the pipeline is defined', (accuracy) => {
  expect(() => quantile(0.5, (number: number) => number, { accuracy })).toThrow(`accuracy is ${accuracy}`);
});
