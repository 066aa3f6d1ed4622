import { assert } from '#shared/schemas/error.ts';
import type { ReservedColumn } from '#shared/schemas/row.ts';
import { type AnyAggregator, kindsOf } from './aggregator.ts';
import { columnOfPath, type Derived, type DerivedOfKey, derivedPlanOf } from './derive.ts';
import type { NumericPath } from './numeric-path.ts';
import type { PlacementDecision } from './placement.ts';
import type { AggregatePlan, TopPlan } from './plan.ts';
import { givenOptions, named } from './refuse.ts';
import type { WindowBounds } from './row-types.ts';
import type { LateTable } from './select.ts';
import type { SinkSpec } from './sink.ts';
import type {
  AggregateDefinition,
  KeyShape,
  NamesOf,
  Output,
  ResultRow,
  RowsNode,
  Simplify,
  StepDefinition,
  Stream,
  Without,
} from './stream.ts';
import { isAligned } from './window.ts';
import type { WindowedTable } from './window-options.ts';

/** Windows that give a row once, when they are final: their rows may be a stream again. */
export interface FinalWindowedStream<T, K extends KeyShape, Kind extends 'aligned' | 'session'> {
  /** Computes columns for each key and window. `name` is the view's name and the identity of its state. */
  aggregate<const Name extends string, const A extends Readonly<Record<string, AnyAggregator<T>>>>(
    name: Name,
    aggregates: Without<A, ReservedColumn | NamesOf<K>>,
  ): LateTable<T, K> &
    (Kind extends 'aligned' ? FinalWindowTable<Name, K, ResultRow<A>> : FinalTable<Name, K, ResultRow<A>>);
}

/** Windows of each key. */
export interface FinalTable<Name extends string, K extends KeyShape, Row>
  extends WindowedTable<Name, K, Row, Row, DerivedOfKey>,
    FinalRows<K, Row> {}

/** Windows whose bounds all keys share. */
export interface FinalWindowTable<Name extends string, K extends KeyShape, Row>
  extends RankableTable<Name, K, Row>,
    FinalRows<K, Row> {}

interface FinalRows<K extends KeyShape, Row> {
  /**
   * The final rows as a stream again: key columns, window bounds and aggregated columns, without those that are derived when a view is
   * read. A row's event time is the last millisecond of its window. The rows may be keyed anew, windowed, joined; none of them is ever
   * late. The step need not be an output of the pipeline.
   */
  asStream(): Stream<Simplify<K & WindowBounds & Row>>;
}

/** `Kept` are the columns of `Row` that are not derived. */
export interface RankableTable<Name extends string, K extends KeyShape, Row, Kept = Row>
  extends Omit<WindowedTable<Name, K, Row, Kept>, 'derive'> {
  /**
   * Adds columns that are computed from the row and from the window's totals over all keys; null where there is no value. Of the view they are
   * computed when it is read. Ranked rows have them as columns like others, and rank by them.
   */
  derive<const D extends Readonly<Record<string, Derived<NumericPath<Kept>>>>>(
    columns: Without<D, ReservedColumn | NamesOf<K> | NamesOf<Row>>,
  ): RankableTable<Name, K, Row & { readonly [Column in keyof D]: number | null }, Kept>;
  /**
   * The `count` rows of each window with the highest value in column `by`, over all keys: a view with a row for each rank from 1. Where the
   * values are the same, the rows rank by their keys. A row without a value, whose column is null, has no rank.
   */
  top<const View extends string>(
    name: View,
    count: number,
    options: { readonly by: NumericPath<Row> },
  ): TopTable<View, RankKey, Simplify<RankKey & WindowBounds & K & Row>>;
  /**
   * The rows of each window that less than `count` rows are above in column `by`, over all keys: of those with the same value all, as many
   * as there are (SQL's RANK, where `top` is its ROW_NUMBER). They keep their own keys.
   */
  rank<const View extends string, const As extends string = never>(
    name: View,
    count: number,
    options: RankOptions<NumericPath<Row>, As extends ReservedColumn | NamesOf<K> | NamesOf<Row> ? never : As>,
  ): TopTable<View, K, Simplify<WindowBounds & K & Row & { readonly [Column in As]: number }>>;
}

export interface RankOptions<By extends string, As extends string> {
  /** The highest value ranks first: a column, or a part of one, such as `latency.p99`. */
  readonly by: By;
  /** The name of a column that the rank has; without it the rows do not show it. */
  readonly as?: As;
}

/** The key of a ranked row. */
export type RankKey = { readonly rank: number };

export interface TopTable<Name extends string, K, Row> {
  /** Names where the rows go: to one sink or several, of different kinds. */
  to(...sinks: readonly [SinkSpec, ...SinkSpec[]]): Output<Name, K, Row>;
  /** The ranked rows as a stream again. */
  asStream(): Stream<Row>;
}

/** The greatest rows of each window of another step. */
export interface TopDefinition {
  readonly op: 'top';
  readonly name: string;
  readonly input: RowsNode;
  readonly count: number;
  /** The path of a number in the input's rows, or one of `derived`. */
  readonly by: string;
  /** Columns that are computed of the input's rows and totals. */
  readonly derived: Readonly<Record<string, Derived<string>>>;
  /** Rows with the same value share a rank and keep their keys, and the rank is in this column or in none. */
  readonly ties?: { readonly as: string | null };
  readonly sinks: readonly SinkSpec[];
}

/** All rows of a window meet in one slot, and those of another top in another. */
export function keyOfTop(name: string): KeyShape {
  return { top: name };
}

/** The column that tells the rows of one window apart. */
export const rankColumn = 'rank';

/** How the final rows of a step become a stream. */
export type RowsOf = <Row>(step: StepDefinition) => Stream<Row>;

/** What ranks the final rows of a step's windows. */
export function rankedOf<K extends KeyShape, Row>(
  { derived, ...kept }: AggregateDefinition,
  rowsOf: RowsOf,
): Pick<RankableTable<string, K, Row>, 'top' | 'rank'> {
  // What is derived is in the ranked rows. The step itself shows it where it is an output that does.
  const step: AggregateDefinition = { ...kept, derived: {} };
  const ranked = <Name extends string, Key, Ranked>(
    made: Pick<TopDefinition, 'count' | 'by' | 'ties'> & { readonly name: Name },
  ): TopTable<Name, Key, Ranked> => {
    const top: TopDefinition = { op: 'top', input: { op: 'rows', step }, derived, ...made, sinks: [] };
    return { to: (...sinks) => ({ name: made.name, step: { ...top, sinks } }), asStream: () => rowsOf(top) };
  };
  return {
    top: (name, count, options) => {
      const { by } = givenOptions(named('step', name), options, ['by'], "{ by: 'requests' }");
      return ranked({ name, count, by });
    },
    rank: (name, count, options) => {
      const { by, as = null } = givenOptions(named('step', name), options, ['by', 'as'], "{ by: 'requests' }");
      return ranked({ name, count, by, ties: { as } });
    },
  };
}

/** The columns of a step that those who rank its rows have shares of, as its plan says it. */
export function totalsPlanOf(
  { name }: AggregateDefinition,
  steps: readonly StepDefinition[],
): Pick<AggregatePlan, 'totals'> {
  const shared = steps.flatMap((step) =>
    step.op === 'top' && step.input.step.name === name
      ? Object.values(step.derived).filter(({ kind }) => kind === 'share-of-total')
      : [],
  );
  const totals = [...new Set(shared.flatMap(({ columns }) => columns.map(columnOfPath)))].sort();
  return totals.length === 0 ? {} : { totals };
}

/** The step in a plan. */
export function topPlanOf(
  { name, input: { step }, count, by, derived, ties, sinks }: TopDefinition,
  input: string,
  { placement, reason }: PlacementDecision,
): TopPlan {
  assert(step.op === 'aggregate' && isAligned(step.window), `${name} ranks the rows of aligned windows`);
  return {
    op: 'top',
    id: name,
    source: step.name,
    input,
    count,
    by,
    // Without any the plan is as it was before there could be some.
    ...(Object.keys(derived).length === 0 ? {} : { derived: derivedPlanOf(derived) }),
    ...(ties === undefined ? {} : { ties }),
    ...(step.window.kind === 'tumbling' || step.window.kind === 'sliding'
      ? { windowMs: step.window.sizeMs }
      : { window: step.window }),
    aggregates: kindsOf(step.aggregates),
    allowedLatenessMs: 0,
    sinks,
    placement,
    reason,
  };
}
