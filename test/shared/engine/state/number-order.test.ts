import fc from 'fast-check';
import { expect, test } from 'vitest';
import { orderByNumbers } from '#shared/engine/state/number-order.ts';

const number = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer({ min: -5, max: 5 }),
  fc.constantFrom(0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53 - 1, 5e-324, -5e-324),
  fc.date({ noInvalidDate: true }).map((date) => date.getTime()),
);

function placesOf(numbers: readonly number[]): number[] {
  return numbers.map((_, at) => at);
}

test('places are in the order of their numbers, and those of equal numbers as they were', () => {
  fc.assert(
    fc.property(fc.array(number, { maxLength: 40 }), (numbers) => {
      // A stable sort, of places that are not in order before.
      const before = placesOf(numbers).reverse();
      const sorted = [...before].sort((a, b) => {
        const [one, other] = [numbers[a] as number, numbers[b] as number];
        return one < other ? -1 : one > other ? 1 : 0;
      });
      const given = Uint32Array.from(before);
      expect([...orderByNumbers(given, Float64Array.from(numbers))]).toEqual(sorted);
      expect([...given]).toEqual(before);
    }),
    { numRuns: 3_000 },
  );
});

test('what is sorted by one column and then by another is sorted by the latter first', () => {
  const second = [3, 1, 2, 1, 3, 2];
  const first = [1, -1, 1, 1, -1, -1];
  const bySecond = orderByNumbers(Uint32Array.from(placesOf(second)), Float64Array.from(second));
  expect([...orderByNumbers(bySecond, Float64Array.from(first))]).toEqual([1, 5, 4, 3, 2, 0]);
});
