import { assert } from '#shared/schemas/error.ts';
import type { ReservedColumn } from '#shared/schemas/row.ts';
import { type AnyAggregator, kindsOf } from './aggregator.ts';
import type { DerivedKind, DerivedOfKey } from './derive.ts';
import type { NumericPath } from './numeric-path.ts';
import type { PlacementDecision } from './placement.ts';
import type { TopPlan } from './plan.ts';
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
  ): FinalTable<Name, K, ResultRow<A>, Kind extends 'aligned' ? DerivedKind : DerivedOfKey> &
    LateTable<T, K> &
    (Kind extends 'aligned' ? FinalWindowTable<K, ResultRow<A>> : unknown);
}

export interface FinalTable<Name extends string, K extends KeyShape, Row, Kind extends DerivedKind = DerivedKind>
  extends WindowedTable<Name, K, Row, Row, Kind> {
  /**
   * The final rows as a stream again: key columns, window bounds and aggregated columns, without those that are derived when a view is
   * read. A row's event time is the last millisecond of its window. The rows may be keyed anew, windowed, joined; none of them is ever
   * late. The step need not be an output of the pipeline.
   */
  asStream(): Stream<Simplify<K & WindowBounds & Row>>;
}

/** Windows whose bounds all keys share. */
export interface FinalWindowTable<K extends KeyShape, Row> {
  /**
   * The `count` rows of each window with the highest value in column `by`, over all keys: a view with a row for each rank from 1. Where the
   * values are the same, the rows rank by their keys. A row without a value, whose column is null, has no rank.
   */
  top<const Name extends string>(
    name: Name,
    count: number,
    options: { readonly by: NumericPath<Row> },
  ): TopTable<Name, RankKey, Simplify<RankKey & WindowBounds & K & Row>>;
  /**
   * The rows of each window that less than `count` rows are above in column `by`, over all keys: of those with the same value all, as many
   * as there are (SQL's RANK, where `top` is its ROW_NUMBER). They keep their own keys.
   */
  rank<const Name extends string, const As extends string = never>(
    name: Name,
    count: number,
    options: RankOptions<NumericPath<Row>, As extends ReservedColumn | NamesOf<K> | NamesOf<Row> ? never : As>,
  ): TopTable<Name, K, Simplify<WindowBounds & K & Row & { readonly [Column in As]: number }>>;
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
  /** The path of a number in the input's rows. */
  readonly by: string;
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

/** What a row ranks by; undefined where it has no value, and so no rank. */
export function rankedBy({ by }: { readonly by: string }, columns: Readonly<Record<string, unknown>>): unknown {
  let value: unknown = columns;
  for (const name of by.split('.')) value = (value as Readonly<Record<string, unknown>> | null | undefined)?.[name];
  return value ?? undefined;
}

/** How the final rows of a step become a stream. */
export type RowsOf = <Row>(step: StepDefinition) => Stream<Row>;

/** What ranks the final rows of a step's windows. */
export function rankedOf<K extends KeyShape, Row>(
  step: AggregateDefinition,
  rowsOf: RowsOf,
): Pick<FinalWindowTable<K, Row>, 'top' | 'rank'> {
  const ranked = <Name extends string, Key, Ranked>(
    made: Pick<TopDefinition, 'count' | 'by' | 'ties'> & { readonly name: Name },
  ): TopTable<Name, Key, Ranked> => {
    const top: TopDefinition = { op: 'top', input: { op: 'rows', step }, ...made, sinks: [] };
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

/** The step in a plan. */
export function topPlanOf(
  { name, input: { step }, count, by, ties, sinks }: TopDefinition,
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
