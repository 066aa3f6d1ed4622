import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { ReservedColumn } from '#shared/schemas/row.ts';
import type { AnyAggregator } from './aggregator.ts';
import { checkCallback } from './check-callbacks.ts';
import type { ColumnTypes } from './column-types.ts';
import type { Decoder } from './decoder.ts';
import { json } from './decoders/json.ts';
import type { Derived } from './derive.ts';
import type { Duration } from './duration.ts';
import { type Enriching, type EnrichNode, enrichingOf } from './enrich.ts';
import { type JoinInterval, type JoinKind, keyGiven, type SameKey, type Selectors } from './join.ts';
import { type EverJoinOptions, type JoinedStream, type JoinOptions, joinedOf } from './joined.ts';
import { type Parts, partsOf } from './parts.ts';
import type { Placement } from './placement.ts';
import type {
  EmittedRow,
  ProcessCallbacks,
  ProcessKind,
  ProcessOptions,
  RowColumns,
  SelectedRow,
  TableJoinKind,
} from './process.ts';
import {
  type DedupeOptions,
  dedupedOf,
  type ProcessedTable,
  processedOf,
  type TableJoinedStream,
  type TableJoinOptions,
  tableJoinOf,
  throttledOf,
} from './processed.ts';
import type { Projection } from './projection.ts';
import { given, givenColumns, givenOptions, shown } from './refuse.ts';
import type { KeyShape, NamesOf, ResultRow, Without } from './row-types.ts';
import { type FinalWindowedStream, type FinalWindowTable, rankedOf, type TopDefinition } from './rows.ts';
import {
  type RunningColumns,
  type RunningDefinition,
  type RunningOptions,
  type RunningTable,
  runningOf,
} from './running.ts';
import {
  lateOf,
  type SelectDefinition,
  type SelectedColumns,
  type SelectedTable,
  type SelectOptions,
  selectedOf,
} from './select.ts';
import type { SinkSpec } from './sink.ts';
import type { Throttling } from './throttle.ts';
import type { AlignedWindow, CountWindow, EarlyRows, GlobalWindow, SessionWindow, WindowSpec } from './window.ts';
import {
  type FinalWindowOptions,
  type GlobalOptions,
  type GlobalWindowedStream,
  type SessionOptions,
  type WindowedStream,
  type WindowOptions,
  windowStepOf,
} from './window-options.ts';

export type { KeyShape, NamesOf, NumericColumn, Output, ResultRow, Simplify, Without } from './row-types.ts';

/** What a stateless node does, with its callback. Nodes are compared by identity: a stream used twice is computed once. */
export type StreamNode =
  | SourceNode
  | RowsNode
  | EnrichNode
  | { readonly op: 'filter'; readonly input: StreamNode; readonly call: (record: unknown) => boolean }
  | { readonly op: 'map'; readonly input: StreamNode; readonly call: (record: unknown) => unknown }
  | { readonly op: 'flatMap'; readonly input: StreamNode; readonly call: (record: unknown) => readonly unknown[] }
  | { readonly op: 'union'; readonly inputs: readonly StreamNode[] };

export interface SourceNode {
  readonly op: 'source';
  readonly name: string;
  readonly schema: StandardSchemaV1;
  readonly timestamp: (record: unknown) => Date | number;
  readonly decoders: readonly Decoder[];
  readonly outOfOrdernessMs: number;
  readonly idleAfterMs: number | undefined;
  readonly whenSilent: 'hold' | 'advance';
}

/** The final rows of a step, as a stream again. */
export interface RowsNode {
  readonly op: 'rows';
  readonly step: StepDefinition;
}

export interface KeyNode {
  readonly op: 'key';
  readonly input: StreamNode;
  readonly call: (record: unknown, timeMs: number) => KeyShape;
  /** Only then it is given the event time: a callback of others may do something else with a second argument. */
  readonly takesTime?: true;
}

/** A stateful step as it was defined. Its name is the identity of its state. Without a sink it only feeds other steps. */
export type StepDefinition = (
  | AggregateDefinition
  | JoinDefinition
  | ProcessDefinition
  | TopDefinition
  | SelectDefinition
  | RunningDefinition
) & {
  readonly projection?: Projection;
  /** Of the columns that are shown, where it is said. */
  readonly types?: ColumnTypes;
};

export interface AggregateDefinition {
  readonly op: 'aggregate';
  readonly name: string;
  readonly key: KeyNode;
  readonly window: WindowSpec;
  readonly allowedLatenessMs: number;
  readonly emit: 'on-update' | 'on-close';
  readonly refreshMs: number;
  readonly early?: EarlyRows;
  readonly placement: Placement | undefined;
  readonly aggregates: Readonly<Record<string, AnyAggregator<unknown>>>;
  readonly derived: Readonly<Record<string, Derived<string>>>;
  readonly sinks: readonly SinkSpec[];
}

export interface JoinDefinition extends JoinInterval {
  readonly op: 'join';
  readonly name: string;
  readonly kind: JoinKind;
  readonly allowedLatenessMs: number;
  readonly left: JoinSideDefinition;
  readonly right: JoinSideDefinition;
  readonly sinks: readonly SinkSpec[];
}

export interface JoinSideDefinition {
  readonly key: KeyNode;
  readonly columns: Selectors<unknown>;
}

export interface ProcessDefinition {
  readonly op: 'process';
  readonly name: string;
  readonly does: ProcessKind;
  /** Of records of one key and time, those of the first are taken first. */
  readonly inputs: readonly JoinSideDefinition[];
  readonly row: RowColumns;
  /** One that two sides of a join have. */
  readonly duplicateColumn?: string | undefined;
  readonly callbacks: ProcessCallbacks;
  readonly ttlMs: number | undefined;
  readonly allowedLatenessMs: number;
  readonly sinks: readonly SinkSpec[];
}

/** Records of one type, on their way to a key. */
export interface Stream<T> extends Parts<T>, Enriching<T> {
  readonly node: StreamNode;
  /** Keeps the records for which `predicate` holds; a type guard narrows the type. */
  filter<U extends T>(predicate: (record: T) => record is U): Stream<U>;
  filter(predicate: (record: T) => boolean): Stream<T>;
  /** Turns each record into another. The event time stays that of the source's record. */
  map<U>(transform: (record: T) => U): Stream<U>;
  /** Turns each record into none, one or several. */
  flatMap<U>(transform: (record: T) => readonly U[]): Stream<U>;
  /** Applies a reusable piece of pipeline: `stream.through(withoutBots)`. */
  through<S>(piece: (stream: Stream<T>) => S): S;
  /**
   * Names the columns that group records; what has the same columns and values meets in the same state. A key column may not have the
   * name of another column of its rows: what the types cannot see of it is rejected record by record.
   */
  keyBy<K extends KeyShape>(select: (record: T) => Without<K, ReservedColumn>): KeyedStream<T, K>;
  /**
   * Gives a row of each record, once and final, without a window: no record is late for it. `name` is the view's name. Rows of a keyed
   * stream lie under their keys; these have none.
   */
  select<const Name extends string, const C extends SelectedColumns<T>>(
    name: Name,
    columns: Without<C, ReservedColumn>,
    options?: SelectOptions,
  ): SelectedTable<Name, unknown, SelectedRow<C>>;
}

/** A stream that others may send to. `In` is what the schema accepts, `T` what it gives. */
export interface Source<In, T> extends Stream<T> {
  readonly name: string;
  readonly __in?: In;
}

export interface KeyedStream<T, K extends KeyShape> extends Throttling<T, K> {
  readonly key: KeyNode;
  readonly __key?: K;
  /**
   * Computes columns for each key over all of its records, without a window: a row that is kept up to date and never final. `name` is the
   * view's name and the identity of its state, which is kept for ever.
   */
  aggregate<const Name extends string, const A extends Readonly<Record<string, AnyAggregator<T>>>>(
    name: Name,
    aggregates: RunningColumns<A, K>,
    options?: RunningOptions,
  ): RunningTable<Name, K, ResultRow<A>>;
  /** Gives a row of each record under its key, once and final, without a window: no record is late for it. */
  select<const Name extends string, const C extends SelectedColumns<T>>(
    name: Name,
    columns: Without<C, ReservedColumn | NamesOf<K>>,
    options?: SelectOptions,
  ): SelectedTable<Name, K, K & SelectedRow<C>>;
  window(spec: AlignedWindow, options: FinalWindowOptions): FinalWindowedStream<T, K, 'aligned'>;
  window(spec: AlignedWindow, options: WindowOptions): WindowedStream<T, K>;
  window(spec: SessionWindow | CountWindow, options: SessionOptions): FinalWindowedStream<T, K, 'session'>;
  window(spec: GlobalWindow, options: GlobalOptions): GlobalWindowedStream<T, K>;
  /** Joins each record with those of `right` that have the same key and lie near it in event time (an interval join). */
  join<Right, RightKey extends KeyShape, const Kind extends JoinKind = 'inner'>(
    right: KeyedStream<Right, RightKey> & SameKey<K, RightKey>,
    options: JoinOptions<Kind>,
  ): JoinedStream<T, Right, K, Kind>;
  /** Joins each record with all of `right` that have the same key, whenever they come. */
  join<Right, RightKey extends KeyShape>(
    right: KeyedStream<Right, RightKey> & SameKey<K, RightKey>,
    options: EverJoinOptions,
  ): JoinedStream<T, Right, K, 'inner'>;
  /**
   * Joins each record with the version of the table that is valid at its event time: the last one of its key at or before it. The table
   * is the stream of its changes.
   */
  joinTable<Right, RightKey extends KeyShape, const Kind extends TableJoinKind = 'inner'>(
    table: KeyedStream<Right, RightKey> & SameKey<K, RightKey>,
    options: TableJoinOptions<Right, Kind>,
  ): TableJoinedStream<T, Right, K, Kind>;
  /** Lets the first record of each key pass, in event time, and drops those that follow within `within` of the last that passed. */
  dedupe<const Name extends string, const C extends Selectors<T>>(
    name: Name,
    options: DedupeOptions<Without<C, ReservedColumn | 'time' | NamesOf<K>>>,
  ): ProcessedTable<Name, K, SelectedRow<C>>;
  /**
   * Calls a function for each record of a key in the order of event time, with state and timers of the key. `name` is the view's name and
   * the identity of the state.
   */
  process<const Name extends string, C extends Selectors<T>, S, const R extends RowColumns>(
    name: Name,
    options: ProcessOptions<T, K, C, S, Without<R, ReservedColumn | 'time' | NamesOf<K>>>,
  ): ProcessedTable<Name, K, EmittedRow<R>>;
}

/**
 * Declares a source: a Kinesis stream of records that fit `schema`.
 *
 * `timestamp` gives a record's event time as a Date or as milliseconds since the epoch. `outOfOrderness` is how far a record may lag behind the
 * newest one of its shard without being late. `idleAfter` is how long a silent shard is waited for; without it, forever; all are waited for anew
 * when the stream speaks after a silence of them all. `whenSilent` is what happens when all shards are silent for that long: the windows wait
 * for the next record (`hold`, the default), or the watermark goes on with the clock and closes them (`advance`). `decode` lists the formats of
 * the raw records, by default JSON; a line is read by the first that recognises it.
 */
export function stream<S extends StandardSchemaV1>(
  name: string,
  options: {
    readonly schema: S;
    readonly timestamp: (record: StandardSchemaV1.InferOutput<S>) => Date | number;
    readonly outOfOrderness: Duration;
    readonly idleAfter?: Duration;
    readonly whenSilent?: 'hold' | 'advance';
    readonly decode?: Decoder | readonly [Decoder, ...Decoder[]];
  },
): Source<StandardSchemaV1.InferInput<S>, StandardSchemaV1.InferOutput<S>> {
  const where = `stream ${shown(name)}`;
  const {
    outOfOrderness,
    idleAfter,
    whenSilent = 'hold',
    decode = json(),
    ...read
  } = givenOptions(
    where,
    options,
    ['schema', 'timestamp', 'outOfOrderness', 'idleAfter', 'whenSilent', 'decode'],
    '{ schema, timestamp: (record) => record.at, outOfOrderness: seconds(5) }',
  );
  const node: SourceNode = {
    op: 'source',
    name,
    schema: read.schema,
    timestamp: read.timestamp as (record: unknown) => Date | number,
    decoders: [given(where, 'format', decode, 'one, such as json()')].flat(),
    outOfOrdernessMs: outOfOrderness,
    idleAfterMs: idleAfter,
    whenSilent,
  };
  return { ...streamOf<StandardSchemaV1.InferOutput<S>>(node), name };
}

/** A node's records as a stream. */
export function streamOf<T>(node: StreamNode): Stream<T> {
  const self: Stream<T> = {
    node,
    filter: <U extends T>(predicate: (record: T) => boolean) =>
      streamOf<U>({ op: 'filter', input: node, call: predicate as (record: unknown) => boolean }),
    map: <U>(transform: (record: T) => U) =>
      streamOf<U>({ op: 'map', input: node, call: transform as (record: unknown) => unknown }),
    flatMap: <U>(transform: (record: T) => readonly U[]) =>
      streamOf<U>({ op: 'flatMap', input: node, call: transform as (record: unknown) => readonly unknown[] }),
    ...partsOf<T>(node, streamOf),
    ...enrichingOf<T>(node, streamOf),
    through: (piece) => {
      checkCallback('through:', 'what it is given', piece);
      return piece(self);
    },
    keyBy: <K extends KeyShape>(select: (record: T) => K) =>
      keyedOf<T, K>({ op: 'key', input: node, call: select as (record: unknown) => KeyShape }),
    select: (name, columns, options) => selectedOf(name, node, columns as SelectedColumns<unknown>, options),
  };
  return self;
}

function keyedOf<T, K extends KeyShape>(key: KeyNode): KeyedStream<T, K> {
  return {
    key,
    window: ((spec: WindowSpec, options: WindowOptions | FinalWindowOptions | SessionOptions | GlobalOptions) =>
      windowedOf<T, K>(windowStepOf(key, spec, options))) as KeyedStream<T, K>['window'],
    join: <Right, RightKey extends KeyShape, Kind extends JoinKind>(
      right: KeyedStream<Right, RightKey>,
      options: JoinOptions<Kind> | EverJoinOptions,
    ) => joinedOf<T, Right, K, Kind>(key, keyGiven('join', right), options, rowsOf),
    joinTable: (table, options) => tableJoinOf(keyGiven('joinTable', table), key, options, rowsOf),
    throttle: (name, options) => throttledOf(name, key, options, rowsOf),
    dedupe: (name, options) => dedupedOf(name, key, options, rowsOf),
    process: (name, options) => processedOf(name, key, options, rowsOf),
    aggregate: (name, aggregates, options) => runningOf(name, key, aggregates, options, rowsOf),
    select: (name, columns, options) => selectedOf(name, key, columns as SelectedColumns<unknown>, options),
  };
}

/** The final rows of a step as a stream. */
function rowsOf<Row>(step: StepDefinition): Stream<Row> {
  return streamOf<Row>({ op: 'rows', step });
}

function windowedOf<T, K extends KeyShape>(
  step: ReturnType<typeof windowStepOf>,
): FinalWindowedStream<T, K, 'aligned'> {
  return {
    aggregate: <Name extends string, A>(name: Name, aggregates: A) => {
      const defined = givenColumns(name, aggregates as AggregateDefinition['aggregates'], '{ requests: count() }');
      const whole: AggregateDefinition = { ...step, name, aggregates: defined, derived: {}, sinks: [] };
      return {
        ...tableOf<Name, K, ResultRow<A>>(whole),
        late: (view, columns) => lateOf(view, whole, columns as SelectedColumns<unknown>),
      };
    },
  };
}

function tableOf<Name extends string, K extends KeyShape, Row>(
  step: AggregateDefinition,
): FinalWindowTable<Name, K, Row> {
  return {
    derive: ((columns: AggregateDefinition['derived']) =>
      tableOf<Name, K, Row>({
        ...step,
        derived: {
          ...step.derived,
          ...givenColumns(step.name, columns, "{ share: ratio('errors', 'requests') }"),
        },
      })) as never,
    to: (...sinks) => ({ name: step.name as Name, step: { ...step, sinks } }),
    asStream: () => rowsOf(step),
    ...rankedOf<K, Row>(step, rowsOf),
  };
}
