import type { AnyAggregator } from './aggregator.ts';
import { given, givenOptions, invalid, shown } from './refuse.ts';

/**
 * A column that is computed when a view is read, from the row's other columns. Plain data, kept in the plan. Where a column holds an object
 * or a list, what it needs is a part of it, as a path: `latency.p99`, `sizes.0`.
 */
export interface Derived<Column extends string, Kind extends DerivedKind = DerivedKind> {
  readonly kind: Kind;
  readonly columns: readonly Column[];
  /** Of a prediction: where it is asked for, variable by variable; null where one of `columns` says it. */
  readonly at?: readonly (number | null)[];
}

export type DerivedKind = 'share-of-total' | 'ratio' | 'rate' | 'part' | 'prediction';
/** What needs no total of a window that all keys share. */
export type DerivedOfKey = Exclude<DerivedKind, 'share-of-total'>;
/** What needs no window. */
export type DerivedOfAll = Exclude<DerivedOfKey, 'rate'>;

/**
 * The row's part of the column's total over all keys of the window, from 0 to 1. Null when the total is 0 and the part is not; of a
 * total of 0 a part of 0 is 0.
 */
export function shareOfTotal<C extends string>(column: C): Derived<C, 'share-of-total'> {
  return { kind: 'share-of-total', columns: [column] };
}

/** One column divided by another: `ratio('errors', 'requests')`. Null when the second is 0 and the first is not; 0 / 0 is 0. */
export function ratio<C extends string>(numerator: C, denominator: C): Derived<C, 'ratio'> {
  return { kind: 'ratio', columns: [numerator, denominator] };
}

/** The column per second of the window. */
export function rate<C extends string>(column: C): Derived<C, 'rate'> {
  return { kind: 'rate', columns: [column] };
}

/** A number of a column that holds several: `part('latency.p99')`. Null where there is none. */
export function part<C extends string>(path: C): Derived<C, 'part'> {
  return { kind: 'part', columns: [path] };
}

/**
 * What the line of a `linearRegression` says at an x, which is a number or another column: `prediction('trend', { at: 100 })`. Of a
 * `multipleRegression` it is asked for by variable: `{ at: { bytes: 100, rows: 'rows' } }`. Null where there is no line.
 */
export function prediction<
  Fit extends string,
  const At extends number | string | Readonly<Record<string, number | string>>,
>(fit: Fit, options: { readonly at: At }): Derived<PredictionPaths<Fit, At>, 'prediction'>;
export function prediction(
  fit: string,
  options: { readonly at: number | string | Readonly<Record<string, number | string>> },
): Derived<string, 'prediction'> {
  const { at } = givenOptions('prediction', options, ['at'], '{ at: 100 }');
  const isLine = typeof at !== 'object';
  const places = isLine ? [at] : Object.values(given('prediction', 'at', at, 'a number or the name of a column'));
  const wrong = places.find((place) => typeof place !== 'string' && !Number.isFinite(place));
  if (wrong !== undefined || places.includes(undefined as never))
    throw invalid('prediction', `is asked for at ${shown(wrong)}; give a number or the name of a column.`);
  const coefficients = isLine ? [`${fit}.slope`] : Object.keys(at).map((name) => `${fit}.coefficients.${name}`);
  return {
    kind: 'prediction',
    columns: [`${fit}.intercept`, ...coefficients, ...places.filter((place) => typeof place === 'string')],
    at: places.map((place) => (typeof place === 'string' ? null : place)),
  };
}

type PredictionPaths<Fit extends string, At> =
  | `${Fit}.intercept`
  | (At extends number | string
      ? `${Fit}.slope` | Extract<At, string>
      : `${Fit}.coefficients.${keyof At & string}` | Extract<At[keyof At], string>);

/** Derived columns as a plan has them. */
export function derivedPlanOf(
  columns: Readonly<Record<string, Derived<string>>>,
): Readonly<Record<string, Derived<string>>> {
  return Object.fromEntries(
    Object.entries(columns).map(([name, { kind, columns: of, at }]) => [
      name,
      { kind, columns: of, ...(at === undefined ? {} : { at }) },
    ]),
  );
}

/** The column that holds what a path names. No column has a point in its name. */
export function columnOfPath(path: string): string {
  return path.split('.', 1)[0] ?? path;
}

/**
 * Why no number lies at `path` of the columns that `aggregates` give, or undefined where one may: told by what each gives of no records, since
 * a text or a list of nothing is one. A derived column of it would be null for ever.
 */
export function refusePath(
  path: string,
  aggregates: Readonly<Record<string, AnyAggregator<unknown>>>,
): string | undefined {
  const [column = '', ...names] = path.split('.');
  const aggregator = aggregates[column];
  let value: unknown;
  try {
    value = aggregator?.result(aggregator.create());
  } catch {
    return undefined;
  }
  const at = names.findIndex((name) => {
    if (typeof value !== 'object' || value === null) return true;
    value = (value as Readonly<Record<string, unknown>>)[name];
    return value === undefined;
  });
  if (value === undefined || value === null || (typeof value === 'number' && at === -1)) return undefined;
  const what =
    typeof value === 'object'
      ? Array.isArray(value)
        ? 'a list'
        : `an object with ${Object.keys(value).join(', ')}`
      : `a ${typeof value}`;
  const where = [column, ...names.slice(0, at === -1 ? names.length : at)].join('.');
  return `${where} is ${what}`;
}

/** The numbers of the columns, among `columns`, that a step has to total over all keys. */
export function totalledColumns(
  columns: readonly string[],
  step: {
    readonly derived: { readonly [column: string]: Pick<Derived<string>, 'kind' | 'columns'> };
    readonly projection?: { readonly totals: readonly string[] };
    readonly totals?: readonly string[];
  },
): readonly number[] {
  const shared = Object.values(step.derived).flatMap((one) => (one.kind === 'share-of-total' ? one.columns : []));
  const totalled = new Set([...shared.map(columnOfPath), ...(step.projection?.totals ?? []), ...(step.totals ?? [])]);
  return columns.flatMap((column, index) => (totalled.has(column) ? [index] : []));
}

/** What a derived column is computed from. `totals` holds the columns that a share needs, summed over all keys. */
export interface DerivedInput {
  readonly row: Readonly<Record<string, unknown>>;
  readonly totals: Readonly<Record<string, unknown>>;
  readonly windowMs: number;
}

/**
 * The value of a derived column.
 *
 * Nothing out of nothing is 0: a share of a total of 0, or a ratio 0 / 0, as in no errors in no requests. Anything else divided by
 * 0 has no value and is null, as is whatever no finite number holds; 0 would be a lie, and NaN and Infinity are not JSON.
 */
export function evaluateDerived(derived: AnyDerived, input: DerivedInput): number | null {
  const { inputs, of } = formulaOf(derived);
  return of(...inputs.map((one) => numberFor(one, input)));
}

function numberFor(input: FormulaInput, { row, totals, windowMs }: DerivedInput): number {
  switch (input.of) {
    case 'row':
      return numberIn(row[input.column], input);
    case 'totals':
      return numberIn(totals[input.column], input);
    case 'window':
      return windowMs / 1_000;
    case 'constant':
      return input.value;
  }
}

/** How a derived column is computed: from which numbers, and what is made of them. NaN stands for a number that is not there. */
export interface Formula {
  readonly inputs: readonly FormulaInput[];
  readonly of: (...numbers: number[]) => number | null;
}

/** A number of the row or of the window's totals, the seconds of the window, or one that the plan says. */
export type FormulaInput =
  | (ColumnPart & { readonly of: 'row' | 'totals' })
  | { readonly of: 'window' }
  | { readonly of: 'constant'; readonly value: number };

/** A column, or what lies in it under these names. */
export interface ColumnPart {
  readonly column: string;
  readonly names: readonly string[];
}

type AnyDerived = {
  readonly kind: string;
  readonly columns: readonly string[];
  readonly at?: readonly (number | null)[];
};

/** Throws an Error for a kind that is unknown. */
export function formulaOf(derived: AnyDerived): Formula {
  const [first = '', second = ''] = derived.columns;
  const kind = derived.kind as DerivedKind;
  switch (kind) {
    case 'share-of-total':
      return { inputs: [inputOf('row', first), inputOf('totals', first)], of: divide };
    case 'ratio':
      return { inputs: [inputOf('row', first), inputOf('row', second)], of: divide };
    case 'rate':
      return { inputs: [inputOf('row', first), { of: 'window' }], of: divide };
    case 'part':
      return { inputs: [inputOf('row', first)], of: finiteOf };
    case 'prediction':
      return { inputs: predictionInputs(derived), of: predict };
    default:
      throw new Error(`there is no derived column of kind ${JSON.stringify(kind satisfies never)}`);
  }
}

function inputOf(of: 'row' | 'totals', path: string): FormulaInput {
  const [column = '', ...names] = path.split('.');
  return { of, column, names };
}

/** The number of a column's value, or of a part of it. NaN where there is none: a part that has no value. */
export function numberIn(columnValue: unknown, { column, names }: ColumnPart): number {
  if (columnValue === undefined)
    throw new Error(`a derived column needs ${JSON.stringify(column)}, which is not there`);
  let value: unknown = columnValue;
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index] as string;
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, name)
        ? (value as Readonly<Record<string, unknown>>)[name]
        : undefined;
  }
  return typeof value === 'number' ? value : Number.NaN;
}

/** The intercept, and for each variable its coefficient and where it is asked for. */
function predictionInputs({ columns, at = [] }: AnyDerived): readonly FormulaInput[] {
  const [intercept = '', ...paths] = columns;
  const asked = paths.slice(at.length).values();
  return [
    inputOf('row', intercept),
    ...at.flatMap((value, index): FormulaInput[] => [
      inputOf('row', paths[index] ?? ''),
      value === null ? inputOf('row', asked.next().value ?? '') : { of: 'constant', value },
    ]),
  ];
}

function predict(intercept: number, ...pairs: number[]): number | null {
  let found = intercept;
  for (let index = 0; index < pairs.length; index += 2)
    found += (pairs[index] as number) * (pairs[index + 1] as number);
  return finiteOf(found);
}

function divide(dividend: number, divisor: number): number | null {
  if (dividend === 0 && divisor === 0) return 0;
  return finiteOf(dividend / divisor);
}

function finiteOf(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
