import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { accessLog, type Ended, emptyFolder, lastLine, millrace } from './command.ts';
import { queryAccessLog } from './duckdb.ts';

const folder = emptyFolder();
const faults = 'kill-lambda=8,kill-worker=8,split-raw=2,merge-raw=2,split-exchange=2,merge-exchange=2';
/** Columns of DuckDB that are milliseconds, by the row's. */
const timeColumns = ['time', 'tableTime'];

/** The columns of each row of a view. */
function textsOf(view: string, columns: readonly string[]): readonly string[] {
  return readFileSync(join(folder, 'run.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
    .filter((row) => row['view'] === view)
    .map((row) =>
      JSON.stringify(
        columns.map((name) =>
          timeColumns.includes(name) && row[name] !== null ? Date.parse(row[name] as string) : row[name],
        ),
      ),
    )
    .sort();
}

/** What DuckDB finds, in the same form. Its big integers come as texts. */
async function expected(query: string, columns: readonly string[]): Promise<readonly string[]> {
  const texts = ['ip', 'page', 'ended'];
  const rows = await queryAccessLog(query);
  return rows
    .map((row) =>
      JSON.stringify(
        columns.map((name) => (texts.includes(name) || row[name] === null ? row[name] : Number(row[name]))),
      ),
    )
    .sort();
}

describe.skipIf(!existsSync(accessLog))('arrivals, copies and streaks of errors in a real access log', () => {
  let ran: Ended;
  beforeAll(async () => {
    const input = ['--input', accessLog, '--format', 'combined', '--output', 'run.ndjson'];
    ran = await millrace(folder, ['run', 'visitors', ...input]);
  });

  it('come of records that are each counted once', () => {
    expect([ran.code, lastLine(ran.stderr)]).toEqual([0, 'sent=10000 counted=9999 filtered=0 late=0 rejected=1']);
  });

  it('are arrivals as DuckDB finds them: the first request of each address, and the next more than ten minutes after', async () => {
    const columns = ['ip', 'time', 'page'];
    // From one that passed to the next, address by address.
    const rows = await expected(
      `, firsts AS (SELECT ip, ms, min(path) AS page FROM log GROUP BY ip, ms),
       nexts AS MATERIALIZED (
         SELECT f.ip, f.ms, min(n.ms) AS next FROM firsts f JOIN firsts n ON f.ip = n.ip AND n.ms > f.ms + 600000 GROUP BY f.ip, f.ms
       ),
       passed AS (
         SELECT ip, min(ms) AS ms FROM firsts GROUP BY ip
         UNION ALL
         SELECT n.ip, n.next AS ms FROM passed p JOIN nexts n USING (ip, ms)
       )
       SELECT ip, ms AS time, page FROM passed JOIN firsts USING (ip, ms)`,
      columns,
    );
    expect(rows.length).toBeGreaterThan(2_000);
    expect(textsOf('arrivals', columns)).toEqual(rows);
  });

  it('are copies as DuckDB finds them: the last answer before each "not modified", unless it was an error', async () => {
    const columns = ['page', 'time', 'tableTime', 'ip', 'bytes'];
    const rows = await expected(
      `, pages AS (SELECT *, path[:100] AS page FROM log), answers AS (
         SELECT page, ms, CASE WHEN bool_or(status >= 400) THEN NULL ELSE max(bytes::VARCHAR)::BIGINT END AS bytes
         FROM pages WHERE status <> 304 GROUP BY page, ms
       )
       SELECT r.page, r.ms AS time, CASE WHEN a.bytes IS NULL THEN NULL ELSE a.ms END AS tableTime, r.ip, a.bytes
       FROM (SELECT * FROM pages WHERE status = 304) r ASOF LEFT JOIN answers a ON r.page = a.page AND r.ms >= a.ms`,
      columns,
    );
    expect(rows.filter((row) => row.includes('null')).length).toBeGreaterThan(10);
    expect(rows.filter((row) => !row.includes('null')).length).toBeGreaterThan(100);
    expect(textsOf('not-modified', columns)).toEqual(rows);
  });

  it('are streaks of errors as DuckDB finds them, ended by a success or by ten minutes of silence', async () => {
    const columns = ['ip', 'time', 'errors', 'sinceMs', 'ended'];
    const rows = await expected(
      `, ordered AS (
         SELECT ip, ms, status >= 400 AS bad, lag(status >= 400) OVER w AS bad_before, lag(ms) OVER w AS ms_before,
           coalesce(lead(ms) OVER w, 9000000000000) AS ms_after, row_number() OVER w AS place
         FROM log WINDOW w AS (PARTITION BY ip ORDER BY ms, status)
       ), groups AS (
         SELECT *, sum(CASE WHEN bad AND coalesce(bad_before, false) AND ms - ms_before <= 600000 THEN 0 ELSE 1 END)
           OVER (PARTITION BY ip ORDER BY place) AS streak
         FROM ordered
       ), streaks AS (
         SELECT ip, count(*) AS errors, min(ms) AS since, max(ms) AS last, arg_max(ms_after, place) AS after
         FROM groups WHERE bad GROUP BY ip, streak HAVING count(*) >= 3
       )
       SELECT ip, errors, since AS sinceMs,
         CASE WHEN after - last <= 600000 THEN after ELSE last + 600000 END AS time,
         CASE WHEN after - last <= 600000 THEN 'success' ELSE 'silence' END AS ended
       FROM streaks`,
      columns,
    );
    expect(rows.filter((row) => row.includes('success')).length).toBeGreaterThan(0);
    expect(rows.filter((row) => row.includes('silence')).length).toBeGreaterThan(0);
    expect(textsOf('error-streaks', columns)).toEqual(rows);
  });

  it('give the same bytes on the stack, while Lambdas and the worker are killed and shards are split and merged', async () => {
    const { code, stderr } = await millrace(folder, [
      ...['dev', 'visitors', '--port', '0', '--input', accessLog, '--format', 'combined', '--rate', 'max', '--once'],
      ...['--output', 'dev.ndjson', '--workers', '2', '--exchange-shards', '3', '--faults', faults],
    ]);
    expect(code).toBe(0);
    expect(lastLine(stderr)).toBe('sent=10000 counted=9999 filtered=0 late=0 rejected=1');
    expect(readFileSync(join(folder, 'dev.ndjson')).equals(readFileSync(join(folder, 'run.ndjson')))).toBe(true);
  }, 170_000);
});
