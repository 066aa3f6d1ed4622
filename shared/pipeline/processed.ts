import type { ReservedColumn } from '#shared/schemas/row.ts';
import { checkCallback } from './check-callbacks.ts';
import type { Duration } from './duration.ts';
import { type Selectors, sidesOf } from './join.ts';
import type { OrNull } from './joined.ts';
import {
  dedupeCallbacks,
  type ProcessOptions,
  processCallbacks,
  type RowColumns,
  type SelectedRow,
  type TableJoinKind,
  tableJoinCallbacks,
  tableSelectors,
  tableTimeColumn,
} from './process.ts';
import { given, givenColumns, givenOptions, named } from './refuse.ts';
import type { RowsOf } from './rows.ts';
import type { SinkSpec } from './sink.ts';
import type { KeyNode, KeyShape, NamesOf, Output, ProcessDefinition, Simplify, Stream, Without } from './stream.ts';
import { overColumn, type ThrottleOptions, throttleCallbacks, throttleTtlMs } from './throttle.ts';

export interface DedupeOptions<C> {
  /** The columns of the row, from the record that passed. */
  readonly columns: C;
  /** How long after a record that passed, inclusive, others of its key are dropped. */
  readonly within: Duration;
  /** How long, behind the watermark, an earlier record of the key is waited for. */
  readonly allowedLateness: Duration;
}

export interface TableJoinOptions<Right, Kind extends TableJoinKind> {
  /** Default `inner`. */
  readonly kind?: Kind;
  /** Which records of the table delete their key; all others are its new versions. */
  readonly deletes?: (record: Right) => boolean;
  /** A version is dropped when no record of its key came for so long, on either side. Without it, it is kept until it is deleted. */
  readonly ttl?: Duration;
  /** How long records and versions are waited for behind the watermark, which is the lower one of both sources'. */
  readonly allowedLateness: Duration;
}

export interface TableJoinedStream<Left, Right, K extends KeyShape, Kind extends TableJoinKind> {
  /** Selects the row's columns from the record and from the version. `name` is the view's name and the identity of its state. */
  select<const Name extends string, const A extends Selectors<Left>, const B extends Selectors<Right>>(
    name: Name,
    columns: {
      readonly left: Without<A, ReservedColumn | 'time' | 'tableTime' | NamesOf<K>>;
      readonly right: Without<B, ReservedColumn | 'time' | 'tableTime' | NamesOf<K> | NamesOf<A>>;
    },
  ): ProcessedTable<
    Name,
    K,
    SelectedRow<A> &
      (Kind extends 'left'
        ? OrNull<{ readonly tableTime: Date } & SelectedRow<B>>
        : { readonly tableTime: Date } & SelectedRow<B>)
  >;
}

export interface ProcessedTable<Name extends string, K extends KeyShape, Row> {
  /** Names where the rows go, to one sink or several of different kinds. Each is final, and has the event time at which it was emitted. */
  to(...sinks: readonly [SinkSpec, ...SinkSpec[]]): Output<Name, K, Simplify<K & { readonly time: Date } & Row>>;
  /** The rows as a stream again. A row's event time is the one at which it was emitted. */
  asStream(): Stream<Simplify<K & { readonly time: Date } & Row>>;
}

/** The step of a function over the records of a key. */
export function processedOf<Name extends string, K extends KeyShape, Row>(
  name: Name,
  key: KeyNode,
  options: AnyProcessOptions,
  rowsOf: RowsOf,
): ProcessedTable<Name, K, Row> {
  const { columns, emits } = givenOptions(
    named('step', name),
    options,
    ['columns', 'emits', 'state', 'onEvent', 'onTimer', 'ttl', 'allowedLateness'],
    processExample,
  );
  givenColumns(name, columns);
  given(named('step', name), 'emits', emits, "the columns of its rows, such as { pages: 'number' }");
  checkCallback(named('step', name), 'onEvent', options.onEvent);
  if (options.onTimer !== undefined) checkCallback(named('step', name), 'onTimer', options.onTimer);
  return tableOf(rowsOf, {
    name,
    does: { kind: 'process' },
    inputs: [{ key, columns: columns as Selectors<unknown> }],
    row: emits as RowColumns,
    callbacks: processCallbacks({ ...options, columns: columns as Selectors<unknown> }),
    ttlMs: options.ttl,
    allowedLatenessMs: options.allowedLateness,
  });
}

// biome-ignore lint/suspicious/noExplicitAny: the types were checked where the options were written.
type AnyProcessOptions = ProcessOptions<any, any, any, any, any>;

/** The step that drops duplicates. */
export function dedupedOf<Name extends string, K extends KeyShape, Row>(
  name: Name,
  key: KeyNode,
  options: DedupeOptions<unknown>,
  rowsOf: RowsOf,
): ProcessedTable<Name, K, Row> {
  const { columns, within, allowedLateness } = givenOptions(
    named('step', name),
    options,
    ['columns', 'within', 'allowedLateness'],
    processExample,
  );
  const names = Object.keys(givenColumns(name, columns as object));
  return tableOf(rowsOf, {
    name,
    does: { kind: 'dedupe', withinMs: within },
    inputs: [{ key, columns: columns as Selectors<unknown> }],
    row: asSelected(names),
    callbacks: dedupeCallbacks(names, within),
    // When the state is gone, whatever comes is further than `within` from what passed.
    ttlMs: within,
    allowedLatenessMs: allowedLateness,
  });
}

/** The step that limits the records of a key. */
export function throttledOf<Name extends string, K extends KeyShape, Row>(
  name: Name,
  key: KeyNode,
  options: ThrottleOptions<unknown>,
  rowsOf: RowsOf,
): ProcessedTable<Name, K, Row> {
  const {
    columns,
    limit,
    per,
    burst = limit,
    allowedLateness,
  } = givenOptions(
    named('step', name),
    options,
    ['columns', 'limit', 'per', 'burst', 'allowedLateness'],
    processExample,
  );
  const names = Object.keys(givenColumns(name, columns as object));
  const rule = { limit, perMs: per, burst };
  return tableOf(rowsOf, {
    name,
    does: { kind: 'throttle', ...rule },
    inputs: [{ key, columns: columns as Selectors<unknown> }],
    row: { [overColumn]: 'boolean', ...asSelected(names) },
    callbacks: throttleCallbacks(names, rule),
    ttlMs: throttleTtlMs(rule),
    allowedLatenessMs: allowedLateness,
  });
}

/** The step that joins a stream with a table, of which `tableKey` is the key. */
export function tableJoinOf<Left, Right, K extends KeyShape, Kind extends TableJoinKind>(
  tableKey: KeyNode,
  key: KeyNode,
  options: TableJoinOptions<Right, Kind>,
  rowsOf: RowsOf,
): TableJoinedStream<Left, Right, K, Kind> {
  const {
    kind = 'inner',
    deletes,
    ttl,
    allowedLateness,
  } = givenOptions(
    'joinTable',
    options,
    ['kind', 'deletes', 'ttl', 'allowedLateness'],
    '{ allowedLateness: seconds(0) }',
  );
  return {
    select: (name, columns) => {
      const { left, right } = sidesOf(name, columns);
      const names = { left: Object.keys(left), right: Object.keys(right) };
      const row = [tableTimeColumn, ...names.left, ...names.right];
      return tableOf(rowsOf, {
        name,
        does: { kind: 'table-join', join: kind },
        inputs: [
          { key: tableKey, columns: tableSelectors(right, deletes as Deletes | undefined) },
          { key, columns: left },
        ],
        row: asSelected(row),
        duplicateColumn: row.find((column, at) => row.indexOf(column) !== at),
        callbacks: tableJoinCallbacks({ kind, ...names }),
        ttlMs: ttl,
        allowedLatenessMs: allowedLateness,
      });
    },
  };
}

type Deletes = (record: unknown) => boolean;

const processExample = '{ columns: { page: (record) => record.page }, … }';

/** Selected values go into the row as they are: what JSON cannot hold was refused when they were selected. */
function asSelected(columns: readonly string[]): RowColumns {
  return Object.fromEntries(columns.map((column) => [column, 'json']));
}

function tableOf<Name extends string, K extends KeyShape, Row>(
  rowsOf: RowsOf,
  made: Omit<ProcessDefinition, 'op' | 'sinks'>,
): ProcessedTable<Name, K, Row> {
  const step: ProcessDefinition = { op: 'process', ...made, sinks: [] };
  return { to: (...sinks) => ({ name: step.name as Name, step: { ...step, sinks } }), asStream: () => rowsOf(step) };
}
