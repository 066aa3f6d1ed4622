import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { accessLog, type Ended, emptyFolder, lastLine, millrace } from './command.ts';
import { queryAccessLog } from './duckdb.ts';

const folder = emptyFolder();
const faults = 'kill-lambda=10,split-raw=2,merge-raw=2,split-exchange=2,merge-exchange=2';
const items = join(folder, 'addresses.ndjson');
const input = ['--input', accessLog, '--format', 'combined', '--table', `addresses=${items}`];

/** Whose most addresses are, by their first numbers; every seventh address is a robot's, and every fifth is not in the table. */
function writeItems(): void {
  const ips = new Set(
    readFileSync(accessLog, 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[0] ?? ''),
  );
  const known = [...ips].filter((ip, index) => ip !== '' && index % 5 !== 0);
  const lines = known.map((ip, index) =>
    JSON.stringify({ ip, owner: `net-${ip.split('.')[0]}`, isRobot: index % 7 === 0, note: 'unread' }),
  );
  writeFileSync(items, `${lines.join('\n')}\n`);
}

describe.skipIf(!existsSync(accessLog))('records of a real access log that are looked up in a table', () => {
  let ran: Ended;
  beforeAll(async () => {
    writeItems();
    ran = await millrace(folder, ['run', 'owners', ...input, '--output', 'run.ndjson']);
  });

  it('are each counted by what the table says of it, as DuckDB joins them', async () => {
    const rows = readFileSync(join(folder, 'run.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const expected = await queryAccessLog(
      `SELECT ms // 3600000 * 3600000 AS start, coalesce(owner, 'unknown') AS owner, count(*) AS requests, sum(bytes) AS bytes
       FROM log LEFT JOIN read_json('${items}', format = 'newline_delimited') USING (ip) WHERE NOT coalesce(isRobot, false)
       GROUP BY ALL ORDER BY start, owner`,
    );
    expect(expected.length).toBeGreaterThan(1_000);
    expect(
      rows.map(({ windowStart, owner, requests, bytes }) => [Date.parse(windowStart), owner, requests, bytes]),
    ).toEqual(
      expected.map(({ start, owner, requests, bytes }) => [Number(start), owner, Number(requests), Number(bytes)]),
    );
    const counted = rows.reduce((sum, { requests }) => sum + requests, 0);
    expect(lastLine(ran.stderr)).toBe(`sent=10000 counted=${counted} filtered=${9_999 - counted} late=0 rejected=1`);
  });

  it('give the same bytes on the stack, with DynamoDB, while Lambdas are killed and shards are split and merged', async () => {
    const { code, stderr } = await millrace(folder, [
      ...[
        'dev',
        'owners',
        '--port',
        '0',
        ...input,
        '--rate',
        'max',
        '--once',
        '--output',
        'dev.ndjson',
        '--faults',
        faults,
      ],
    ]);
    expect(stderr.slice(-600)).toContain(lastLine(ran.stderr));
    expect(code).toBe(0);
    expect(readFileSync(join(folder, 'dev.ndjson')).equals(readFileSync(join(folder, 'run.ndjson')))).toBe(true);
  }, 170_000);
});
