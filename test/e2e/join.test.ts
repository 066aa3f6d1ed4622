import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { accessLog, type Ended, emptyFolder, lastLine, millrace } from './command.ts';
import { queryAccessLog } from './duckdb.ts';

interface Row {
  readonly view: string;
  readonly final: boolean;
  readonly ip: string;
  readonly leftTime: string;
  readonly rightTime: string | null;
  readonly page: string | null;
  readonly path: string;
  readonly status: number;
}

const folder = emptyFolder();
const faults = 'kill-lambda=8,kill-worker=8,split-raw=2,merge-raw=2,split-exchange=2,merge-exchange=2';

function textsOf(view: string): readonly string[] {
  return readFileSync(join(folder, 'run.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row)
    .filter((row) => row.view === view)
    .map(({ ip, leftTime, rightTime, page, path, status }) =>
      JSON.stringify([ip, Date.parse(leftTime), rightTime && Date.parse(rightTime), page, path, status]),
    )
    .sort();
}

/** What DuckDB joins, in the same form. */
async function expected(query: string): Promise<readonly string[]> {
  const rows = await queryAccessLog(
    `, views AS (SELECT * FROM log WHERE status < 400), errors AS (SELECT * FROM log WHERE status >= 400) ${query}`,
  );
  return rows
    .map((row) => {
      const { ip, left_ms: left, right_ms: right, page, path, status } = row;
      return JSON.stringify([ip, Number(left), right === null ? null : Number(right), page, path, Number(status)]);
    })
    .sort();
}

describe.skipIf(!existsSync(accessLog))('page views and errors of a real access log', () => {
  let ran: Ended;
  beforeAll(async () => {
    const input = ['--input', accessLog, '--format', 'combined', '--output', 'run.ndjson'];
    ran = await millrace(folder, ['run', 'errors', ...input]);
  });

  it('are each counted once on their side', () => {
    expect([ran.code, lastLine(ran.stderr)]).toEqual([0, 'sent=10000 counted=9999 filtered=0 late=0 rejected=1']);
  });

  it('join as DuckDB joins them: each view with each error of its visitor within the minute that follows', async () => {
    const pairs = await expected(
      `SELECT v.ip, v.ms AS left_ms, e.ms AS right_ms, v.path AS page, e.path, e.status
       FROM views v JOIN errors e ON v.ip = e.ip AND e.ms BETWEEN v.ms AND v.ms + 60000`,
    );
    expect(pairs.length).toBeGreaterThan(500);
    expect(textsOf('views-with-errors')).toEqual(pairs);
  });

  it('join as DuckDB joins them with a left join, which also gives the errors that nothing was viewed before', async () => {
    const rows = await expected(
      `SELECT e.ip, e.ms AS left_ms, v.ms AS right_ms, v.path AS page, e.path, e.status
       FROM errors e LEFT JOIN views v ON v.ip = e.ip AND v.ms BETWEEN e.ms - 60000 AND e.ms`,
    );
    expect(rows.filter((row) => row.includes('null')).length).toBeGreaterThan(100);
    expect(textsOf('errors-with-views')).toEqual(rows);
  });

  it('give the same bytes on the stack, while Lambdas and the worker are killed and shards are split and merged', async () => {
    const { code, stderr } = await millrace(folder, [
      ...['dev', 'errors', '--port', '0', '--input', accessLog, '--format', 'combined', '--rate', 'max', '--once'],
      ...['--output', 'dev.ndjson', '--workers', '2', '--exchange-shards', '3', '--faults', faults],
    ]);
    expect(code).toBe(0);
    expect(lastLine(stderr)).toBe('sent=10000 counted=9999 filtered=0 late=0 rejected=1');
    expect(readFileSync(join(folder, 'dev.ndjson')).equals(readFileSync(join(folder, 'run.ndjson')))).toBe(true);
  }, 170_000);
});
