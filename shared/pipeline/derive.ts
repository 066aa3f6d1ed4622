/** A column that is computed when a view is read, from the row's other columns. Plain data, kept in the plan. */
export interface Derived<Column extends string> {
  readonly kind: DerivedKind;
  readonly columns: readonly Column[];
}

type DerivedKind = 'share-of-total' | 'ratio' | 'rate';

/**
 * The row's part of the column's total over all keys of the window, from 0 to 1. Null when the total is 0 and the part is not; of a
 * total of 0 a part of 0 is 0.
 */
export function shareOfTotal<C extends string>(column: C): Derived<C> {
  return { kind: 'share-of-total', columns: [column] };
}

/** One column divided by another: `ratio('errors', 'requests')`. Null when the second is 0 and the first is not; 0 / 0 is 0. */
export function ratio<C extends string>(numerator: C, denominator: C): Derived<C> {
  return { kind: 'ratio', columns: [numerator, denominator] };
}

/** The column per second of the window. */
export function rate<C extends string>(column: C): Derived<C> {
  return { kind: 'rate', columns: [column] };
}

/** What a derived column is computed from. `totals` holds the columns that a share needs, summed over all keys. */
export interface DerivedInput {
  readonly row: Readonly<Record<string, number>>;
  readonly totals: Readonly<Record<string, number | null>>;
  readonly windowMs: number;
}

/**
 * The value of a derived column.
 *
 * Nothing out of nothing is 0: a share of a total of 0, or a ratio 0 / 0, as in no errors in no requests. Anything else divided by
 * 0 has no value and is null, as is whatever no finite number holds; 0 would be a lie, and NaN and Infinity are not JSON.
 */
export function evaluateDerived(
  derived: { readonly kind: string; readonly columns: readonly string[] },
  { row, totals, windowMs }: DerivedInput,
): number | null {
  const [first = '', second = ''] = derived.columns;
  const kind = derived.kind as DerivedKind;
  switch (kind) {
    case 'share-of-total':
      return divide(columnOf(row, first), columnOf(totals, first));
    case 'ratio':
      return divide(columnOf(row, first), columnOf(row, second));
    case 'rate':
      return divide(columnOf(row, first), windowMs / 1_000);
    default:
      throw new Error(`there is no derived column of kind ${JSON.stringify(kind satisfies never)}`);
  }
}

function divide(part: number | null, whole: number | null): number | null {
  if (part === null || whole === null) return null;
  if (part === 0 && whole === 0) return 0;
  const quotient = part / whole;
  return Number.isFinite(quotient) ? quotient : null;
}

function columnOf(values: Readonly<Record<string, number | null>>, column: string): number | null {
  const value = values[column];
  if (value === undefined) throw new Error(`a derived column needs ${JSON.stringify(column)}, which is not there`);
  return value;
}
