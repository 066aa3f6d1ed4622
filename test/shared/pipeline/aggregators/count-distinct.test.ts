import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countDistinct } from '#shared/pipeline/aggregators/count-distinct.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { seededRandom } from './arbitraries.ts';

const hash = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 2 ** 53 - 1 }));
const distinct = countDistinct((value: string | number | boolean) => value);
/** What the documentation says of the default precision. */
const exactMax = 455;
const standardError = 1.04 / Math.sqrt(2 ** 12);

aggregatorLaws('count-distinct, exact', () => countDistinct((value: string) => value), hash);
// With 16 registers the second value already makes it an estimate.
aggregatorLaws('count-distinct, estimated', () => countDistinct((value: string) => value, { precision: 4 }), hash);

function estimateOf(values: readonly (string | number | boolean)[], aggregator = distinct): number {
  return aggregator.result(values.map(aggregator.select).reduce(aggregator.add, aggregator.create()));
}

test('is exact for small sets', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string({ maxLength: 2 }), fc.integer({ min: 0, max: 50 }), fc.boolean())),
      (values) => {
        expect(estimateOf(values)).toBe(new Set(values).size);
      },
    ),
  );
});

test(`is exact up to ${exactMax} values, and an estimate from the next one on`, () => {
  const values = Array.from({ length: exactMax }, (_, index) => `user-${index}`);
  const hashes = values.map(distinct.select).reduce(distinct.add, distinct.create());
  expect(distinct.result(hashes)).toBe(exactMax);
  expect(hashes).toBeInstanceOf(Set);
  expect(distinct.add(hashes, distinct.select('one more', 0))).toBeInstanceOf(Uint8Array);
});

test("1, '1' and true are three values", () => {
  expect(estimateOf([1, '1', true, 'true'])).toBe(4);
});

test('0 and -0 are one value', () => {
  expect(estimateOf([0, -0])).toBe(1);
});

test('selects a whole number that JSON keeps exactly', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      const selected = distinct.select(value, 0);
      expect(Number.isSafeInteger(selected)).toBe(true);
      expect(selected).toBeGreaterThanOrEqual(0);
    }),
  );
});

test.each([
  [undefined, 'undefined'],
  [null, 'null'],
  [Number.NaN, 'NaN'],
  [{}, 'an object'],
])('refuses %j, saying what came', (value, shown) => {
  expect(distinct.refuse?.(distinct.select(value as unknown as string, 0))).toBe(
    `${shown} is neither a string, a finite number nor a boolean`,
  );
});

describe('the estimate', () => {
  // For each size the root mean square of the relative errors over independent sets. Its own spread at 40 sets is 11 %, so 1.4 times
  // the standard error is beyond three and a half of its deviations.
  test.each([456, 1_000, 3_000, 10_000, 30_000, 100_000])('of %d values has the documented standard error', (size) => {
    const sets = size >= 30_000 ? 20 : 40;
    const limit = size >= 30_000 ? 1.6 : 1.4;
    let squares = 0;
    let total = 0;
    for (let set = 0; set < sets; set += 1) {
      const random = seededRandom(size * 1_000 + set);
      let accumulator = distinct.create();
      for (let value = 0; value < size; value += 1) {
        accumulator = distinct.add(
          accumulator,
          Math.floor(random() * 2 ** 32) * 2 ** 21 + Math.floor(random() * 2 ** 21),
        );
      }
      const error = distinct.result(accumulator) / size - 1;
      squares += error * error;
      total += error;
    }
    expect(Math.sqrt(squares / sets)).toBeLessThan(limit * standardError);
    expect(Math.abs(total / sets), 'bias').toBeLessThan((3.5 * standardError) / Math.sqrt(sets));
  });

  test('of a million hashed texts is within three standard errors', () => {
    let accumulator = distinct.create();
    for (let index = 0; index < 1_000_000; index += 1)
      accumulator = distinct.add(accumulator, distinct.select(`10.0.${index}`, 0));
    expect(Math.abs(distinct.result(accumulator) / 1_000_000 - 1)).toBeLessThan(3 * standardError);
  });

  test('is finer with a higher precision', () => {
    const fine = countDistinct((value: number) => value, { precision: 16 });
    const values = Array.from({ length: 50_000 }, (_, index) => index);
    expect(Math.abs(estimateOf(values, fine as typeof distinct) / 50_000 - 1)).toBeLessThan(3 * (1.04 / 256));
  });

  test('of full registers is finite', () => {
    const full = countDistinct((value: string) => value, { precision: 4 });
    expect(full.result(new Uint8Array(16).fill(50))).toBe(2 ** 53);
  });
});

describe('as it is stored', () => {
  test('is one character when empty, and ten with one value', () => {
    expect(distinct.encode(distinct.create())).toBe('h');
    expect(distinct.encode(distinct.add(distinct.create(), 2 ** 53 - 1))).toBe('hUzzzzzzzz');
  });

  test('never takes more than the registers and their tag', () => {
    let accumulator = distinct.create();
    for (let index = 0; index < 1_000; index += 1) {
      accumulator = distinct.add(accumulator, distinct.select(index, 0));
      expect(String(distinct.encode(accumulator)).length).toBeLessThanOrEqual(2 ** 12 + 1);
    }
  });

  test.each([
    ['no text', 7],
    ['another tag', 'x'],
    ['half a hash', 'h0000'],
    ['a hash above 2^53', `h${'z'.repeat(9)}`],
    ['hashes out of order', 'h000000002000000001'],
    ['the same hash twice', 'h000000001000000001'],
    ['a character that is no digit', 'h00000000!'],
    ['too many hashes', `h${Array.from({ length: 456 }, (_, index) => String(index).padStart(9, '0')).join('')}`],
    ['too few registers', 'r---'],
    ['a register that is too high', `r${'z'.repeat(4_096)}`],
  ])('cannot be %s', (_, encoded) => {
    expect(() => distinct.decode(encoded)).toThrow('the state of count-distinct must be');
  });
});

test.each([3, 17, 12.5, Number.NaN])('a precision of %d is refused when the pipeline is defined', (precision) => {
  expect(() => countDistinct((value: string) => value, { precision })).toThrow(`precision is ${precision}`);
});
