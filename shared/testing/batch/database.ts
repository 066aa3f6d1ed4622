import type { DuckDBConnection } from '@duckdb/node-api';
import { MillraceError } from '#shared/schemas/error.ts';

export type ColumnType = 'BIGINT' | 'DOUBLE' | 'VARCHAR' | 'BOOLEAN';
export type Cell = string | number | bigint | boolean | null;

/** A table of columns, each of as many cells as the others. Times are numbers of milliseconds. */
export interface Table {
  readonly columns: readonly { readonly name: string; readonly type: ColumnType; readonly cells: readonly Cell[] }[];
}

/** A database in the process, which knows nothing but the tables that it is given. */
export interface Database {
  /** Replaces the table of this name. */
  readonly put: (name: string, table: Table) => Promise<void>;
  /** The rows of a query, by position; whole numbers as numbers. */
  readonly query: (sql: string) => Promise<readonly (readonly unknown[])[]>;
  readonly close: () => void;
}

/** As many rows as DuckDB takes at once. */
const rowsPerChunk = 2_048;

/** Opens DuckDB. Rejects, saying what to install, where there is none: it is needed in tests alone. */
export async function openDatabase(): Promise<Database> {
  const duckdb = await import('@duckdb/node-api').catch((cause: unknown) => {
    throw new MillraceError(
      'SETTING_MISSING',
      'comparing with a batch needs DuckDB: npm install --save-dev @duckdb/node-api.',
      { cause },
    );
  });
  const connection = await (await duckdb.DuckDBInstance.create()).connect();
  return {
    put: async (name, { columns }) => {
      await connection.run(
        `CREATE OR REPLACE TABLE ${name} (${columns.map((column) => `${column.name} ${column.type}`).join(', ')})`,
      );
      await append(connection, name, columns, duckdb);
    },
    query: async (sql) => {
      const reader = await connection.runAndReadAll(sql);
      return reader.getRowsJS().map((row) => row.map((value) => (typeof value === 'bigint' ? Number(value) : value)));
    },
    close: () => connection.closeSync(),
  };
}

async function append(
  connection: DuckDBConnection,
  name: string,
  columns: Table['columns'],
  duckdb: typeof import('@duckdb/node-api'),
): Promise<void> {
  const rowCount = columns[0]?.cells.length ?? 0;
  const types = columns.map(({ type }) => duckdb[type]);
  const appender = await connection.createAppender(name);
  for (let at = 0; at < rowCount; at += rowsPerChunk) {
    const chunk = duckdb.DuckDBDataChunk.create(types, Math.min(rowsPerChunk, rowCount - at));
    chunk.setColumns(
      columns.map(({ type, cells }) =>
        cells
          .slice(at, at + rowsPerChunk)
          .map((cell) => (type === 'BIGINT' && typeof cell === 'number' ? BigInt(cell) : cell)),
      ),
    );
    appender.appendDataChunk(chunk);
  }
  appender.flushSync();
  appender.closeSync();
}
