import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { max } from '#shared/pipeline/aggregators/max.ts';
import { min } from '#shared/pipeline/aggregators/min.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';

const anyNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, Number.MAX_VALUE, -Number.MAX_VALUE),
);

aggregatorLaws('min', () => min((value: number) => value), anyNumber);
aggregatorLaws('max', () => max((value: number) => value), anyNumber);

describe.each([
  { name: 'min', aggregator: min((value: number) => value), oracle: Math.min },
  { name: 'max', aggregator: max((value: number) => value), oracle: Math.max },
])('$name', ({ aggregator, oracle }) => {
  test('is what Math says', () => {
    fc.assert(
      fc.property(fc.array(anyNumber, { minLength: 1 }), (values) => {
        expect(aggregator.result(values.reduce(aggregator.add, aggregator.create()))).toBe(oracle(...values) + 0);
      }),
    );
  });

  test('of nothing is NaN', () => {
    expect(aggregator.result(aggregator.create())).toBeNaN();
  });

  test('of 0 and -0 is 0 in either order', () => {
    for (const values of [[0, -0], [-0, 0], [-0]]) {
      expect(aggregator.result(values.reduce(aggregator.add, aggregator.create()))).toBe(0);
    }
  });

  test('refuses what is no finite number', () => {
    expect(aggregator.refuse?.(Number.NEGATIVE_INFINITY)).toBe('-Infinity is not a finite number');
    expect(aggregator.refuse?.('7' as unknown as number)).toBe('the string "7" is not a finite number');
  });

  test('an unreadable state is refused by name', () => {
    expect(() => aggregator.decode('7')).toThrow(
      `the state of ${aggregator.kind} must be a number or null, and is "7"`,
    );
  });
});
