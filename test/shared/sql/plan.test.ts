import { expect, test } from 'vitest';
import { contractOf } from '#shared/pipeline/contract.ts';
import { diffContracts } from '#shared/pipeline/contract-diff.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { stepsOf } from '#shared/pipeline/plan.ts';
import { sqlPipeline } from '#shared/sql/index.ts';
import { columnsOf, runSql } from './run-sql.ts';

const table = `CREATE TABLE r (ip STRING NOT NULL, bytes BIGINT NOT NULL, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'kinesis');`;
const grouped = "FROM r GROUP BY ip, TUMBLE(ts, INTERVAL '1' MINUTE)";

function planned(text: string): Pipeline {
  return sqlPipeline(table + text, { id: 'query' });
}

test('how a text is written does not change its plan', () => {
  const one = planned(`SELECT ip, SUM(bytes) / COUNT(*) AS mean ${grouped} HAVING COUNT(*) > 3`);
  const other = planned(
    `-- the same\nselect "ip", ((sum(r.bytes)) / count(*)) mean from r group by 1, tumble(ts, interval 60 second) having count(*)>3;`,
  );
  expect(other.planHash).toBe(one.planHash);
});

test('an expression that changes is another plan, on the same state', () => {
  const one = planned(`SELECT ip, SUM(bytes) AS b ${grouped} HAVING SUM(bytes) > 3`);
  const other = planned(`SELECT ip, SUM(bytes) AS b ${grouped} HAVING SUM(bytes) > 4`);
  expect(other.planHash).not.toBe(one.planHash);
  const differences = diffContracts(contractOf(one.plan), contractOf(other.plan));
  expect(differences.filter(({ kind }) => kind !== 'compatible')).toEqual([]);
});

test('another aggregate is other state', () => {
  const differences = diffContracts(
    contractOf(planned(`SELECT ip, SUM(bytes) AS b ${grouped}`).plan),
    contractOf(planned(`SELECT ip, MAX(bytes) AS b ${grouped}`).plan),
  );
  expect(differences.some(({ kind }) => kind !== 'compatible')).toBe(true);
});

test('steps are placed like those of TypeScript; where every value is kept, memory may spill', () => {
  const placementOf = (text: string): readonly string[] =>
    stepsOf(planned(text).plan).map(({ placement }) => placement);
  expect(placementOf(`SELECT ip, COUNT(*) AS n ${grouped}`)).toEqual(['lambda']);
  expect(placementOf(`SELECT ip, COUNT(DISTINCT bytes) AS n ${grouped}`)).toEqual(['fargate']);
});

test('a view that two queries read is computed once', () => {
  const { plan } = planned(`
    CREATE VIEW per_minute AS SELECT window_start, window_end, ip, COUNT(*) AS n
      FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, ip;
    CREATE TABLE a WITH ('connector' = 'dynamodb'); CREATE TABLE b WITH ('connector' = 'dynamodb');
    INSERT INTO a SELECT ip FROM per_minute WHERE n > 1;
    INSERT INTO b SELECT window_start, MAX(n) AS n FROM per_minute GROUP BY window_start, window_end;`);
  expect(stepsOf(plan).map(({ id }) => id)).toEqual(['per-minute-rows', 'a', 'b']);
});

test('a share cannot go where totals are not known', () => {
  const text = `CREATE TABLE f WITH ('connector' = 's3', 'format' = 'ndjson'); INSERT INTO f SELECT ip, SUM(bytes) / (SELECT SUM(bytes) FROM r) AS s ${grouped}`;
  expect(() => planned(text)).toThrow(/^PIPELINE_INVALID: query: step f shows totals over all keys/);
});

test('windows may be made of windows', () => {
  const rows = runSql(
    `${table} SELECT TUMBLE_END(minute, INTERVAL '5' MINUTE) AS e, SUM(n) AS n FROM (
       SELECT window_time AS minute, ip, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time, ip
     ) GROUP BY TUMBLE(minute, INTERVAL '5' MINUTE)`,
    { r: [0, 61_000, 62_000, 301_000].map((ts) => ({ ip: 'a', bytes: 1, ts })) },
  );
  expect(columnsOf(rows)).toEqual([
    { e: '1970-01-01T00:05:00.000Z', n: 3 },
    { e: '1970-01-01T00:10:00.000Z', n: 1 },
  ]);
});

test('a file that is wrong is named', () => {
  expect(() => sqlPipeline('SELECT', { id: 'x', path: 'pipelines/x.sql' })).toThrow(
    'SQL_INVALID: pipelines/x.sql, line 1, column 7: expected an expression, and found the end of the text.',
  );
});
