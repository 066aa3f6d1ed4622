import type { Json } from '../aggregator.ts';
import { type Binary, binaryOf, roundQuotient } from './exact-ratio.ts';
import { unreadable } from './numeric.ts';

/**
 * The exact sum of finite numbers: itself, while a number can hold it exactly, which the sum of whole numbers below 2^53 always
 * does; otherwise its partials, numbers in increasing order of magnitude whose bits do not overlap and whose sum it is.
 *
 * J. R. Shewchuk, Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates, 1997: two-sum (Knuth) is his
 * theorem 7, growing an expansion theorem 10. Nothing here may overflow; `summandMagnitudeMax` sees to it.
 */
export type ExactSum = number | number[];

/** Changes `sum` in place when it is partials. */
export function addExactly(sum: ExactSum, value: number): ExactSum {
  if (typeof sum !== 'number') return grow(sum, value);
  const total = sum + value;
  const part = total - sum;
  const rest = total - part;
  // By far most often, and sooner known than how large the error is.
  if (part === value && rest === sum) return total;
  const error = sum - rest + (value - part);
  return error === 0 ? total : [error, total];
}

/** `from` is not changed. */
export function mergeExactly(into: ExactSum, from: ExactSum): ExactSum {
  if (typeof from === 'number') return addExactly(into, from);
  let merged = into;
  for (const partial of from) merged = addExactly(merged, partial);
  return merged;
}

/** Takes back what was merged into it; `from` is not changed. */
export function subtractExactly(into: ExactSum, from: ExactSum): ExactSum {
  if (typeof from === 'number') return addExactly(into, -from);
  let rest = into;
  for (const partial of from) rest = addExactly(rest, -partial);
  return rest;
}

/** The number nearest to the sum; of two equally near ones the even one. */
export function roundExactSum(sum: ExactSum): number {
  if (typeof sum === 'number') return sum;
  let index = sum.length - 1;
  let total = sum[index] ?? 0;
  let error = 0;
  while (index > 0 && error === 0) {
    index -= 1;
    const high = total;
    const low = sum[index] as number;
    total = high + low;
    error = low - (total - high);
  }
  // The partials below tell on which side of half a unit the error lies, and so whether rounding to even was right
  // (the last step of math.fsum in CPython).
  const below = index > 0 ? (sum[index - 1] as number) : 0;
  if ((error < 0 && below < 0) || (error > 0 && below > 0)) {
    const corrected = total + error * 2;
    if (corrected - total === error * 2) return corrected;
  }
  return total;
}

/** The number nearest to the sum divided by `count`, rounded once. Of nothing it is NaN. */
export function divideExactSum(sum: ExactSum, count: number): number {
  if (typeof sum === 'number') return sum / count + 0;
  return roundQuotient(binaryOf(sum), binaryOf([count]));
}

/** The sum as it is, to calculate on without rounding. */
export function binaryOfSum(sum: ExactSum): Binary {
  return binaryOf(typeof sum === 'number' ? [sum] : sum);
}

/** Canonical: a number when that is the sum, otherwise the nearest number, then the nearest to what is left, and so on. */
export function encodeExactSum(sum: ExactSum): Json {
  if (typeof sum === 'number') return sum;
  const canonical = normalise(sum);
  return canonical.length === 1 ? (canonical[0] as number) : canonical;
}

/** A number spans 2,098 bits from 2^-1074 on, and each partial of the canonical form lies at least 53 below the one before. */
const canonicalPartialsMax = 40;

export function decodeExactSum(encoded: Json): ExactSum {
  if (isPartial(encoded)) return encoded + 0;
  if (!Array.isArray(encoded) || encoded.length > canonicalPartialsMax || !encoded.every(isPartial)) {
    throw unreadable('a sum', 'a number or a list of numbers', encoded);
  }
  return mergeExactly(0, encoded);
}

function grow(partials: number[], value: number): ExactSum {
  let kept = 0;
  let rest = value;
  for (let index = 0; index < partials.length; index += 1) {
    const partial = partials[index] as number;
    const total = rest + partial;
    const part = total - rest;
    const error = rest - (total - part) + (partial - part);
    if (error !== 0) {
      partials[kept] = error;
      kept += 1;
    }
    rest = total;
  }
  if (kept === 0) return rest;
  partials.length = kept;
  if (rest !== 0) partials.push(rest);
  else if (kept === 1) return partials[0] as number;
  return partials;
}

/** From the greatest to the smallest, each the nearest number to what the ones before leave. */
function normalise(partials: readonly number[]): number[] {
  const canonical: number[] = [];
  let rest: ExactSum = [...partials];
  while (typeof rest !== 'number') {
    const nearest = roundExactSum(rest);
    canonical.push(nearest);
    rest = grow(rest, -nearest);
  }
  if (rest !== 0 || canonical.length === 0) canonical.push(rest);
  return canonical;
}

/** Above what 2^53 summands can make, and so low that a list of partials cannot overflow either. */
const sumMagnitudeMax = 2 ** 1017;

function isPartial(value: Json): value is number {
  return typeof value === 'number' && value >= -sumMagnitudeMax && value <= sumMagnitudeMax;
}
