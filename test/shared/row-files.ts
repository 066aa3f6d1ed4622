import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect } from 'vitest';
import {
  type AnyOutput,
  boolean,
  integer,
  kinesis,
  list,
  nullable,
  number,
  optional,
  type Pipeline,
  pipeline,
  record,
  s3,
  seconds,
  stream,
  string,
  timestamp,
} from '#shared/pipeline/index.ts';
import type { RecordOut } from '#shared/pipeline/record.ts';
import { testDriver } from '#shared/testing/index.ts';

const orderFields = {
  ts: integer(),
  shop: string(),
  cents: nullable(integer()),
  weight: nullable(number()),
  note: optional(string()),
  gift: nullable(boolean()),
  due: nullable(timestamp()),
  tags: nullable(list(string())),
};
export const orders = stream('orders', {
  schema: record(orderFields),
  timestamp: ({ ts }) => ts,
  outOfOrderness: seconds(0),
});

/** Of the first day columns have nothing, of the second they have something. */
const sent = [
  { ts: 0, shop: 'a', cents: null, weight: null, gift: null, due: null, tags: null },
  {
    ts: 86_400_000,
    shop: 'a',
    cents: 250,
    weight: 0.5,
    note: 'soon',
    gift: true,
    due: '2026-11-21T10:00:00.5Z',
    tags: ['x', 'y'],
  },
  {
    ts: 86_401_000,
    shop: 'b',
    cents: 9_007_199_254_740_991,
    weight: 2,
    note: '',
    gift: false,
    due: '1969-12-31T23:59:59Z',
    tags: [],
  },
] as const;

export type Order = RecordOut<typeof orderFields>;

export const sinks = [s3({ format: 'parquet', rowsMax: 1 }), kinesis()] as const;

export type Types = Readonly<Record<string, string>>;

/** Each row is in a file of its own; each file has these columns, and all files together hold what the view's stream has. */
export async function expectFiles(
  of: AnyOutput | Pipeline,
  types: Types,
  records: readonly object[] = sent,
): Promise<void> {
  const driver = testDriver('step' in of ? pipeline('test', [of], { slots: 2 }) : of);
  const [name = ''] = 'step' in of ? [of.name] : Object.keys(of.outputs);
  await driver.send('orders', records);
  await driver.close();
  expect(await driver.deadLetters()).toEqual([]);
  const rows = await driver.readStream(name);
  const folder = mkdtempSync(join(tmpdir(), 'files-'));
  const files = [...(await driver.files()).values()];
  const schemas = new Set<string>();
  for (const [index, bytes] of files.entries()) writeFileSync(join(folder, `${index}.parquet`), bytes);
  expect(files.length).toBeGreaterThan(1);
  for (const index of files.keys()) {
    const described = await query(`DESCRIBE SELECT * FROM read_parquet('${join(folder, `${index}.parquet`)}')`);
    schemas.add(JSON.stringify(described));
    expect(Object.fromEntries(described.map((row) => [row['column_name'], row['column_type']]))).toEqual(types);
  }
  expect(schemas.size).toBe(1);
  const shown = Object.entries(types).map(([name, type]) => `${shownAs(`"${name}"`, type)} AS "${name}"`);
  const found = await query(`SELECT ${shown.join(', ')} FROM read_parquet('${join(folder, '*.parquet')}')`);
  const expected = rows.map((row) =>
    Object.fromEntries(Object.keys(types).map((name) => [name, shownOf(row[name], types[name])])),
  );
  expect(found.map((row) => JSON.stringify(row)).sort()).toEqual(expected.map((row) => JSON.stringify(row)).sort());
}

/** How DuckDB is to show a column, so that nothing of it is rounded. */
function shownAs(column: string, type: string): string {
  if (type === 'TIMESTAMP') return `epoch_ms(${column})::VARCHAR`;
  return type === 'DOUBLE' || type === 'BOOLEAN' ? column : `${column}::VARCHAR`;
}

/** The same of a row of the stream. */
function shownOf(value: unknown, type: string | undefined): unknown {
  if (value === null || value === undefined) return null;
  if (type === 'TIMESTAMP') return String(Number(new Date(value as string)));
  if (type === 'JSON') return JSON.stringify(value);
  return type === 'DOUBLE' || type === 'BOOLEAN' ? value : String(value);
}

async function query(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const connection = await (await DuckDBInstance.create()).connect();
  return (await connection.runAndReadAll(text)).getRowObjectsJson() as readonly Readonly<Record<string, unknown>>[];
}
