import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import type { Cell, ColumnType } from './database.ts';

/** How a batch computes one column of an aggregate. */
export interface BatchAggregate {
  /** What the table has of one record's selected value, and the types of these cells. */
  readonly inputs: readonly { readonly type: ColumnType; readonly cell: (selected: never) => Cell }[];
  /** The column, as an SQL expression over the cells of a group. `t` is the event time, `seq` the order of arrival. */
  readonly sql: (cells: readonly string[]) => string;
  /** How large a difference is none. By default there may be none. An SQL expression over the same cells. */
  readonly slack?: (cells: readonly string[]) => string;
  /** The value as the row has it; by default as DuckDB gives it. */
  readonly read?: (value: unknown) => unknown;
}

type Maker = (config: AnyAggregator<unknown>['config']) => BatchAggregate;

const number = { type: 'DOUBLE', cell: (selected: number): Cell => selected } as const;

/**
 * DuckDB adds with a compensation that leaves an error of two units in the last place, of the sum of the magnitudes. A unit is 2.2e-16, so
 * that whole numbers up to a million millions must be equal.
 */
const roundings = 1e-15;

/** DuckDB's variance goes from value to value and rounds at each, ours once: this part of the squares it may be off. */
const spreadRoundings = 1e-12;

type Offer = readonly [by: unknown, timeMs: number, value: unknown];

/** JSON is ordered as numbers by size, then texts, then the rest by its text. */
const orderOf = (of: (offer: Offer) => unknown): BatchAggregate['inputs'] => [
  {
    type: 'BIGINT',
    cell: (offer: Offer) => (typeof of(offer) === 'number' ? 0 : typeof of(offer) === 'string' ? 1 : 2),
  },
  { type: 'DOUBLE', cell: (offer: Offer) => (typeof of(offer) === 'number' ? (of(offer) as number) : null) },
  {
    type: 'VARCHAR',
    cell: (offer: Offer) => (typeof of(offer) === 'string' ? (of(offer) as string) : JSON.stringify(of(offer))),
  },
];

/** The value of the record that is first by what it is compared by, its time and itself. `''`: ascending. */
function chosen(by: '' | 'DESC' | 'none', time: '' | 'DESC', value: '' | 'DESC' = ''): BatchAggregate {
  return {
    inputs: [
      { type: 'VARCHAR', cell: ([, , value]: Offer) => JSON.stringify(value) },
      { type: 'BIGINT', cell: ([, timeMs]: Offer) => timeMs },
      ...orderOf(([, , value]) => value),
      ...orderOf(([by]) => by),
    ],
    sql: ([shown, at, ...order]) => {
      const values = order.slice(0, 3).map((cell) => `${cell} ${value}`);
      const ranks = by === 'none' ? [] : order.slice(3).map((cell) => `${cell} ${by}`);
      return `first(${shown} ORDER BY ${[...ranks, `${at} ${time}`, ...values].join(', ')})`;
    },
    read: (text) => JSON.parse(String(text)) as unknown,
  };
}

const pair: BatchAggregate['inputs'] = [
  { type: 'DOUBLE', cell: ([x]: readonly number[]) => x ?? null },
  { type: 'DOUBLE', cell: ([, y]: readonly number[]) => y ?? null },
];

/** Digits behind the point, as many as a decimal of 38 digits leaves room for. */
const decimalScale = 12;

/** By the aggregator's kind. What is not here is refused, or said by the caller. */
export const batchAggregates: Readonly<Record<string, Maker>> = {
  count: () => ({ inputs: [number], sql: ([v]) => `sum(${v})` }),
  sum: () => ({
    inputs: [number],
    sql: ([v]) => `fsum(${v})`,
    slack: ([v]) => `${roundings} * sum(abs(${v}))`,
  }),
  mean: () => ({
    inputs: [number],
    sql: ([v]) => `fsum(${v}) / count(*)`,
    slack: ([v]) => `${roundings} * sum(abs(${v})) / count(*)`,
  }),
  min: () => ({ inputs: [number], sql: ([v]) => `min(${v})` }),
  max: () => ({ inputs: [number], sql: ([v]) => `max(${v})` }),
  'count-distinct': ({ precision }) => {
    const registers = 2 ** Number(precision);
    return {
      // What is selected is the value's hash.
      inputs: [number],
      sql: ([v]) => `count(DISTINCT ${v})`,
      // Exact while it is few; five times the standard error beyond.
      slack: ([v]) =>
        `CASE WHEN count(DISTINCT ${v}) <= ${Math.floor(registers / 9)} THEN 0 ELSE 5 * 1.04 / sqrt(${registers}) * count(DISTINCT ${v}) END`,
    };
  },
  quantile: ({ q, accuracy }) => {
    const ranked = (v: string | undefined): string => `list_sort(list(${v}))[1 + floor(${q} * (count(*) - 1))::BIGINT]`;
    return {
      inputs: [number],
      sql: ([v]) => ranked(v),
      // A value nearer to 0 than 1e-9 counts as 0.
      slack: ([v]) => `${Number(accuracy) * (1 + 1e-9)} * abs(${ranked(v)}) + 1e-9`,
    };
  },
  variance: ({ population }) => ({
    inputs: [number],
    sql: ([v]) => `${population === true ? 'var_pop' : 'var_samp'}(${v})`,
    slack: ([v]) => `${spreadRoundings} * avg(${v} * ${v})`,
  }),
  stddev: ({ population }) => ({
    inputs: [number],
    sql: ([v]) => `${population === true ? 'stddev_pop' : 'stddev_samp'}(${v})`,
    slack: ([v]) => `sqrt(${spreadRoundings} * avg(${v} * ${v}))`,
  }),
  covariance: ({ population }) => ({
    inputs: pair,
    sql: ([x, y]) => `${population === true ? 'covar_pop' : 'covar_samp'}(${x}, ${y})`,
    slack: ([x, y]) => `${spreadRoundings} * (avg(${x} * ${x}) + avg(${y} * ${y}))`,
  }),
  correlation: () => ({
    inputs: pair,
    sql: ([x, y]) => `CASE WHEN min(${x}) = max(${x}) OR min(${y}) = max(${y}) THEN NULL ELSE corr(${x}, ${y}) END`,
    slack: () => '1e-9',
  }),
  first: () => chosen('none', ''),
  last: () => chosen('none', 'DESC', 'DESC'),
  'arg-min': () => chosen('', ''),
  'arg-max': () => chosen('DESC', ''),
  'decimal-sum': ({ as, scale }) => ({
    inputs: [
      { type: 'VARCHAR', cell: (text: string) => text },
      { type: 'BIGINT', cell: (text: string) => Number(scale ?? (text.split('.')[1] ?? '').length) },
    ],
    sql: ([v, digits]) => {
      const total = `sum(${v}::DECIMAL(38, ${decimalScale}))`;
      // As many digits behind the point as the value with the most; without any, no point.
      const length = `length(${total}::VARCHAR) - ${decimalScale} + max(${digits}) - (max(${digits}) = 0)::BIGINT`;
      return as === 'number' ? `${total}::DOUBLE` : `left(${total}::VARCHAR, ${length})`;
    },
  }),
};
