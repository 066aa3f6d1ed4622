import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { accessLog, emptyFolder, lastLine, millrace } from './command.ts';
import { queryAccessLog } from './duckdb.ts';

type Row = Readonly<Record<string, unknown>>;

const folder = emptyFolder();
const hidden = new Set(['view', 'final', 'windowStart', 'windowEnd']);

function normalised(value: unknown): unknown {
  if (typeof value === 'number') return Number(value.toPrecision(9));
  if (typeof value !== 'string') return value;
  if (/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d/.test(value))
    return Date.parse(`${value.replace(' ', 'T').replace(/Z$/, '')}Z`);
  return /^-?\d+(\.\d+)?(e[+-]\d+)?$/.test(value) ? Number(Number(value).toPrecision(9)) : value;
}

function texts(rows: readonly Row[]): readonly string[] {
  return rows
    .map((row) =>
      JSON.stringify(
        Object.entries(row).flatMap(([name, value]) => (hidden.has(name) ? [] : [[name, normalised(value)]])),
      ),
    )
    .sort();
}

const hour = 3_600_000;
const day = 24 * hour;

/** Each query in the words of Millrace, over a file of which nothing was said, and of DuckDB. */
const queries: Readonly<Record<string, { readonly sql: string; readonly duckdb: string }>> = {
  'the share of each address as it stands': {
    sql: 'SELECT ip, SUM(bytes) / (SELECT SUM(bytes) FROM traffic_data) AS ratio FROM traffic_data GROUP BY ip',
    duckdb: 'SELECT ip, sum(bytes) / (SELECT sum(bytes) FROM log) AS ratio FROM log GROUP BY ip',
  },
  'errors by hour and status': {
    sql: "SELECT TUMBLE_START(ts, INTERVAL '1' HOUR) AS w, status, COUNT(*) AS n, COUNT(DISTINCT ip) AS ips FROM log WHERE status >= 400 GROUP BY status, TUMBLE(ts, INTERVAL '1' HOUR)",
    duckdb: `SELECT epoch_ms(ms // ${hour} * ${hour}) AS w, status, count(*) AS n, count(DISTINCT ip) AS ips FROM log WHERE status >= 400 GROUP BY ms // ${hour}, status`,
  },
  'the three largest addresses of each day': {
    sql: `SELECT w, ip, bytes, n FROM (
      SELECT window_start AS w, window_start, window_end, ip, bytes, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY bytes DESC, ip) AS n FROM (
        SELECT window_start, window_end, ip, SUM(bytes) AS bytes FROM TABLE(TUMBLE(TABLE log, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, ip)
      ) WHERE n <= 3`,
    duckdb: `SELECT epoch_ms(w) AS w, ip, bytes, n FROM (SELECT *, row_number() OVER (PARTITION BY w ORDER BY bytes DESC, ip) AS n FROM (SELECT ms // ${day} * ${day} AS w, ip, sum(bytes) AS bytes FROM log GROUP BY 1, 2)) WHERE n <= 3`,
  },
  'visits with their shares of errors': {
    sql: "SELECT ip, SESSION_START(ts, INTERVAL '30' MINUTE) AS s, COUNT(*) AS n, ROUND(COUNT(*) FILTER (WHERE status >= 400) / COUNT(*), 3) AS bad FROM log GROUP BY ip, SESSION(ts, INTERVAL '30' MINUTE) HAVING COUNT(*) > 3",
    duckdb: `, marked AS (SELECT *, CASE WHEN ms - lag(ms) OVER (PARTITION BY ip ORDER BY ms) <= 1800000 THEN 0 ELSE 1 END AS begins FROM log),
      islands AS (SELECT *, sum(begins) OVER (PARTITION BY ip ORDER BY ms ROWS UNBOUNDED PRECEDING) AS island FROM marked)
      SELECT ip, epoch_ms(min(ms)) AS s, count(*) AS n, round(count(*) FILTER (WHERE status >= 400) / count(*), 3) AS bad FROM islands GROUP BY ip, island HAVING count(*) > 3`,
  },
  'pages before an error of the same address': {
    sql: "SELECT e.ip, e.path AS failed, v.path AS before FROM log e JOIN log v ON e.ip = v.ip AND v.ts BETWEEN e.ts - INTERVAL '1' MINUTE AND e.ts WHERE e.status >= 400 AND v.status = 200",
    duckdb:
      'SELECT e.ip, e.path AS failed, v.path AS before FROM log e JOIN log v ON e.ip = v.ip AND v.ms BETWEEN e.ms - 60000 AND e.ms WHERE e.status >= 400 AND v.status = 200',
  },
  'kinds of pages by their names': {
    sql: "SELECT LOWER(REGEXP_EXTRACT(path, '[.]([A-Za-z0-9]+)$', 1)) AS kind, COUNT(*) AS n, MAX(CHAR_LENGTH(path)) AS longest FROM log WHERE path LIKE '/%' AND SPLIT_PART(path, '/', 2) <> '' GROUP BY 1",
    duckdb:
      "SELECT lower(regexp_extract(path, '[.]([A-Za-z0-9]+)$', 1)) AS kind, count(*) AS n, max(length(path)) AS longest FROM log WHERE path LIKE '/%' AND split_part(path, '/', 2) <> '' GROUP BY 1",
  },
};

describe.skipIf(!existsSync(accessLog))('SQL over a real access log agrees with DuckDB', () => {
  for (const [name, { sql, duckdb }] of Object.entries(queries))
    it(name, async () => {
      const { code, stdout, stderr } = await millrace(folder, ['sql', sql, '--input', accessLog]);
      expect(code, stderr).toBe(0);
      expect(lastLine(stderr)).toMatch(/^sent=10000 counted=\d+ filtered=\d+ late=0 rejected=1$/);
      const rows = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Row);
      expect(rows.length).toBeGreaterThan(5);
      expect(texts(rows)).toEqual(texts(await queryAccessLog(duckdb)));
    });

  it('a pipeline in a file of SQL gives the same rows on the embedded AWS, while Lambdas are killed', async () => {
    const common = ['--input', accessLog, '--format', 'combined'];
    const run = await millrace(folder, ['run', 'ip-shares', ...common]);
    const dev = await millrace(folder, [
      'dev',
      'ip-shares',
      ...common,
      '--port',
      '0',
      '--rate',
      'max',
      '--once',
      '--output',
      '-',
      '--faults',
      'kill-lambda=4',
    ]);
    expect(lastLine(dev.stderr)).toBe(lastLine(run.stderr));
    const rowsIn = (text: string): readonly string[] => text.split('\n').filter((line) => line.startsWith('{"view"'));
    expect(rowsIn(run.stdout).length).toBeGreaterThan(1_000);
    expect(rowsIn(dev.stdout)).toEqual(rowsIn(run.stdout));
  }, 400_000);
});

it('an error shows the place and ends with 1', async () => {
  writeFileSync(join(folder, 'bids.ndjson'), '{"ts":1000,"price":5}\n');
  const { code, stdout, stderr } = await millrace(folder, ['sql', 'SELECT prize FROM bids', '--input', 'bids.ndjson']);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toBe(
    'millrace: SQL_INVALID: line 1, column 8: there is no column prize. Did you mean price? There are ts, price.\n  SELECT prize FROM bids\n         ^^^^^\n',
  );
});
