import fc from 'fast-check';
import { sampleStandardDeviation } from 'simple-statistics';
import { describe, expect, test } from 'vitest';
import type { Aggregator, Json } from '#shared/pipeline/aggregator.ts';
import { ewma, ewmaSpansMax } from '#shared/pipeline/aggregators/ewma.ts';
import { rateOfChange } from '#shared/pipeline/aggregators/rate-of-change.ts';
import { zScore } from '#shared/pipeline/aggregators/z-score.ts';
import { milliseconds, minutes, seconds } from '#shared/pipeline/duration.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';
import { nastyMoment, seededRandom } from './arbitraries.ts';

type Reading = readonly [timeMs: number, value: number];

const numberOf = ([, value]: Reading): number => value;
const halfLife = milliseconds(10);
// Some are so old that they count nothing.
const readings = fc.tuple(
  fc.oneof(fc.integer({ min: -30, max: 30 }), fc.integer({ min: -2_000, max: 2_000 })),
  nastyMoment,
);

aggregatorLaws('ewma', () => ewma(numberOf, { halfLife }), readings);
aggregatorLaws('rateOfChange', () => rateOfChange(numberOf), readings);
aggregatorLaws('zScore', () => zScore(numberOf), readings);

function resultOf<Value, State, Out>(
  aggregator: Aggregator<Reading, Value, State, Out>,
  list: readonly Reading[],
): Out {
  return aggregator.result(
    list.map((reading) => aggregator.select(reading, reading[0])).reduce(aggregator.add, aggregator.create()),
  );
}

describe('ewma', () => {
  const average = ewma(numberOf, { halfLife });

  test('a value that is a half-life older counts half as much', () => {
    expect(
      resultOf(average, [
        [100, 0],
        [110, 3],
      ]),
    ).toBe(2);
    expect(
      resultOf(average, [
        [100, 0],
        [120, 5],
      ]),
    ).toBe(4);
    expect(
      resultOf(average, [
        [115, 4],
        [115, 6],
      ]),
    ).toBe(5);
    expect(resultOf(average, [])).toBeNaN();
  });

  test('is the average by weights of 2^(age / half-life), to one part in 2^32', () => {
    const random = seededRandom(3);
    const list = Array.from({ length: 500 }, (): Reading => [Math.floor(random() * 300), 50 + random()]);
    let weights = 0;
    let values = 0;
    for (const [timeMs, value] of list) {
      const weight = 2 ** ((timeMs - 300) / 10);
      weights += weight;
      values += weight * value;
    }
    expect(Math.abs(resultOf(average, list) / (values / weights) - 1)).toBeLessThan(2 ** -32);
  });

  test('what is 64 half-lives older than the newest counts nothing', () => {
    const oldest = -ewmaSpansMax * 10;
    expect(
      resultOf(average, [
        [oldest, 1e30],
        [0, 1],
      ]),
    ).toBe(1);
    expect(
      resultOf(average, [
        [0, 1],
        [oldest + 10, 2 ** 64],
      ]),
    ).toBeGreaterThan(1);
  });

  test('a half-life that is no length of time is refused when the pipeline is written', () => {
    expect(() => ewma(numberOf, { halfLife: seconds(0) })).toThrow('ewma: halfLife is 0 ms');
  });

  test.each<Json>([
    1,
    [1],
    [[0, 1]],
    [[0, 0, 0]],
    [[0, -1, 1]],
    [
      [1, 1, 1],
      [0, 1, 1],
    ],
    [
      [0, 1, 1],
      [64, 1, 1],
    ],
  ])('%j is no state', (...encoded) => {
    expect(() => average.decode((encoded.length === 1 ? encoded[0] : encoded) as Json)).toThrow(
      'the state of ewma must be',
    );
  });
});

describe('rateOfChange', () => {
  test('is the difference of the last and the first value by event time, per second or as asked', () => {
    const list: readonly Reading[] = [
      [2_000, 5],
      [4_000, 9],
      [1_000, 3],
    ];
    expect(resultOf(rateOfChange(numberOf), list)).toBe(2);
    expect(resultOf(rateOfChange(numberOf, { per: minutes(1) }), list)).toBe(120);
  });

  test('of one time there is none', () => {
    expect(
      resultOf(rateOfChange(numberOf), [
        [5, 1],
        [5, 7],
      ]),
    ).toBeNull();
    expect(resultOf(rateOfChange(numberOf), [])).toBeNull();
  });

  test('at one time the least first and the greatest last value count', () => {
    expect(
      resultOf(rateOfChange(numberOf), [
        [0, 9],
        [0, 1],
        [1_000, 2],
        [1_000, 6],
      ]),
    ).toBe(5);
  });
});

describe('zScore', () => {
  test('holds the latest value against the others, in their standard deviations', () => {
    const list: readonly Reading[] = [
      [1, 10],
      [2, 12],
      [3, 14],
      [4, 18],
    ];
    expect(resultOf(zScore(numberOf), list)).toBe((18 - 12) / sampleStandardDeviation([10, 12, 14]));
    expect(resultOf(zScore(numberOf), [...list].reverse())).toBe(3);
    expect(resultOf(zScore(numberOf), [...list, [5, 0]])).toBeCloseTo(
      -13.5 / sampleStandardDeviation([10, 12, 14, 18]),
      12,
    );
  });

  test('has none without two others that differ', () => {
    expect(
      resultOf(zScore(numberOf), [
        [1, 1],
        [2, 2],
      ]),
    ).toBeNull();
    expect(
      resultOf(zScore(numberOf), [
        [1, 1],
        [2, 1],
        [3, 9],
      ]),
    ).toBeNull();
    expect(resultOf(zScore(numberOf), [])).toBeNull();
  });

  test('is a number, however far the latest value is off or how near the others are', () => {
    const far: readonly Reading[] = [
      [1, 0],
      [2, 2 ** -100],
      [3, -(2 ** 450)],
    ];
    // The others are 2^-100.5 apart from their mean.
    expect(resultOf(zScore(numberOf), far)).toBe(-Math.SQRT2 * 2 ** 550);
    const near: readonly Reading[] = [
      [1, 0],
      [2, 2 ** 450],
      [3, 2 ** 449 + 2 ** 420],
    ];
    expect(resultOf(zScore(numberOf), near)).toBe(Math.SQRT2 * 2 ** -30);
  });

  test('agrees with the definition on measured data far from 0', () => {
    const random = seededRandom(9);
    const list = Array.from({ length: 400 }, (_, index): Reading => [index, 1e6 + random()]);
    const before = list.slice(0, -1).map(numberOf);
    const mean = before.reduce((sum, value) => sum + (value - 1e6), 0) / before.length;
    const expected =
      (numberOf(list[399] as Reading) - 1e6 - mean) / sampleStandardDeviation(before.map((value) => value - 1e6));
    expect(resultOf(zScore(numberOf), list)).toBeCloseTo(expected, 9);
  });
});
