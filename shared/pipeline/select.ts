import type { ReservedColumn } from '#shared/schemas/row.ts';
import type { Json } from './aggregator.ts';
import type { SelectedRow } from './process.ts';
import type { SinkSpec } from './sink.ts';
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

/** Spreads the records of a stream. A retry must find a record in the slot where it was, so all of it counts and nothing else. */
export function spreadKey(input: StreamNode): KeyNode {
  return { op: 'key', input, call: spread };
}

function spread(record: unknown): KeyShape {
  return { [spreadColumn]: hashText(textOfRecord(record)) % spreadParts };
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
  // The low bits of similar texts are alike.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
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
  const late: SelectDefinition = { op: 'select', name, key: step.key, columns, isKeyed: true, lateOf: step, sinks: [] };
  return { to: (...sinks) => ({ name, step: { ...late, sinks } }) };
}

/** The step that gives a row of each record. */
export function selectedOf<Name extends string, K, Row>(
  name: Name,
  key: KeyNode,
  columns: SelectedColumns<unknown>,
  { isKeyed, window }: { readonly isKeyed: boolean } & SelectOptions,
): SelectedTable<Name, K, Row> {
  const step: SelectDefinition = { op: 'select', name, key, columns, isKeyed, window, sinks: [] };
  return { to: (...sinks) => ({ name, step: { ...step, sinks } }) };
}

/** What `select` makes of a record: its row, without the columns that have nothing. */
export function rowOfRecord(columns: SelectedColumns<unknown>, record: unknown): Readonly<Record<string, unknown>> {
  const row: Record<string, unknown> = {};
  for (const name in columns) {
    const value = columns[name]?.(record);
    if (value !== undefined) row[name] = value;
  }
  return row;
}
