import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import type { Cell, ColumnType } from './database.ts';
import { numberAggregates } from './number-aggregates.ts';
import { valueAggregates } from './value-aggregates.ts';

/** How a batch computes one column of an aggregate. */
export interface BatchAggregate {
  /** What the table has of one record's selected value, and the types of these cells. */
  readonly inputs: readonly { readonly type: ColumnType; readonly cell: (selected: never) => Cell }[];
  /** The column, as an SQL expression over the cells of a group. `t` is the event time, `seq` the order of arrival. */
  readonly sql: (cells: readonly string[]) => string;
  /** How large a difference is none. By default there may be none. An SQL expression over the same cells. */
  readonly slack?: (cells: readonly string[]) => string;
  /** Which part of itself each number of the column may be off besides. By default none. */
  readonly share?: number;
  /** The value as the row has it; by default as DuckDB gives it. */
  readonly read?: (value: unknown) => unknown;
}

/** What a batch does for an aggregator of this configuration; undefined for one that no query says. */
export type Maker = (config: AnyAggregator<unknown>['config']) => BatchAggregate | undefined;

/** By the aggregator's kind. What is not here is refused, or said by the caller. */
export const batchAggregates: Readonly<Record<string, Maker>> = { ...numberAggregates, ...valueAggregates };

/** Whether the results of a kind may differ from a batch's by more than the last digits of a sum. */
export function isRough({ kind, config }: AnyAggregator<unknown>): boolean {
  const batch = batchAggregates[kind]?.(config);
  const isSum = kind === 'sum' || kind === 'mean';
  return batch !== undefined && !isSum && (batch.share !== undefined || batch.slack !== undefined);
}
