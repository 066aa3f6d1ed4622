import type { ReservedColumn } from '#shared/schemas/row.ts';
import type { Duration } from './duration.ts';
import { foreverMs, type JoinInterval, type JoinKind, type JoinTimeColumn, type Selectors, sidesOf } from './join.ts';
import type { SelectedRow } from './process.ts';
import { givenList, givenOptions } from './refuse.ts';
import type { RowsOf } from './rows.ts';
import type { SinkSpec } from './sink.ts';
import type { JoinDefinition, KeyNode, KeyShape, NamesOf, Output, Simplify, Stream, Without } from './stream.ts';

/** All records of a key, however far from one another. */
export interface EverJoinOptions {
  /**
   * All records of a key on either side are kept for ever, and each pair gives its row when its second record comes. Nothing is late, since
   * nothing ever ends (a pair of two late records may be late for a window behind the join); so an outer join, which must know that a record stays alone, is not offered. State grows with the records: where
   * pairs lie near each other in event time, give the interval.
   */
  readonly within: 'ever';
  readonly kind?: 'inner';
}

/** Records that lie near one another in event time. */
export interface JoinOptions<Kind extends JoinKind> {
  /**
   * A right record joins a left one when its event time is at least the first and at most the second after the left one's:
   * `[seconds(0), minutes(1)]` within the minute that follows, `[minutes(-5), minutes(5)]` five minutes around.
   */
  readonly within: readonly [from: Duration, to: Duration];
  /** Default `inner`. */
  readonly kind?: Kind;
  /**
   * How far a record may lie behind the watermark, which is the lower one of both sources', without being late. For so much longer
   * records are held and unmatched ones waited for.
   */
  readonly allowedLateness: Duration;
}

export interface JoinedStream<Left, Right, K extends KeyShape, Kind extends JoinKind> {
  /** Selects the row's columns from the records of both sides. `name` is the view's name and the identity of its state. */
  select<const Name extends string, const A extends Selectors<Left>, const B extends Selectors<Right>>(
    name: Name,
    columns: {
      readonly left: Without<A, ReservedColumn | JoinTimeColumn | NamesOf<K>>;
      readonly right: Without<B, ReservedColumn | JoinTimeColumn | NamesOf<K> | NamesOf<A>>;
    },
  ): JoinedTable<
    Name,
    K,
    SideRow<'leftTime', A, Kind extends 'full' ? true : false> &
      SideRow<'rightTime', B, Kind extends 'inner' ? false : true>
  >;
}

export interface JoinedTable<Name extends string, K extends KeyShape, Row> {
  /** Names where the rows go, to one sink or several of different kinds: one for each pair and, in an outer join, for each record that stayed alone. Each is final. */
  to(...sinks: readonly [SinkSpec, ...SinkSpec[]]): Output<Name, K, Simplify<K & Row>>;
  /** The rows as a stream again. A row's event time is the later one of its two times. */
  asStream(): Stream<Simplify<K & Row>>;
}

export type OrNull<Row> = { readonly [Column in keyof Row]: Row[Column] | null };
/** The columns of one side, which are null in the rows of the other side's unmatched records. */
type SideRow<Time extends JoinTimeColumn, S, MayBeMissing> = MayBeMissing extends true
  ? OrNull<{ readonly [T in Time]: Date } & SelectedRow<S>>
  : { readonly [T in Time]: Date } & SelectedRow<S>;

/** The step that joins two streams near each other in event time. */
export function joinedOf<Left, Right, K extends KeyShape, Kind extends JoinKind>(
  key: KeyNode,
  rightKey: KeyNode,
  options: JoinOptions<Kind> | EverJoinOptions,
  rowsOf: RowsOf,
): JoinedStream<Left, Right, K, Kind> {
  const { kind = 'inner' } = givenOptions(
    'join',
    options,
    options?.within === 'ever' ? ['within', 'kind'] : ['within', 'kind', 'allowedLateness'],
    '{ within: [seconds(0), minutes(1)], … }',
  );
  const interval: Pick<JoinDefinition, 'lowerMs' | 'upperMs' | 'allowedLatenessMs'> =
    options.within === 'ever'
      ? { lowerMs: -foreverMs, upperMs: foreverMs, allowedLatenessMs: foreverMs }
      : { ...boundsOf(options.within), allowedLatenessMs: options.allowedLateness };
  return {
    select: (name, columns) => {
      const { left, right } = sidesOf(name, columns);
      const step: JoinDefinition = {
        op: 'join',
        name,
        kind,
        ...interval,
        left: { key, columns: left },
        right: { key: rightKey, columns: right },
        sinks: [],
      };
      return { to: (...sinks) => ({ name, step: { ...step, sinks } }), asStream: () => rowsOf(step) };
    },
  };
}

function boundsOf(within: readonly [from: Duration, to: Duration]): JoinInterval {
  const [lowerMs, upperMs] = givenList(
    'join',
    'within',
    within,
    "an interval, such as [seconds(0), minutes(1)], or 'ever'",
  );
  return { lowerMs, upperMs };
}
