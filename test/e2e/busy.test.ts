import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { accessLog, type Ended, emptyFolder, lastLine, millrace } from './command.ts';
import { queryAccessLog } from './duckdb.ts';

const folder = emptyFolder();
const faults = 'kill-lambda=8,kill-worker=8,split-raw=2,merge-raw=2,split-exchange=2,merge-exchange=2';

/** The rows of a view without what all have, times as milliseconds, as texts in their order. */
function textsOf(view: string): readonly string[] {
  return readFileSync(join(folder, 'run.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
    .filter((row) => row['view'] === view)
    .map(({ view: _view, final: _final, windowEnd: _end, windowStart, ...columns }) =>
      JSON.stringify({ start: Date.parse(windowStart as string), ...columns }),
    );
}

/** What DuckDB computes, in the same form; numbers come as texts. */
async function expected(query: string, names: readonly string[]): Promise<readonly string[]> {
  const rows = await queryAccessLog(`, hours AS (SELECT *, ms // 3600000 * 3600000 AS hour FROM log) ${query}`);
  return rows.map((row) =>
    JSON.stringify(Object.fromEntries(names.map((name) => [name, name === 'ip' ? row[name] : Number(row[name])]))),
  );
}

const perMinute = 'SELECT ip, hour, ms // 60000 AS minute, count(*) AS n FROM hours GROUP BY ALL';

describe.skipIf(!existsSync(accessLog))('aggregates of aggregates over a real access log', () => {
  let ran: Ended;
  beforeAll(async () => {
    const input = ['--input', accessLog, '--format', 'combined', '--output', 'run.ndjson'];
    ran = await millrace(folder, ['run', 'busy', ...input]);
  });

  it('count each record once, however many steps read its rows', () => {
    expect([ran.code, lastLine(ran.stderr)]).toEqual([0, 'sent=10000 counted=9999 filtered=0 late=0 rejected=1']);
  });

  it('know the busiest minute of each visitor and hour, as DuckDB does', async () => {
    const rows = await expected(
      `SELECT hour AS start, ip, count(*) AS minutes, max(n) AS requests FROM (${perMinute}) GROUP BY ALL ORDER BY start, ip`,
      ['start', 'ip', 'minutes', 'requests'],
    );
    expect(rows.length).toBeGreaterThan(2_000);
    expect(textsOf('busiest-minutes')).toEqual(rows);
  });

  it('know the busiest minute of each hour over all visitors, three steps behind one another', async () => {
    const rows = await expected(
      `SELECT hour AS start, max(visitors) AS visitors, max(n) AS requests
       FROM (SELECT hour, minute, count(*) AS visitors, sum(n) AS n FROM (${perMinute}) GROUP BY ALL) GROUP BY ALL ORDER BY start`,
      ['start', 'visitors', 'requests'],
    );
    expect(rows.length).toBeGreaterThan(80);
    expect(textsOf('peaks').map((text) => text.replace('"site":"all",', ''))).toEqual(rows);
  });

  it('rank the ten visitors of each hour with the most bytes, and those with the same by their addresses', async () => {
    const rows = await expected(
      `SELECT hour AS start, row_number() OVER (PARTITION BY hour ORDER BY sum(bytes) DESC, ip) AS rank, ip, count(*) AS requests,
         sum(bytes) AS bytes
       FROM hours GROUP BY hour, ip QUALIFY rank <= 10 ORDER BY start, rank`,
      ['start', 'rank', 'ip', 'requests', 'bytes'],
    );
    expect(rows.length).toBeGreaterThan(800);
    expect(textsOf('top-visitors')).toEqual(rows);
  });

  it('give the same bytes on the stack, while Lambdas and workers are killed and shards are split and merged', async () => {
    const { code, stderr } = await millrace(folder, [
      ...['dev', 'busy', '--port', '0', '--input', accessLog, '--format', 'combined', '--rate', 'max', '--once'],
      ...['--output', 'dev.ndjson', '--workers', '2', '--exchange-shards', '3', '--faults', faults],
    ]);
    expect(code).toBe(0);
    expect(lastLine(stderr)).toBe('sent=10000 counted=9999 filtered=0 late=0 rejected=1');
    expect(readFileSync(join(folder, 'dev.ndjson')).equals(readFileSync(join(folder, 'run.ndjson')))).toBe(true);
  }, 170_000);
});
