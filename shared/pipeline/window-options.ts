import type { ReservedColumn } from '#shared/schemas/row.ts';
import type { AnyAggregator } from './aggregator.ts';
import type { Derived, DerivedKind, DerivedOfAll } from './derive.ts';
import type { Duration } from './duration.ts';
import type { NumericPath } from './numeric-path.ts';
import type { Placement } from './placement.ts';
import { given, givenOptions } from './refuse.ts';
import type { WindowBounds } from './row-types.ts';
import type { LateTable } from './select.ts';
import type { SinkSpec } from './sink.ts';
import type {
  AggregateDefinition,
  KeyNode,
  KeyShape,
  NamesOf,
  Output,
  ResultRow,
  Simplify,
  Without,
} from './stream.ts';
import { type EarlyRows, isAligned, type WindowSpec } from './window.ts';

interface CommonWindowOptions {
  /** How long a window stays open behind the watermark for records that are even later than `outOfOrderness`. */
  readonly allowedLateness: Duration;
  /** Overrides the automatic placement of the step. */
  readonly placement?: Placement;
}

/** Options of windows that may report before they are complete. */
export interface WindowOptions extends CommonWindowOptions {
  /** `on-update` (default): rows are refreshed as the window fills; `on-close`: one row, when it is final. */
  readonly emit?: 'on-update' | 'on-close';
  /** How often at most a row is rewritten while its window fills. Default 5 s. Each rewrite is a paid write. */
  readonly refresh?: Duration;
}

/** Options of windows whose rows are final, and may be a stream again. */
export interface FinalWindowOptions extends WindowOptions {
  readonly emit: 'on-close';
  /**
   * Shows what a window has so far, as rows that are not final, besides its final row: each time that the watermark has passed a multiple of
   * `every` (`event`), or `every` after they were shown last (`arrival`, which is the default). Only what has changed is shown.
   */
  readonly early?: EarlyOptions;
}

export interface EarlyOptions {
  readonly every: Duration;
  readonly time?: 'event' | 'arrival';
}

/** Bounds of sessions and of every n records are known when they close, which is when their rows are final. */
export interface SessionOptions extends CommonWindowOptions {
  readonly emit?: 'on-close';
  /** As that of other windows. The end of such a row is the one that is known so far, and the row is taken back when the final one comes. */
  readonly early?: EarlyOptions;
}

/** A global window's row is shown when its triggers say so. */
export type GlobalOptions = CommonWindowOptions;

export interface WindowedStream<T, K extends KeyShape> {
  /** Computes columns for each key and window. `name` is the view's name and the identity of its state. */
  aggregate<const Name extends string, const A extends Readonly<Record<string, AnyAggregator<T>>>>(
    name: Name,
    aggregates: Without<A, ReservedColumn | NamesOf<K>>,
  ): WindowedTable<Name, K, ResultRow<A>> & LateTable<T, K>;
}

/** `Kept` are the columns of `Row` that are not derived, `Kind` what may be derived from them. */
export interface WindowedTable<
  Name extends string,
  K extends KeyShape,
  Row,
  Kept = Row,
  Kind extends DerivedKind = DerivedKind,
> {
  /** Adds columns that are computed when the view is read, from the row and from the window's totals; null where there is no value. */
  derive<const D extends Readonly<Record<string, Derived<NumericPath<Kept>, Kind>>>>(
    columns: Without<D, ReservedColumn | NamesOf<K> | NamesOf<Row>>,
  ): WindowedTable<Name, K, Row & { readonly [Column in keyof D]: number | null }, Kept, Kind>;
  /** Names where the rows go: to one sink or several, of different kinds. */
  to(...sinks: readonly [SinkSpec, ...SinkSpec[]]): Output<Name, K, Simplify<K & WindowBounds & Row>>;
}

/** One window of all records of a key: its row has no bounds, and changes. */
export interface GlobalWindowedStream<T, K extends KeyShape> {
  /** Computes columns for each key. `name` is the view's name and the identity of its state. */
  aggregate<const Name extends string, const A extends Readonly<Record<string, AnyAggregator<T>>>>(
    name: Name,
    aggregates: Without<A, ReservedColumn | NamesOf<K>>,
  ): GlobalTable<Name, K, ResultRow<A>> & LateTable<T, K>;
}

export interface GlobalTable<Name extends string, K extends KeyShape, Row, Kept = Row> {
  /** Adds columns that are computed when the view is read, from the row. */
  derive<const D extends Readonly<Record<string, Derived<NumericPath<Kept>, DerivedOfAll>>>>(
    columns: Without<D, ReservedColumn | NamesOf<K> | NamesOf<Row>>,
  ): GlobalTable<Name, K, Row & { readonly [Column in keyof D]: number | null }, Kept>;
  /** Names the table where the rows go. */
  to(...sinks: readonly [SinkSpec, ...SinkSpec[]]): Output<Name, K, Simplify<K & Row>>;
}

const refreshMsDefault = 5_000;

type AnyWindowOptions = WindowOptions | FinalWindowOptions | SessionOptions | GlobalOptions;

/** What a keyed stream's window says of the step that aggregates it. */
export function windowStepOf(
  key: KeyNode,
  window: WindowSpec,
  options: AnyWindowOptions,
): Omit<AggregateDefinition, 'name' | 'aggregates' | 'derived' | 'sinks'> {
  const { kind } = given('window', 'kind', window, 'one, such as tumbling(minutes(5))');
  const { allowedLateness, emit, refresh, early, placement } = givenOptions(
    `a window of kind ${kind}`,
    options as WindowOptions & Pick<FinalWindowOptions, 'early'>,
    optionsOf(window),
    '{ allowedLateness: seconds(0) }',
  );
  return {
    op: 'aggregate',
    key,
    window,
    allowedLatenessMs: allowedLateness,
    emit: emit ?? (kind === 'session' || kind === 'count' ? 'on-close' : 'on-update'),
    refreshMs: refresh ?? refreshMsDefault,
    ...(early === undefined ? {} : { early: earlyOf(early) }),
    placement,
  };
}

/** A session's row, say, is never refreshed, so how often would be passed over in silence. */
function optionsOf(window: WindowSpec): readonly ('allowedLateness' | 'placement' | 'emit' | 'refresh' | 'early')[] {
  if (isAligned(window)) return ['allowedLateness', 'emit', 'refresh', 'early', 'placement'];
  return window.kind === 'global'
    ? ['allowedLateness', 'placement']
    : ['allowedLateness', 'emit', 'early', 'placement'];
}

function earlyOf(early: EarlyOptions): EarlyRows {
  const { every, time = 'arrival' } = givenOptions(
    'early of a window',
    early,
    ['every', 'time'],
    '{ every: seconds(10) }',
  );
  return { everyMs: every, time };
}
