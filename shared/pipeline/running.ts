import type { ReservedColumn } from '#shared/schemas/row.ts';
import { type AnyAggregator, kindsOf } from './aggregator.ts';
import { type Derived, type DerivedOfAll, derivedPlanOf } from './derive.ts';
import { type Duration, seconds } from './duration.ts';
import type { NumericPath } from './numeric-path.ts';
import type { PlacementDecision } from './placement.ts';
import type { InputPlan, RunningPlan } from './plan.ts';
import { givenColumns, givenOptions, named } from './refuse.ts';
import type { RowsOf } from './rows.ts';
import type { SinkSpec, TableSink } from './sink.ts';
import type { KeyNode, KeyShape, NamesOf, Output, ResultRow, Simplify, Stream, Without } from './stream.ts';

/** Names that a running row's columns may not have. It is never final, so it does not say whether it is. */
export type RunningReserved = Exclude<ReservedColumn, 'final'> | typeof changeColumn;
export type RunningColumns<A, K> = Without<A, RunningReserved | NamesOf<K>>;

export interface RunningOptions {
  /** How often at most a row is rewritten as records come. Default 5 s; 0 is with each batch. Each rewrite is a paid write. */
  readonly refresh?: Duration;
}

/** One row for each key over all of its records so far: it is never final, and no record is late for it. */
export interface RunningTable<Name extends string, K extends KeyShape, Row, Kept = Row> {
  /** Adds columns that are computed when the view is read, from the row; null where there is no value. */
  derive<const D extends Readonly<Record<string, Derived<NumericPath<Kept>, DerivedOfAll>>>>(
    columns: Without<D, RunningReserved | NamesOf<K> | NamesOf<Row>>,
  ): RunningTable<Name, K, Row & { readonly [Column in keyof D]: number | null }, Kept>;
  /** Names the table in which the rows are kept up to date. Files and streams take final rows, of which there are none. */
  to(sink: TableSink): Output<Name, K, Simplify<K & Row>>;
  /**
   * What changes, as a stream: a row that a key no longer has with `change` -1, and the one that it has now with `change` 1. So sums over it
   * are sums over the rows as they are: `sum((row) => row.change)` is their number. How many changes there are depends on how records are batched;
   * what they add up to does not. A change has the event time of the newest record of its key, so one by a late record may be late for a window
   * behind it. Derived columns are not in it. A key that all rows of another step have left, with sums of nothing, is a row that is there or not, as
   * records are batched: filter it out.
   */
  asChanges(): Stream<Simplify<K & Kept & { readonly change: 1 | -1 }>>;
}

/** What is kept of each key over all of its records. */
export interface RunningDefinition {
  readonly op: 'running';
  readonly name: string;
  readonly key: KeyNode;
  readonly refreshMs: number;
  readonly aggregates: Readonly<Record<string, AnyAggregator<unknown>>>;
  readonly derived: Readonly<Record<string, Derived<string>>>;
  readonly sinks: readonly SinkSpec[];
}

/** Whether a changed row is there no more, -1, or from now on, 1. */
export const changeColumn = 'change';

/** The step that aggregates without a window. */
export function runningOf<Name extends string, K extends KeyShape, A>(
  name: Name,
  key: KeyNode,
  aggregates: unknown,
  options: RunningOptions = {},
  rowsOf: RowsOf,
): RunningTable<Name, K, ResultRow<A>> {
  const { refresh = seconds(5) } = givenOptions(named('step', name), options, ['refresh'], '{ refresh: seconds(1) }');
  const step: RunningDefinition = {
    op: 'running',
    name,
    key,
    refreshMs: refresh,
    aggregates: givenColumns(name, aggregates as RunningDefinition['aggregates'], '{ requests: count() }'),
    derived: {},
    sinks: [],
  };
  return tableOf(step, rowsOf);
}

function tableOf<Name extends string, K extends KeyShape, Row, Kept>(
  step: RunningDefinition,
  rowsOf: RowsOf,
): RunningTable<Name, K, Row, Kept> {
  const { name } = step;
  return {
    derive: (columns) =>
      tableOf(
        { ...step, derived: { ...step.derived, ...givenColumns(name, columns, "{ mean: ratio('bytes', 'n') }") } },
        rowsOf,
      ),
    to: (sink) => ({ name: name as Name, step: { ...step, sinks: [sink] } }),
    asChanges: () => rowsOf(step),
  };
}

/** The step in a plan. */
export function runningPlanOf(
  { name, refreshMs, aggregates, derived, sinks }: RunningDefinition,
  input: InputPlan,
  { placement, reason }: PlacementDecision,
): RunningPlan {
  const kinds = kindsOf(aggregates);
  const described = { refreshMs, aggregates: kinds, allowedLatenessMs: 0, sinks, placement, reason } as const;
  // Without any the plan is as it was before there could be some.
  const shown = Object.keys(derived).length === 0 ? {} : { derived: derivedPlanOf(derived) };
  return { op: 'running', id: name, ...input, ...described, ...shown };
}
