import { utf8BytesOf } from './key.ts';

/** A table in which items are looked up by their keys, as a plan names it. */
export interface LookupTableSpec {
  /** Its name in DynamoDB. */
  readonly name: string;
  /** The partition key and, if the table has one, the sort key. */
  readonly key: readonly LookupKeyColumn[];
  /** The attributes that are read, which are all where none are named. */
  readonly columns?: readonly string[];
}

export interface LookupKeyColumn {
  readonly name: string;
  readonly type: 'string' | 'number';
}

/** The values of a key, in the order of its columns. */
export type LookupKey = readonly (string | number)[];

/** An item as JSON, by its attributes. */
export type LookupItem = Readonly<Record<string, unknown>>;

/** Items that were looked up for the raw records from `from` to `to` of a shard, so that every attempt at them finds the same. */
export interface NotedLookups {
  /** No other note of the shard has it. */
  readonly id: string;
  /** Sequence numbers; both are included. */
  readonly from: string;
  readonly to: string;
  readonly body: string;
}

/** In UTF-8, as DynamoDB allows them for a partition key and for a sort key. */
const keyBytesMax = [2_048, 1_024] as const;
/** Of DynamoDB's numbers, but for 0: one beside them is a request that is never answered, and would hold up all records behind it. */
const numberMin = 1e-130;
const numberBelow = 1e126;

/** The key of these columns. Throws an Error that says which column is none of the table's, or cannot be one. */
export function lookupKeyOf({ name, key }: LookupTableSpec, columns: Readonly<Record<string, unknown>>): LookupKey {
  if (typeof columns !== 'object' || columns === null)
    throw new Error(
      `the key of table ${name} is ${columns === null ? 'null' : `a ${typeof columns}`}; give an object with ${namesOf(key)}, or undefined where there is nothing to look up`,
    );
  const values = key.map((column, at) => {
    const value = columns[column.name];
    const wrong = refuseColumn(value, column, keyBytesMax[at] ?? 0);
    if (wrong !== undefined) throw new Error(`the key of table ${name}: column ${column.name} ${wrong}`);
    return value as string | number;
  });
  const other = Object.keys(columns).find((column) => !key.some((one) => one.name === column));
  if (other !== undefined) throw new Error(`the key of table ${name} has no column ${other}; it is ${namesOf(key)}`);
  return values;
}

function namesOf(key: LookupTableSpec['key']): string {
  return key.map(({ name }) => name).join(' and ');
}

/** The key of an item. Throws as `lookupKeyOf` does. */
export function keyOfLookupItem(table: LookupTableSpec, item: LookupItem): LookupKey {
  return lookupKeyOf(table, Object.fromEntries(table.key.map(({ name }) => [name, item[name]])));
}

/** One text for one key. */
export function textOfLookupKey(key: LookupKey): string {
  return JSON.stringify(key);
}

/** What of an item is read. */
export function readColumnsOf({ columns, key }: LookupTableSpec, item: LookupItem): LookupItem {
  if (columns === undefined) return item;
  const wanted = new Set([...key.map(({ name }) => name), ...columns]);
  return Object.fromEntries(Object.entries(item).filter(([name]) => wanted.has(name)));
}

function refuseColumn(value: unknown, { type }: LookupKeyColumn, bytesMax: number): string | undefined {
  if (typeof value !== type) return `is ${value === null ? 'null' : typeof value} and must be a ${type}`;
  if (type === 'number') return refuseNumber(value as number);
  const text = value as string;
  if (text === '') return 'is an empty text, which DynamoDB takes for no key';
  // In UTF-8 two of them would be one key, which DynamoDB refuses to read twice.
  if (/\p{Surrogate}/u.test(text)) return 'has half of a surrogate pair, which is no text in UTF-8';
  // No character takes more than three bytes.
  if (text.length * 3 <= bytesMax) return undefined;
  const bytes = utf8BytesOf(text);
  return bytes <= bytesMax ? undefined : `has ${bytes} bytes in UTF-8; at most ${bytesMax} are allowed`;
}

function refuseNumber(value: number): string | undefined {
  if (!Number.isFinite(value)) return `is ${value}, which is not a finite number`;
  const size = Math.abs(value);
  if (size === 0 || (size >= numberMin && size < numberBelow)) return undefined;
  return `is ${value}, and DynamoDB has numbers from 1e-130 up to below 1e126, of either sign, and 0`;
}
