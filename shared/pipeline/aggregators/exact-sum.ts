/**
 * A sum that does not depend on the order of its additions: a plain number while all is safe integers, else Shewchuk's
 * non-overlapping partials (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997; as in Python's math.fsum).
 */
export type ExactSum = number | number[];

/** Adds in place where the sum is in partials; gives the new sum. */
export function addExactly(sum: ExactSum, value: number): ExactSum {
  if (typeof sum === 'number') {
    const total = sum + value;
    if (Number.isSafeInteger(total) && Number.isSafeInteger(sum) && Number.isSafeInteger(value)) return total;
    return addPartial(sum === 0 ? [] : [sum], value);
  }
  return addPartial(sum, value);
}

export function mergeExactly(into: ExactSum, from: ExactSum): ExactSum {
  if (typeof from === 'number') return addExactly(into, from);
  let sum: ExactSum = typeof into === 'number' ? (into === 0 ? [] : [into]) : into;
  for (const partial of from) sum = addPartial(sum, partial);
  return sum;
}

/** The exact sum, rounded once, half to even. */
export function roundExactly(sum: ExactSum): number {
  if (typeof sum === 'number') return sum;
  let index = sum.length - 1;
  if (index < 0) return 0;
  let high = sum[index] as number;
  let low = 0;
  while (index > 0) {
    index -= 1;
    const before = high;
    const partial = sum[index] as number;
    high = before + partial;
    low = partial - (high - before);
    if (low !== 0) break;
  }
  // Half-way cases: the partials below decide, which a single rounding of high + low would not see.
  if (index > 0 && ((low < 0 && (sum[index - 1] as number) < 0) || (low > 0 && (sum[index - 1] as number) > 0))) {
    const twice = low * 2;
    const candidate = high + twice;
    if (twice === candidate - high) return candidate;
  }
  return high === 0 ? 0 : high;
}

/** The one form that equal sums have in common, whatever the order of their additions. */
export function canonicalSum(sum: ExactSum): ExactSum {
  if (typeof sum === 'number') return sum;
  const canonical: number[] = [];
  let rest = [...sum];
  for (;;) {
    const rounded = roundExactly(rest);
    if (rounded === 0) break;
    canonical.unshift(rounded);
    rest = addPartial(rest, -rounded);
  }
  if (canonical.length === 0) return 0;
  return canonical.length === 1 && Number.isSafeInteger(canonical[0]) ? (canonical[0] as number) : canonical;
}

function addPartial(partials: number[], value: number): number[] {
  let x = value;
  let kept = 0;
  for (let index = 0; index < partials.length; index += 1) {
    let y = partials[index] as number;
    if (Math.abs(x) < Math.abs(y)) [x, y] = [y, x];
    const high = x + y;
    const low = y - (high - x);
    if (low !== 0) {
      partials[kept] = low;
      kept += 1;
    }
    x = high;
  }
  partials.length = kept;
  if (x !== 0) partials.push(x);
  return partials;
}
