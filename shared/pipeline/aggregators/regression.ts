import { type Binary, mantissaAt, minus, plus, roundQuotient, times } from './exact-ratio.ts';
import { centredProduct, type Moments, sumOf } from './moments.ts';

/** The fit of the last variable to those before it. */
export interface Fit {
  /** Null where nothing fits best: a variable that never changes, or one that the others make up. */
  readonly coefficients: readonly number[] | null;
  readonly intercept: number | null;
  readonly r2: number | null;
}

/**
 * Ordinary least squares. The normal equations of the centred moments are solved in whole numbers without a fraction (E. H. Bareiss,
 * Sylvester's identity and multistep integer-preserving Gaussian elimination, 1968), so each result is the exact one, rounded once, however
 * ill-conditioned the equations are.
 */
export function fitLast(moments: Moments): Fit {
  const variables = moments.sums.length - 1;
  const equations: Binary[][] = [];
  for (let row = 0; row < variables; row += 1)
    equations.push(Array.from({ length: variables + 1 }, (_, column) => centredProduct(moments, row, column)));
  const solution = solve(equations);
  if (moments.count === 0 || solution === undefined) return { coefficients: null, intercept: null, r2: null };
  const { determinant, numerators } = solution;
  // With β = numerator / determinant the intercept is (Σy - Σ β Σx) / n.
  let intercept = times(determinant, sumOf(moments.sums, variables));
  let explained = whole(0n);
  for (const [variable, numerator] of numerators.entries()) {
    intercept = minus(intercept, times(numerator, sumOf(moments.sums, variable)));
    explained = plus(explained, times(numerator, centredProduct(moments, variable, variables)));
  }
  const total = centredProduct(moments, variables, variables);
  const coefficients = numerators.map((numerator) => roundQuotient(numerator, determinant));
  const rounded = roundQuotient(intercept, times(determinant, whole(BigInt(moments.count))));
  return {
    // One that no number can hold is none.
    coefficients: coefficients.every(Number.isFinite) ? coefficients : null,
    intercept: Number.isFinite(rounded) ? rounded : null,
    r2: total.mantissa === 0n ? null : roundQuotient(explained, times(determinant, total)),
  };
}

function whole(mantissa: bigint): Binary {
  return { mantissa, exponent: 0 };
}

/** The solution of equations with their right sides behind them, as fractions of one determinant; undefined when there is not just one. */
function solve(
  equations: readonly (readonly Binary[])[],
): { readonly determinant: Binary; readonly numerators: readonly Binary[] } | undefined {
  const least = Math.min(...equations.flat().map(({ exponent }) => exponent));
  // Multiplying an equation by a number changes nothing, so all may be whole.
  const rows = equations.map((row) => row.map((entry) => mantissaAt(entry, least)));
  const size = rows.length;
  let before = 1n;
  for (let step = 0; step < size; step += 1) {
    const pivotAt = rows.findIndex((row, index) => index >= step && row[step] !== 0n);
    if (pivotAt < 0) return undefined;
    const pivotRow = rows[pivotAt] as bigint[];
    rows[pivotAt] = rows[step] as bigint[];
    rows[step] = pivotRow;
    const pivot = pivotRow[step] as bigint;
    // Above the pivot too (Gauss and Jordan), so that each equation is left with one unknown. All divisions are without a rest.
    for (const [index, row] of rows.entries()) {
      if (index === step) continue;
      const factor = row[step] as bigint;
      rows[index] = row.map((entry, column) => (entry * pivot - factor * (pivotRow[column] as bigint)) / before);
    }
    before = pivot;
  }
  const numerators = rows.map((row) => whole(row[size] as bigint));
  return { determinant: whole(before), numerators };
}
