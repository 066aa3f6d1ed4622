import type { ReservedColumn } from '#shared/schemas/row.ts';
import type { AnyAggregator } from './aggregator.ts';
import type { LateTable } from './select.ts';
import type { SinkSpec } from './sink.ts';
import type {
  KeyShape,
  NamesOf,
  NumericColumn,
  Output,
  ResultRow,
  RowsNode,
  Simplify,
  StepDefinition,
  Stream,
  WindowBounds,
  WindowedTable,
  Without,
} from './stream.ts';

/** Windows that give a row once, when they are final: their rows may be a stream again. */
export interface FinalWindowedStream<T, K extends KeyShape, Kind extends 'aligned' | 'session'> {
  /** Computes columns for each key and window. `name` is the view's name and the identity of its state. */
  aggregate<const Name extends string, const A extends Readonly<Record<string, AnyAggregator<T>>>>(
    name: Name,
    aggregates: Without<A, ReservedColumn | NamesOf<K>>,
  ): FinalTable<Name, K, ResultRow<A>> &
    LateTable<T, K> &
    (Kind extends 'aligned' ? FinalWindowTable<K, ResultRow<A>> : unknown);
}

export interface FinalTable<Name extends string, K extends KeyShape, Row> extends WindowedTable<Name, K, Row> {
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
   * values are the same, the rows rank by their keys.
   */
  top<const Name extends string>(
    name: Name,
    count: number,
    options: { readonly by: NumericColumn<Row> },
  ): TopTable<Name, RankKey, Simplify<RankKey & WindowBounds & K & Row>>;
  /**
   * The rows of each window that less than `count` rows are above in column `by`, over all keys: of those with the same value all, as many
   * as there are (SQL's RANK, where `top` is its ROW_NUMBER). They keep their own keys.
   */
  rank<const Name extends string, const As extends string = never>(
    name: Name,
    count: number,
    options: RankOptions<NumericColumn<Row>, As extends ReservedColumn | NamesOf<K> | NamesOf<Row> ? never : As>,
  ): TopTable<Name, K, Simplify<WindowBounds & K & Row & { readonly [Column in As]: number }>>;
}

export interface RankOptions<By extends string, As extends string> {
  /** The highest value ranks first. */
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
  /** A column of the input's rows. */
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

/** How the final rows of a step become a stream. */
export type RowsOf = <Row>(step: StepDefinition) => Stream<Row>;
