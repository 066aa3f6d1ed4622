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
  return encodeParquet(step, file, onUnfit ?? (() => {}));
}

const typesOf = oncePer((step: RowFileStep): ColumnTypes => step.columnTypes?.() ?? new Map());

/**
 * All files of a view have one schema, as far as it is known before there are rows: the columns that its rows have, and their types. Where only
 * the values tell, those of the file do, and a column without any is one of texts. A value that its column's type cannot hold, such as a sum of
 * whole numbers beyond 64 bits, is not cut: in that file the column has the type of its values.
 */
function encodeParquet(
  step: RowFileStep,
  { lines }: RowFile,
  onUnfit: (column: string, type: ColumnType) => void,
): Uint8Array {
  const rows = lines.map((line) => new Map<string, unknown>(Object.entries(JSON.parse(line) as object)));
  const types = typesOf(step);
  const others = rows.flatMap((row) => [...row.keys()]).filter((name) => !types.has(name));
  const schema: SchemaElement[] = [];
  const columnData = [...new Set([...others, ...types.keys()])].map((name): ColumnSource => {
    const values = rows.map((row) => row.get(name) ?? null);
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
