import fc from 'fast-check';
import { expect, test } from 'vitest';
import { histogram } from '#shared/pipeline/aggregators/histogram.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { nastyNumber } from './arbitraries.ts';

const bounds = [-1, 0, 10, 1e16];
const sizes = histogram((value: number) => value, { bounds });

aggregatorLaws('histogram', () => histogram((value: number) => value, { bounds }), nastyNumber);

test('a value at a bound belongs above it', () => {
  const values = [-2, -1, -0.5, 0, -0, 9.99, 10, 1e16, 1e20];
  expect(sizes.result(values.reduce(sizes.add, sizes.create()))).toEqual([1, 2, 3, 1, 2]);
});

test('counts what a filter for each bucket counts', () => {
  fc.assert(
    fc.property(fc.array(nastyNumber), (values) => {
      const edges = [Number.NEGATIVE_INFINITY, ...bounds, Number.POSITIVE_INFINITY];
      const expected = edges
        .slice(1)
        .map((upper, index) => values.filter((value) => value >= (edges[index] as number) && value < upper).length);
      expect(sizes.result(values.reduce(sizes.add, sizes.create()))).toEqual(expected);
    }),
  );
});

test.each([[[]], [[1, 1]], [[2, 1]], [[Number.NaN]], [[1, Number.POSITIVE_INFINITY]]])(
  'bounds %j are refused',
  (wrong) => {
    expect(() => histogram((value: number) => value, { bounds: wrong })).toThrow('histogram: bounds are');
  },
);

test.each([1, [], [1, 1, 1, 1], [1, 1, 1, 1, -1]])('%j is no state', (encoded) => {
  expect(() => sizes.decode(encoded)).toThrow('the state of histogram must be 5 counts');
});
