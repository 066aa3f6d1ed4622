import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { accessLog, type Ended, emptyFolder, lastLine, millrace } from './command.ts';
import { queryAccessLog } from './duckdb.ts';

interface Row {
  readonly view: string;
  readonly windowStart: string;
  readonly windowEnd: string;
  readonly final: boolean;
  readonly ip: string;
  readonly requests: number;
  readonly bytes: number;
  readonly share: number;
}

const folder = emptyFolder();
const common = ['--port', '0', '--input', accessLog, '--format', 'combined', '--rate', 'max', '--once'];
const faults = 'kill-lambda=14,kill-worker=6,split-raw=2,merge-raw=2,split-exchange=2,merge-exchange=2';

function rowsOf(file: string): readonly Row[] {
  return readFileSync(join(folder, file), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
}

describe.skipIf(!existsSync(accessLog))('the main job on a real access log', () => {
  let plain: Ended;
  beforeAll(async () => {
    plain = await millrace(folder, ['dev', 'traffic', ...common, '--output', 'plain.ndjson']);
  }, 400_000);

  it('ends by itself with every record told apart', () => {
    expect(plain.code).toBe(0);
    expect(lastLine(plain.stderr)).toBe('sent=10000 counted=9999 filtered=0 late=0 rejected=1');
  });

  it('puts the malformed line into the dead letters with its position', () => {
    expect(plain.stderr).toMatch(/dead letter: access\.log:8899 undecodable: .*shardId-/);
  });

  it('prints rows that are final, sorted by view, window start and key', () => {
    const rows = rowsOf('plain.ndjson');
    expect(rows.every((row) => row.final)).toBe(true);
    const order = rows.map((row) => `${row.view} ${row.windowStart} ip=${row.ip}`);
    expect(order).toEqual([...order].sort((a, b) => (a < b ? -1 : 1)));
  });

  it('agrees with DuckDB on bytes and share per IP and hour', async () => {
    const expected = await queryAccessLog(
      `SELECT ip, ms // 3600000 * 3600000 AS start, sum(bytes)::BIGINT AS bytes, sum(bytes) / sum(sum(bytes)) OVER (PARTITION BY ms // 3600000) AS share
       FROM log GROUP BY ip, ms // 3600000`,
    );
    const found = rowsOf('plain.ndjson').filter((row) => row.view === 'by-ip-1h');
    expect(found.length).toBe(expected.length);
    const byKey = new Map(found.map((row) => [`${row.ip} ${Date.parse(row.windowStart)}`, row]));
    for (const row of expected) {
      const own = byKey.get(`${row['ip']} ${row['start']}`);
      expect(own?.bytes).toBe(Number(row['bytes']));
      expect(own?.share).toBeCloseTo(Number(row['share'] ?? 0), 12);
    }
  });

  it('agrees with DuckDB on visits: gaps and islands of more than 30 minutes', async () => {
    const expected = await queryAccessLog(
      `, marked AS (SELECT *, CASE WHEN ms - lag(ms) OVER (PARTITION BY ip ORDER BY ms) <= 1800000 THEN 0 ELSE 1 END AS begins FROM log),
       islands AS (SELECT *, sum(begins) OVER (PARTITION BY ip ORDER BY ms ROWS UNBOUNDED PRECEDING) AS island FROM marked)
       SELECT ip, min(ms) AS start, max(ms) + 1800000 AS stop, count(*) AS requests, sum(bytes)::BIGINT AS bytes FROM islands GROUP BY ip, island`,
    );
    const describeVisit = (ip: unknown, start: unknown, stop: unknown, requests: unknown, bytes: unknown): string =>
      `${ip} ${start} ${stop} ${requests} ${bytes}`;
    const found = rowsOf('plain.ndjson').filter((row) => row.view === 'visits');
    expect(
      found
        .map((row) =>
          describeVisit(row.ip, Date.parse(row.windowStart), Date.parse(row.windowEnd), row.requests, row.bytes),
        )
        .sort(),
    ).toEqual(
      expected.map((row) => describeVisit(row['ip'], row['start'], row['stop'], row['requests'], row['bytes'])).sort(),
    );
  });

  it('gives the same bytes without servers', async () => {
    const { code, stderr } = await millrace(folder, [
      'run',
      'traffic',
      '--input',
      accessLog,
      '--format',
      'combined',
      '--output',
      'run.ndjson',
    ]);
    expect(code).toBe(0);
    expect(lastLine(stderr)).toBe('sent=10000 counted=9999 filtered=0 late=0 rejected=1');
    expect(readFileSync(join(folder, 'run.ndjson')).equals(readFileSync(join(folder, 'plain.ndjson')))).toBe(true);
  });

  it('gives the same bytes while Lambdas and the worker are killed and shards are split and merged', async () => {
    const { code, stderr } = await millrace(folder, [
      'dev',
      'traffic',
      ...common,
      '--output',
      'faults.ndjson',
      '--threads',
      '2',
      '--workers',
      '2',
      '--exchange-shards',
      '3',
      '--faults',
      faults,
    ]);
    expect(code).toBe(0);
    expect(stderr).toContain(`faults: ${faults.replaceAll(',', ' ')}`);
    expect(readFileSync(join(folder, 'faults.ndjson')).equals(readFileSync(join(folder, 'plain.ndjson')))).toBe(true);
  }, 400_000);
});
