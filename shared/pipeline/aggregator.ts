import type { ColumnType } from './column-types.ts';
import type { AggregatePlan } from './plan.ts';

/** What JSON can carry. Selected values and encoded accumulators are of this type: they cross the exchange and the stores. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * One column of a windowed result, computed record by record.
 *
 * Laws, for any accumulators a, b and values v: `merge` is associative and commutative up to `result`; splitting the values
 * anywhere, adding each part to its own accumulator and merging gives the same `result`; `decode(encode(a))` behaves as a.
 * An accumulator that is handed to `add`, or to `merge` as `into`, is owned by it and may be changed in place; `from` is not.
 */
export interface Aggregator<In, Value, Accumulator, Out> {
  /** Names the aggregator in the plan; with `config` it is the identity of the state. */
  readonly kind: string;
  readonly config: { readonly [name: string]: Json };
  /** How many values of records its state may hold as they are: a step that may hold many is kept in memory, on the worker. Default few. */
  readonly keptMax?: number;
  /**
   * Takes what the aggregator needs from a record and its event time, in the preprocess stage: only this crosses the exchange. A row that
   * is a record again has the event time of rows. Pure.
   */
  readonly select: (record: In, timeMs: number) => Value;
  /** Why a selected value cannot be aggregated, or undefined when it can. The record then is rejected as `invalid`. */
  readonly refuse?: (value: Value) => string | undefined;
  readonly create: () => Accumulator;
  readonly add: (accumulator: Accumulator, value: Value) => Accumulator;
  readonly merge: (into: Accumulator, from: Accumulator) => Accumulator;
  /**
   * Where there is one it takes a merge back: `subtract(merge(a, b), b)` behaves as a. Windows that overlap then need not be merged anew.
   * `from` is not changed.
   */
  readonly subtract?: (into: Accumulator, from: Accumulator) => Accumulator;
  readonly result: (accumulator: Accumulator) => Out;
  /**
   * What `result` gives where it gives anything: the type of the column in files that have a schema, whatever values one of them holds. Without it
   * that is told by what it gives for records that are made up, and by the values.
   */
  readonly gives?: ColumnType;
  readonly encode: (accumulator: Accumulator) => Json;
  readonly decode: (encoded: Json) => Accumulator;
}

/** Any aggregator over records of type `In`, whatever it keeps. */
// biome-ignore lint/suspicious/noExplicitAny: the accumulator's type is known to the aggregator alone.
export type AnyAggregator<In> = Aggregator<In, any, any, unknown>;

/** What a plan says of a step's aggregators. */
export function kindsOf(aggregates: Readonly<Record<string, AnyAggregator<unknown>>>): AggregatePlan['aggregates'] {
  return Object.fromEntries(Object.entries(aggregates).map(([column, { kind, config }]) => [column, { kind, config }]));
}
