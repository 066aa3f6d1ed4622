import type { ReservedColumn } from '#shared/schemas/row.ts';
import type { Json } from './aggregator.ts';
import type { SelectedRow } from './process.ts';
import { readingThrough } from './reads.ts';
import { givenColumns, givenOptions, named } from './refuse.ts';
import type { SinkSpec } from './sink.ts';
import { definedOf, property } from './source-text.ts';
import type {
  AggregateDefinition,
  KeyNode,
  KeyShape,
  NamesOf,
  Output,
  Simplify,
  StreamNode,
  Without,
} from './stream.ts';
import type { TumblingWindow } from './window.ts';

/** The columns of a row, each from the record. Where one gives nothing (`undefined`), the row does not have it. */
export type SelectedColumns<T> = Readonly<Record<string, (record: T) => Json | undefined>>;

export interface SelectedTable<Name extends string, K, Row> {
  /** Names where the rows go: to one sink or several, of different kinds. */
  to(...sinks: readonly [SinkSpec, ...SinkSpec[]]): Output<Name, K, Simplify<Row>>;
}

export interface SelectOptions {
  /**
   * Shows each row with the window that its time is in: for records that were rows of such windows, as those of `asStream()`. Without it rows
   * have no window.
   */
  readonly window?: TumblingWindow | undefined;
}

/** A row of each record: no state, no window, nothing that could be late. */
export interface SelectDefinition {
  readonly op: 'select';
  readonly name: string;
  readonly key: KeyNode;
  readonly columns: SelectedColumns<unknown>;
  /** What is made of a record: its row, without the columns that have nothing. */
  readonly rowOf: RowOf;
  readonly isKeyed: boolean;
  /** Which window each row is shown with: the one that its time is in. */
  readonly window?: TumblingWindow | undefined;
  /** Only of the records that this step finds late. */
  readonly lateOf?: AggregateDefinition;
  readonly sinks: readonly SinkSpec[];
}

/** The only column of the key by which rows without a key are spread over the slots. It lies in the table, and is not shown. */
export const spreadColumn = 'part';
/** Enough for the rows to be spread evenly over any number of slots that is of use. */
const spreadParts = 256;

/** The key of a record, as its callback gives it. */
export function keyColumnsOf(
  { call, takesTime }: Pick<KeyNode, 'call' | 'takesTime'>,
  record: unknown,
  timeMs: number,
): KeyShape {
  return takesTime === true ? call(record, timeMs) : (call as (record: unknown) => KeyShape)(record);
}

type RowOf = (record: unknown) => Readonly<Record<string, unknown>>;

/**
 * Spreads the rows of a stream. A retry must find a record's row in the slot where it was, so the row and its event time count and nothing
 * else. The row is made for it, and is what `rowOf` gives when it is asked next.
 */
function spreading(input: StreamNode, rowOf: RowOf): { readonly key: KeyNode; readonly rowOf: RowOf } {
  let made: { readonly of: unknown; readonly row: Readonly<Record<string, unknown>> } | undefined;
  const call = (record: unknown, timeMs: number): KeyShape => {
    const row = rowOf(record);
    made = { of: record, row };
    return { [spreadColumn]: hashRow(row, timeMs) % spreadParts };
  };
  const next: RowOf = (record) => {
    const row = made?.of === record ? made?.row : undefined;
    made = undefined;
    return row ?? rowOf(record);
  };
  return {
    key: { op: 'key', input, call: readingThrough(call, [rowOf]), takesTime: true },
    rowOf: readingThrough(next, [rowOf]),
  };
}

/** Of long texts so many characters count, from all over them. */
const hashedCharacters = 32;

/** Of what a row's columns hold and of its time, whatever has made them: the same in every attempt. */
function hashRow(row: Readonly<Record<string, unknown>>, timeMs: number): number {
  let hash = mixedNumber(0x811c9dc5, timeMs);
  for (const name in row) {
    const value = row[name];
    if (typeof value === 'number') hash = mixedNumber(hash, value);
    else hash = mixedText(hash, typeof value === 'string' ? value : textOfRecord(value));
  }
  return scattered(hash);
}

function mixedNumber(hash: number, value: number): number {
  // Whole numbers beyond 32 bits, and what stands behind the point.
  const fraction = value - Math.trunc(value);
  return Math.imul(Math.imul(hash ^ value, 0x01000193) ^ (value / 2 ** 32) ^ (fraction * 2 ** 31), 0x01000193);
}

function mixedText(hash: number, text: string): number {
  let mixed = hash ^ text.length;
  const step = text.length <= hashedCharacters ? 1 : text.length / hashedCharacters;
  // To look for a character at a whole number takes a fraction of the time.
  for (let at = 0; at < text.length; at += step) mixed = Math.imul(mixed ^ text.charCodeAt(Math.trunc(at)), 0x01000193);
  return mixed;
}

/** A text of all that a record holds, the same in every attempt. */
export function textOfRecord(record: unknown): string {
  try {
    return JSON.stringify(record) ?? '';
  } catch {
    // A decoder of 64-bit numbers may have made bigints, which JSON does not know. Others need not pay for looking.
    return JSON.stringify(record, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
  }
}

/** FNV-1a: any even spread will do, as long as it stays the same. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return scattered(hash);
}

/** The low bits of similar texts are alike. */
function scattered(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

export interface LateTable<T, K extends KeyShape> {
  /**
   * The records that come when all their windows have closed, as a view of its own instead of dead letters: a row of each under its key,
   * once and final, whatever is repeated. They are late still, and so they are counted. `name` is the view's name.
   */
  late<const Name extends string, const C extends SelectedColumns<T>>(
    name: Name,
    columns: Without<C, ReservedColumn | NamesOf<K>>,
  ): SelectedTable<Name, K, K & SelectedRow<C>>;
}

/** The step that gives a row of each record that another step finds late. */
export function lateOf<Name extends string, K, Row>(
  name: Name,
  step: AggregateDefinition,
  columns: SelectedColumns<unknown>,
): SelectedTable<Name, K, Row> {
  const rowOf = rowsWith(name, columns);
  const late: SelectDefinition = {
    op: 'select',
    name,
    key: step.key,
    columns,
    rowOf,
    isKeyed: true,
    lateOf: step,
    sinks: [],
  };
  return { to: (...sinks) => ({ name, step: { ...late, sinks } }) };
}

/** The step that gives a row of each record of a stream, or of a keyed one. */
export function selectedOf<Name extends string, K, Row>(
  name: Name,
  from: KeyNode | StreamNode,
  columns: SelectedColumns<unknown>,
  options: SelectOptions = {},
): SelectedTable<Name, K, Row> {
  const { window } = givenOptions(named('step', name), options, ['window'], '{ window: tumbling(minutes(1)) }');
  const isKeyed = from.op === 'key';
  const rowOf = rowsWith(name, columns);
  const made = isKeyed ? { key: from, rowOf } : spreading(from, rowOf);
  const step: SelectDefinition = { op: 'select', name, ...made, columns, isKeyed, window, sinks: [] };
  return { to: (...sinks) => ({ name, step: { ...step, sinks } }) };
}

/** Makes rows as one literal, so that all that have every column are of one shape and each callback is compiled into it. */
function rowsWith(name: string, columns: SelectedColumns<unknown>): RowOf {
  const selects = Object.values(givenColumns(name, columns));
  const lent = selects.map((_, index) => `select${index}`);
  const values = selects.map((_, index) => `const value${index} = select${index}(record);`);
  const properties = Object.keys(columns).map((name, index) => property(name, `value${index}`));
  const isSparse = selects.map((_, index) => `value${index} === undefined`).join(' || ') || 'false';
  const source = `'use strict';
return (record) => {
${values.join('\n')}
const row = { ${properties.join(', ')} };
return ${isSparse} ? definedOf(row) : row;
};`;
  const rowOf = new Function('definedOf', ...lent, source)(definedOf, ...selects) as RowOf;
  return readingThrough(rowOf, selects);
}
