import { Buffer } from 'node:buffer';
import { gzipSync } from 'node:zlib';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { oncePer } from '#shared/engine/compile/once-per.ts';
import { type ColumnType, type ColumnTypes, typesOfValues } from '#shared/pipeline/column-types.ts';
import type { RowFile } from '#shared/schemas/row-file.ts';
import { fromIso } from '#shared/schemas/time.ts';

/** What a file needs to know of the step whose rows it holds. */
export interface RowFileStep {
  readonly columnTypes?: () => ColumnTypes;
}

/** The bytes of a file of rows. The same rows give the same bytes. `onUnfit` is told of each column whose values are not of its type. */
export function encodeRowFile(
  step: RowFileStep,
  file: RowFile,
  onUnfit?: (column: string, type: ColumnType) => void,
): Uint8Array {
  if (file.format === 'ndjson') return gzipSync(Buffer.from(`${file.lines.join('\n')}\n`));
  return encodeParquet(step, parsedLines(file.lines), onUnfit ?? (() => {}));
}

function* parsedLines(lines: readonly string[]): Iterable<object> {
  for (const line of lines) yield JSON.parse(line) as object;
}

const typesOf = oncePer((step: RowFileStep): ColumnTypes => step.columnTypes?.() ?? new Map());

/**
 * All files of a view have one schema, as far as it is known before there are rows: the columns that its rows have, and their types. Where only
 * the values tell, those of the file do, and a column without any is one of texts. A value that its column's type cannot hold, such as a sum of
 * whole numbers beyond 64 bits, is not cut: in that file the column has the type of its values.
 */
export function encodeParquet(
  step: RowFileStep,
  rows: Iterable<object>,
  onUnfit: (column: string, type: ColumnType) => void,
): Uint8Array {
  const columns = columnsOf(rows);
  const types = typesOf(step);
  const others = [...columns.values.keys()].filter((name) => !types.has(name));
  const schema: SchemaElement[] = [];
  const columnData = [...others, ...types.keys()].map((name): ColumnSource => {
    const values = columns.values.get(name) ?? Array.from({ length: columns.rowCount }, () => null);
    const present = values.filter((value) => value !== null);
    const known = windowColumns.has(name) ? 'timestamp' : types.get(name);
    const isFit = known !== undefined && present.every((value) => fits(known, value));
    if (known !== undefined && !isFit) onUnfit(name, known);
    const type = isFit ? known : typeOf(present);
    schema.push({ name, repetition_type: 'OPTIONAL', ...elements[type] });
    return { name, data: values.map((value) => (value === null ? null : physical(type, value))) };
  });
  const root = { name: 'root', num_children: schema.length };
  return new Uint8Array(parquetWriteBuffer({ columnData, schema: [root, ...schema], createdBy: 'millrace' }));
}

/** The values of each column, in the order of the rows; null where a row has none. */
function columnsOf(rows: Iterable<object>): {
  readonly values: ReadonlyMap<string, readonly unknown[]>;
  readonly rowCount: number;
} {
  const values = new Map<string, unknown[]>();
  let rowCount = 0;
  const pad = (list: unknown[]): void => {
    while (list.length < rowCount) list.push(null);
  };
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      const list = values.get(name) ?? [];
      if (list.length === 0) values.set(name, list);
      pad(list);
      list.push(value ?? null);
    }
    rowCount += 1;
  }
  for (const list of values.values()) pad(list);
  return { values, rowCount };
}

/** No other columns may have these names. */
const windowColumns: ReadonlySet<string> = new Set(['windowStart', 'windowEnd']);

type SchemaElement = NonNullable<Parameters<typeof parquetWriteBuffer>[0]['schema']>[number];

/** Times are milliseconds in UTC. */
const elements: Readonly<Record<ColumnType, Pick<SchemaElement, 'type' | 'converted_type'>>> = {
  string: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  number: { type: 'DOUBLE' },
  integer: { type: 'INT64' },
  boolean: { type: 'BOOLEAN' },
  timestamp: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
  date: { type: 'INT32', converted_type: 'DATE' },
  json: { type: 'BYTE_ARRAY', converted_type: 'JSON' },
};

/** Whether the type can hold the value as it is. */
function fits(type: ColumnType, value: unknown): boolean {
  switch (type) {
    case 'json':
      return true;
    case 'integer':
      return Number.isInteger(value) && (value as number) >= -(2 ** 63) && (value as number) < 2 ** 63;
    case 'timestamp':
    case 'date':
      return typeof value === 'string' && !Number.isNaN(Number(new Date(fromIso(value))));
    default:
      return typeof value === type;
  }
}

function typeOf(values: readonly unknown[]): ColumnType {
  const [type = 'string', ...others] = typesOfValues(values);
  return others.length === 0 ? type : 'json';
}

function physical(type: ColumnType, value: unknown): unknown {
  switch (type) {
    case 'timestamp':
    case 'date':
      return new Date(fromIso(value as string));
    case 'integer':
      return BigInt(value as number);
    default:
      return value;
  }
}
