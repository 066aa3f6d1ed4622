import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compareRecordPositions,
  compareSequences,
  generationOf,
  logEnd,
  logPosition,
  logStart,
  sequenceOf,
  subMax,
} from '#shared/schemas/position.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';

/** As Kinesis numbers its records: up to 56 digits or so, without leading zeros. */
const sequence = fc.bigInt({ min: 0n, max: 10n ** 60n });
/** Many of few digits, so that lengths differ and numbers meet. */
const anySequence = fc.oneof(sequence, fc.bigInt({ min: 0n, max: 200n }));
const generation = fc.integer({ min: 1, max: 99_999_999 });

function signOf(value: number | bigint): number {
  return value > 0 ? 1 : value < 0 ? -1 : 0;
}

describe('compareSequences', () => {
  test('orders decimal texts as numbers, of whatever length', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(anySequence, anySequence, (a, b) => {
        expect(signOf(compareSequences(String(a), String(b)))).toBe(signOf(a - b));
      }),
      { numRuns: 10_000 },
    );
  });

  test('puts the empty text, of an origin that has counted nothing, before every number', () => {
    expect(compareSequences('', '0')).toBeLessThan(0);
  });
});

describe('compareRecordPositions', () => {
  test('asks for the output only within one record', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(anySequence, fc.nat(), anySequence, fc.nat(), (a, subA, b, subB) => {
        const expected = signOf(a - b) || signOf(subA - subB);
        expect(signOf(compareRecordPositions([String(a), subA], [String(b), subB]))).toBe(expected);
      }),
      { numRuns: 5_000 },
    );
  });

  test('puts a complete record behind all of its outputs and before the next record', () => {
    expect(compareRecordPositions(['9', subMax], ['9', 999_999_999_999])).toBeGreaterThan(0);
    expect(compareRecordPositions(['9', subMax], ['10', 0])).toBeLessThan(0);
  });
});

describe('a log position', () => {
  test('has the order of texts for its order', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(generation, anySequence, generation, anySequence, fc.boolean(), (g, a, h, b, isSame) => {
        const other = isSame ? g : h;
        const [left, right] = [logPosition(g, String(a)), logPosition(other, String(b))];
        expect(left < right ? -1 : left > right ? 1 : 0).toBe(signOf(g - other) || signOf(a - b));
      }),
      { numRuns: 10_000 },
    );
  });

  test('gives back its generation and its sequence number', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(generation, anySequence, (g, a) => {
        const position = logPosition(g, String(a));
        expect([generationOf(position), sequenceOf(position)]).toEqual([g, String(a)]);
      }),
      { numRuns: 2_000 },
    );
  });

  test('stands between the end of the generation before and the end of its own', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 99_999_999 }), anySequence, (g, a) => {
        const position = logPosition(g, String(a));
        expect(logEnd(g - 1) < position && position < logEnd(g)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('stands behind the start of the log', () => {
    expect(logStart < logPosition(1, '0')).toBe(true);
  });

  test('of the start has no generation', () => {
    expect(generationOf(logStart)).toBe(0);
  });
});
