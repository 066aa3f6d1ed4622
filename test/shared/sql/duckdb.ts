import { DuckDBInstance } from '@duckdb/node-api';

export type DuckDbRow = Readonly<Record<string, unknown>>;

/** What DuckDB answers; `setup` statements come first. Numbers beyond a double's come as texts. */
export async function askDuckDb(query: string, setup: readonly string[] = []): Promise<readonly DuckDbRow[]> {
  const connection = await (await DuckDBInstance.create()).connect();
  for (const statement of setup) await connection.run(statement);
  return (await connection.runAndReadAll(query)).getRowObjectsJson() as readonly DuckDbRow[];
}

/** Values as DuckDB writes them in a query. */
export function literal(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  return String(value);
}

/** A statement that makes a table of these rows. */
export function tableOf(
  name: string,
  columns: Readonly<Record<string, string>>,
  rows: readonly Readonly<Record<string, unknown>>[],
): readonly string[] {
  const definition = Object.entries(columns).map(([column, type]) => `${column} ${type}`);
  const values = rows.map(
    (row) =>
      `(${Object.keys(columns)
        .map((column) => literal(row[column]))
        .join(', ')})`,
  );
  return [
    `CREATE TABLE ${name} (${definition.join(', ')})`,
    ...(rows.length === 0 ? [] : [`INSERT INTO ${name} VALUES ${values.join(', ')}`]),
  ];
}
