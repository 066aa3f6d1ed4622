import { toIso } from '#shared/schemas/time.ts';
import type { Json } from './aggregator.ts';
import type { Duration } from './duration.ts';
import { refuseJoined, type Selectors } from './join.ts';
import { readingThrough } from './reads.ts';
import { isTrue, shown } from './refuse.ts';
import type { ThrottleKind } from './throttle.ts';

type BaseType = 'string' | 'number' | 'boolean' | 'json';
/** What a column of an emitted row holds; with `?` it may also be null. */
export type RowColumnType = BaseType | `${BaseType}?`;
/** The columns of the rows that a process function emits, by name. */
export type RowColumns = Readonly<Record<string, RowColumnType>>;

interface ValueOfType {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
  readonly json: Json;
}
type ValueOf<Type> = Type extends `${infer Base extends BaseType}?`
  ? ValueOfType[Base] | null
  : Type extends BaseType
    ? ValueOfType[Type]
    : never;
export type EmittedRow<R> = { readonly [Column in keyof R]: ValueOf<R[Column]> };

/** `S` where JSON holds it as it is: a Date or a Map in the state would come out of a snapshot as something else. */
export type JsonShaped<S> = S extends null | boolean | number | string
  ? S
  : S extends
        | Date
        | ReadonlyMap<unknown, unknown>
        | ReadonlySet<unknown>
        | ((...values: never) => unknown)
        | bigint
        | symbol
    ? 'the state of a key is JSON'
    : S extends object
      ? { readonly [Name in keyof S]: JsonShaped<S[Name]> }
      : S;

/** What is kept of one key. Only `set` and `clear` change it: what `get` gives is a copy. */
export interface KeyState<S> {
  /** What was set last, or a new one when there is none. */
  get(): S;
  /** Throws when it is too large, or JSON cannot hold it as it is: NaN would come back as null. Fields that are undefined are not kept. */
  set(state: S): void;
  clear(): void;
}

/** What a callback may do with its key. Everything that it does happens when it returns; when it throws, nothing of it. */
export interface ProcessContext<K, S, Row> {
  readonly key: K;
  /** The event time of the record, or the time of the timer. */
  readonly timeMs: number;
  readonly state: KeyState<S>;
  /**
   * `onTimer` is called at this event time, after all records up to it; once, however often it is set. Throws when it is not a whole
   * number of milliseconds after `timeMs`, or, for a record, later than the state would live without another one.
   */
  setTimer(timeMs: number): void;
  deleteTimer(timeMs: number): void;
  /** Throws when the row has not the columns that were declared. */
  emit(row: Row): void;
}

export interface ProcessOptions<T, K, C, S, R> {
  /** What the function sees of a record, by name. Pure, and run in the preprocess stage: only this crosses the exchange. */
  readonly columns: C & Selectors<T>;
  /** The columns of the rows that it emits. */
  readonly emits: R;
  /** What is kept of a key that has no state yet. It is JSON. */
  readonly state: () => S & JsonShaped<S>;
  /** Takes the records of a key in the order of their event times. Pure and synchronous. */
  readonly onEvent: (event: SelectedRow<C>, context: ProcessContext<K, S, EmittedRow<R>>) => void;
  /** Takes the key's timers, each after all records up to its time. Pure and synchronous. */
  readonly onTimer?: (timeMs: number, context: ProcessContext<K, S, EmittedRow<R>>) => void;
  /** A key's state is dropped, with its timers, when no record of it came for so long in event time. */
  readonly ttl: Duration;
  /** How long, behind the watermark, records are waited for before they are given to the function in their order. */
  readonly allowedLateness: Duration;
}

/** The selected values by name. */
export type SelectedRow<C> = {
  readonly [Column in keyof C]: C[Column] extends (record: never) => infer Value ? Value : never;
};

/** What a process step is to its author. */
export type ProcessKind =
  | { readonly kind: 'process' }
  | { readonly kind: 'dedupe'; readonly withinMs: number }
  | ThrottleKind
  | { readonly kind: 'table-join'; readonly join: TableJoinKind };

/** `inner`: records without a version of the table give no row; `left`: one with nulls. */
export type TableJoinKind = 'inner' | 'left';

/** The callbacks as the engine calls them: the values of the input's selectors in their order, and untyped. */
export interface ProcessCallbacks {
  readonly initial: () => Json;
  readonly onEvent: (input: number, values: readonly unknown[], context: AnyProcessContext) => unknown;
  readonly onTimer?: (context: AnyProcessContext) => unknown;
}
export type AnyProcessContext = ProcessContext<unknown, Json, Readonly<Record<string, unknown>>>;

/** The event time of a processed row. */
export const processTimeColumn = 'time';
/** The event time of the version of the table that a record has met; null when there was none. */
export const tableTimeColumn = 'tableTime';
/** No column may have this name: it holds whether a record of a table deletes its key. */
const deletedColumn = '#deleted';

/** The state of one key as JSON. It is written with each snapshot that it has changed since. */
export const stateCharactersMax = 100_000;
/** Of one key at one time. */
export const timersMax = 1_000;

/** The callbacks of `process`. */
export function processCallbacks(options: {
  readonly columns: Selectors<unknown>;
  readonly state: () => unknown;
  readonly onEvent: (event: never, context: never) => unknown;
  readonly onTimer?: ((timeMs: number, context: never) => unknown) | undefined;
}): ProcessCallbacks {
  const names = Object.keys(options.columns);
  const { onTimer } = options;
  return {
    initial: options.state as () => Json,
    onEvent: (_, values, context) =>
      options.onEvent(Object.fromEntries(names.map((name, at) => [name, values[at]])) as never, context as never),
    ...(onTimer === undefined ? {} : { onTimer: (context) => onTimer(context.timeMs, context as never) }),
  };
}

/** The callbacks of `dedupe`: the state is when a record passed last. */
export function dedupeCallbacks(columns: readonly string[], withinMs: number): ProcessCallbacks {
  return {
    initial: () => null,
    onEvent: (_, values, { state, timeMs, emit }) => {
      const passedMs = state.get() as number | null;
      if (passedMs !== null && timeMs - passedMs <= withinMs) return;
      state.set(timeMs);
      emit(Object.fromEntries(columns.map((column, at) => [column, values[at]])));
    },
  };
}

/** The inputs of a table join in the order in which records of one time are taken: the table's version first. */
const tableInput = 0;

/** The callbacks of a join with a table: the state is the version that is valid, with its time. */
export function tableJoinCallbacks(it: {
  readonly kind: TableJoinKind;
  readonly left: readonly string[];
  readonly right: readonly string[];
}): ProcessCallbacks {
  return {
    initial: () => null,
    onEvent: (input, values, { state, timeMs, emit }) => {
      if (input === tableInput) {
        if (values[it.right.length] === true) state.clear();
        else state.set([timeMs, values.slice(0, it.right.length) as readonly Json[]]);
        return;
      }
      const version = state.get() as readonly [timeMs: number, values: readonly Json[]] | null;
      if (version === null && it.kind === 'inner') return;
      emit({
        [tableTimeColumn]: version === null ? null : toIso(version[0]),
        ...Object.fromEntries(it.left.map((column, at) => [column, values[at]])),
        ...Object.fromEntries(it.right.map((column, at) => [column, version?.[1][at] ?? null])),
      });
    },
  };
}

/** A table's selectors, and whether the record deletes its key. What deletes has no columns that could be selected. */
export function tableSelectors(
  columns: Selectors<unknown>,
  deletes: ((record: unknown) => boolean) | undefined,
): Selectors<unknown> {
  const isDeleted = readingThrough(
    (record: unknown): boolean => isTrue('deletes', deletes?.(record)),
    deletes === undefined ? [] : [deletes],
  );
  return {
    ...Object.fromEntries(
      Object.entries(columns).map(([name, select]) => [
        name,
        readingThrough((record: unknown) => (isDeleted(record) ? null : select(record)), [isDeleted, select]),
      ]),
    ),
    [deletedColumn]: isDeleted,
  };
}

/** Why an emitted row is not as it was declared, or undefined when it is. */
export function refuseRow(row: Readonly<Record<string, unknown>>, columns: RowColumns): string | undefined {
  const names = Object.keys(columns);
  if (typeof row !== 'object' || row === null)
    return `it is ${shown(row)}, and must be an object with ${names.join(', ')}`;
  const unknown = Object.keys(row).find((name) => !Object.hasOwn(columns, name));
  if (unknown !== undefined) return `column ${unknown} is not declared in emits, which has ${names.join(', ')}`;
  for (const name of names) {
    const type = columns[name] as RowColumnType;
    const value = row[name];
    const refusal = refuseJoined(value, names.length) ?? refuseType(value, type);
    if (refusal !== undefined) return `column ${name} ${refusal}`;
  }
  return undefined;
}

function refuseType(value: unknown, type: RowColumnType): string | undefined {
  const base = type.endsWith('?') ? type.slice(0, -1) : type;
  const found = value === null ? 'null' : typeof value;
  if (base === 'json' || found === base || (value === null && base !== type)) return undefined;
  return `is of type ${found}, and declared as ${type}`;
}
