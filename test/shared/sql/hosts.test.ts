import { describe, expect, test } from 'vitest';
import { createRandom } from '#cli/generate.ts';
import { sqlPipeline } from '#shared/sql/index.ts';
import { testDriver } from '#shared/testing/index.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { runSql } from './run-sql.ts';

// The same queries through the stages as they are deployed, which die, are told twice and are resharded on the way.

const table = `CREATE TABLE requests (id INT NOT NULL, ip STRING NOT NULL, bytes BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '20' SECOND) WITH ('connector' = 'kinesis');`;
const tumbled = "FROM TABLE(TUMBLE(TABLE requests, DESCRIPTOR(ts), INTERVAL '1' MINUTE))";
const groups = `SELECT window_start, window_end, ip, SUM(bytes) AS bytes ${tumbled} GROUP BY window_start, window_end, ip`;

const queries: Readonly<Record<string, string>> = {
  'rows of records': 'SELECT id, ip, bytes * 2 AS twice FROM requests WHERE bytes > 5',
  'shares without a window':
    'SELECT ip, SUM(bytes) / (SELECT SUM(bytes) FROM requests) AS ratio, COUNT(*) AS n FROM requests GROUP BY ip',
  'shares of windows, and a condition of groups': `SELECT ip, share, kinds FROM (SELECT ip, SUM(bytes) / SUM(SUM(bytes)) OVER (PARTITION BY window_start, window_end) AS share, COUNT(DISTINCT id % 4) AS kinds, COUNT(*) AS n ${tumbled} GROUP BY window_start, window_end, ip) WHERE n > 1`,
  'a small window on Lambda':
    "SELECT ip, COUNT(*) AS n, MIN(bytes) AS low FROM requests GROUP BY ip, HOP(ts, INTERVAL '30' SECOND, INTERVAL '1' MINUTE)",
  'first rows of windows': `SELECT ip, bytes, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY bytes DESC, ip) AS n FROM (${groups})) WHERE n <= 2`,
  'the greatest shares of windows': `SELECT ip, bytes, share, n FROM (SELECT ip, SUM(bytes) AS bytes, SUM(bytes) / SUM(SUM(bytes)) OVER (PARTITION BY window_start, window_end) AS share, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY share DESC, ip) AS n ${tumbled} GROUP BY window_start, window_end, ip) WHERE n <= 2`,
  'groups by what changes of other groups':
    'SELECT n, COUNT(*) AS groups, SUM(mean) AS means FROM (SELECT ip, id % 7 AS rest, COUNT(*) AS n, AVG(bytes) AS mean FROM requests GROUP BY ip, id % 7) GROUP BY n',
  'groups of groups of a join, with a condition that rows come to fulfil':
    'SELECT rest, COUNT(*) AS n, AVG(most) AS mean FROM (SELECT a.id % 5 AS rest, a.id, MAX(b.bytes) AS most FROM requests a, requests b WHERE a.ip = b.ip AND b.id BETWEEN a.id AND a.id + a.bytes GROUP BY a.id) WHERE most > 15 GROUP BY rest',
  'a join':
    "SELECT a.id AS a, b.id AS b FROM requests a LEFT JOIN requests b ON a.ip = b.ip AND b.ts > a.ts AND b.ts <= a.ts + INTERVAL '10' SECOND",
  'queries put together':
    'SELECT id, bytes FROM requests WHERE bytes < 3 UNION ALL SELECT -id, NULL FROM requests WHERE bytes IS NULL',
};

interface Request {
  readonly id: number;
  readonly ip: string;
  readonly bytes: number | null;
  readonly ts: number;
}

/** Out of order, and never late: within 15 s, where 20 are waited for. */
function makeRequests(seed: number): readonly Request[] {
  const random = createRandom(seed);
  const start = Date.UTC(2026, 10, 21, 9);
  return Array.from({ length: 60 }, (_, id) => ({
    id,
    ip: ['a', 'b', 'c'][Math.floor(random() * 3)] as string,
    bytes: random() < 0.1 ? null : Math.floor(random() * 20),
    ts: start + id * 4_000 - Math.floor(random() * 15_000),
  }));
}

function texts(rows: readonly object[]): readonly string[] {
  return rows.map((row) => JSON.stringify(Object.entries(row).filter(([name]) => name !== 'view'))).sort();
}

describe('a query gives the rows of a run, whatever becomes of the hosts', () => {
  for (const [name, query] of Object.entries(queries))
    test(name, { timeout: fuzzTimeoutMs }, async () => {
      const records = makeRequests(7);
      const expected = runSql(table + query, { requests: records });
      expect(expected.length).toBeGreaterThan(0);
      for (const seed of [1, 2]) {
        const driver = testDriver(sqlPipeline(table + query, { id: 'query' }), {
          exchangeShards: 2,
          slots: 2,
          faults: { seed },
        });
        for (let at = 0; at < records.length; at += 20)
          await driver.send('requests', records.slice(at, at + 20) as never);
        await driver.close();
        expect(await driver.deadLetters()).toEqual([]);
        expect(texts(await driver.read('query'))).toEqual(texts(expected));
      }
    });
});

test.each(['COUNT(*) AS n', 'COUNT(*) AS n, COUNT(DISTINCT id) AS ids'])(
  'a group without windows is one on both sides of 1970 on every host: %s',
  async (columns) => {
    // Nothing is late when the streams are over: the rows are final.
    const lenient = table.replace("'kinesis'", "'kinesis', 'allowed-lateness' = '5 s'");
    const text = `${lenient} SELECT ip, ${columns}, SUM(bytes) / (SELECT SUM(bytes) FROM requests) AS share FROM requests GROUP BY ip`;
    const records = [5, -5_000, 0, -1].map((ts, id) => ({ id, ip: 'a', bytes: 1, ts }));
    const driver = testDriver(sqlPipeline(text, { id: 'query' }), { exchangeShards: 2, slots: 2 });
    for (const record of records) await driver.send('requests', [record] as never);
    await driver.close();
    expect(texts(await driver.read('query'))).toEqual(texts(runSql(text, { requests: records })));
    expect(await driver.read('query')).toMatchObject([{ ip: 'a', n: 4, share: 1, final: true }]);
  },
);
