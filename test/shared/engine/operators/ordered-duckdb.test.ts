import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type AnyOutput,
  count,
  countWindow,
  everyRecords,
  global,
  milliseconds,
  session,
  sum,
} from '#shared/pipeline/index.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { pipelineOf, type Reading, readings, sink } from '../../readings.ts';

// What a database makes of the same records, thousands of histories in one table: which windows there are, and how many records each holds.

const histories: readonly (readonly Reading[])[] = fc.sample(
  fc.array(
    fc.record({
      at: fc.integer({ min: -30, max: 90 }),
      key: fc.constantFrom('a', 'b'),
      amount: fc.integer({ min: 1, max: 9 }),
    }),
    { maxLength: 40 },
  ),
  { numRuns: 3_000, seed: 18 },
);

const keyed = readings({ outOfOrderness: 1_000 }).keyBy((reading) => ({ key: reading.key }));
const allowedLateness = milliseconds(0);
const inOrder = '(PARTITION BY h, key ORDER BY t)';

const cases: Readonly<Record<string, readonly [output: AnyOutput, query: string]>> = {
  'sessions with a greatest length': [
    keyed
      .window(session({ gap: milliseconds(5), maxLength: milliseconds(12) }), { allowedLateness })
      .aggregate('view', { n: count(), total: sum((reading: Reading) => reading.amount) })
      .to(sink),
    `WITH RECURSIVE numbered AS (SELECT *, row_number() OVER ${inOrder} AS n FROM records), walk AS (
       SELECT h, key, t, v, n, t AS s FROM numbered WHERE n = 1
       UNION ALL
       SELECT o.h, o.key, o.t, o.v, o.n, CASE WHEN o.t > w.t + 5 OR o.t >= w.s + 12 THEN o.t ELSE w.s END
       FROM walk w JOIN numbered o ON o.h = w.h AND o.key = w.key AND o.n = w.n + 1
     ) SELECT h, key, s, least(max(t) + 5, s + 12), count(*), sum(v) FROM walk GROUP BY h, key, s`,
  ],
  'every 4 records': [
    keyed.window(countWindow(4), { allowedLateness }).aggregate('view', { n: count(), total: count() }).to(sink),
    `SELECT h, key, min(t), max(t) + 1, count(*), count(*)
     FROM (SELECT *, (row_number() OVER ${inOrder} - 1) // 4 AS part FROM records)
     GROUP BY h, key, part HAVING count(*) = 4`,
  ],
  'every 4 records and those that are left': [
    keyed
      .window(countWindow(4, { incomplete: 'emit' }), { allowedLateness })
      .aggregate('view', { n: count(), total: count() })
      .to(sink),
    `SELECT h, key, min(t), max(t) + 1, count(*), count(*)
     FROM (SELECT *, (row_number() OVER ${inOrder} - 1) // 4 AS part FROM records) GROUP BY h, key, part`,
  ],
  'all records': [
    keyed
      .window(global({ trigger: everyRecords(3) }), { allowedLateness })
      .aggregate('view', { n: count(), total: sum((reading: Reading) => reading.amount) })
      .to(sink),
    'SELECT h, key, 0, 0, count(*), sum(v) FROM records GROUP BY h, key',
  ],
};

const instance = await DuckDBInstance.create(':memory:');

test.each(Object.entries(cases))('%s are those of DuckDB', { timeout: fuzzTimeoutMs }, async (_, [output, query]) => {
  const connection = await instance.connect();
  const values = histories.flatMap((records, h) =>
    records.map(({ at, key, amount }) => `(${h},'${key}',${at},${amount})`),
  );
  await connection.run(`CREATE OR REPLACE TABLE records AS SELECT * FROM (VALUES ${values.join()}) AS r(h, key, t, v)`);
  const right = (await connection.runAndReadAll(query)).getRows().map((row) => row.map(String).join(' '));
  const pipeline = pipelineOf([output]);
  const found = histories.flatMap((records, h) => {
    const run = createBoundedRun(pipeline);
    for (const record of records) run.takeValue('readings', record);
    return [...run.finish()].map(({ key, windowStart, windowEnd, n, total }) =>
      [h, key, Date.parse(windowStart ?? '1970-01-01'), Date.parse(windowEnd ?? '1970-01-01'), n, total].join(' '),
    );
  });
  expect(found.length).toBeGreaterThan(histories.length / 2);
  expect(found.sort()).toEqual(right.sort());
});
