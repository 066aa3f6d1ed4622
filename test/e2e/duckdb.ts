import { DuckDBInstance } from '@duckdb/node-api';
import { accessLog } from './command.ts';

/** The access log as DuckDB reads it from the file, by a regular expression of its own: `log` has ip, ms, path, status and bytes. */
export async function queryAccessLog(query: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const connection = await (await DuckDBInstance.create()).connect();
  const reader = await connection.runAndReadAll(
    `WITH RECURSIVE lines AS (
       SELECT regexp_extract(line, '^(\\S+) \\S+ \\S+ \\[([^\\]]+)\\] "((?:[^"\\\\]|\\\\.)*)" (\\d+) (\\d+|-) "(?:[^"\\\\]|\\\\.)*" "(?:[^"\\\\]|\\\\.)*"$', ['ip', 'at', 'request', 'status', 'bytes']) AS f
       FROM read_csv('${accessLog}', columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '', header = false)
     ), log AS (
       SELECT f.ip AS ip, epoch_ms(strptime(f.at, '%d/%b/%Y:%H:%M:%S %z')) AS ms, split_part(f.request, ' ', 2) AS path,
         f.status::INTEGER AS status, coalesce(TRY_CAST(f.bytes AS BIGINT), 0) AS bytes
       FROM lines WHERE f.ip <> ''
     ) ${query}`,
  );
  return reader.getRowObjectsJson() as readonly Readonly<Record<string, unknown>>[];
}

/** What DuckDB reads from files. */
export async function queryFiles(query: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const connection = await (await DuckDBInstance.create()).connect();
  return (await connection.runAndReadAll(query)).getRowObjectsJson() as readonly Readonly<Record<string, unknown>>[];
}
