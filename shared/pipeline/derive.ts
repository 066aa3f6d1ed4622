/** A column that is computed when a view is read. Plain data: its kind and the aggregated columns it needs. */
export interface Derived<Column extends string> {
  readonly kind: 'share-of-total' | 'ratio' | 'rate';
  readonly columns: readonly Column[];
}

/** The key's part of the column's total over all keys of the window, from 0 to 1. The share of a total of 0 is 0. */
export function shareOfTotal<Column extends string>(column: Column): Derived<Column> {
  return { kind: 'share-of-total', columns: [column] };
}

/** One column divided by another; 0 when the divisor is 0. */
export function ratio<Column extends string>(numerator: Column, denominator: Column): Derived<Column> {
  return { kind: 'ratio', columns: [numerator, denominator] };
}

/** The column per second of the window's length. */
export function rate<Column extends string>(column: Column): Derived<Column> {
  return { kind: 'rate', columns: [column] };
}

/** The value of a derived column. */
export function evaluateDerived(
  derived: Derived<string>,
  {
    row,
    totals,
    windowMs,
  }: {
    readonly row: Readonly<Record<string, number>>;
    readonly totals: Readonly<Record<string, number>>;
    readonly windowMs: number;
  },
): number {
  const [first = '', second = ''] = derived.columns;
  const value = row[first] ?? 0;
  switch (derived.kind) {
    case 'share-of-total':
      return divide(value, totals[first] ?? 0);
    case 'ratio':
      return divide(value, row[second] ?? 0);
    case 'rate':
      return divide(value, windowMs / 1_000);
  }
}

function divide(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator;
}
