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
};
