import fc from 'fast-check';
import * as z from 'zod';
import { seconds, stream } from '#shared/pipeline/index.ts';
import { sqlPipeline } from '#shared/sql/index.ts';
import { amount, fewSlots, historiesOf, key, type Suite } from './suite.ts';

/** Queries with every aggregate of SQL, of columns that are NULL now and then. */
export function sqlSuites(): readonly Suite[] {
  const aggregates = `COUNT(*) AS a, COUNT(amount) AS b, COUNT(DISTINCT tag) AS c, SUM(amount) AS d, AVG(amount) AS e, MIN(tag) AS f, MAX(tag) AS g,
    STDDEV(amount) AS h, CORR(amount, number) AS i, FIRST_VALUE(tag) AS j, LAST_VALUE(tag) AS k, ARG_MIN(tag, amount) AS l, BOOL_AND(isBig) AS m,
    BOOL_OR(isBig) AS n, APPROX_COUNT_DISTINCT(tag) AS o, APPROX_QUANTILE(amount, 0.5) AS p, SUM(number) FILTER (WHERE isBig) AS q`;
  const queries = {
    windows: `SELECT key, ${aggregates} FROM records GROUP BY key, TUMBLE(at, INTERVAL '10' SECOND)`,
    ever: `SELECT key, ${aggregates} FROM records GROUP BY key`,
    changes: `SELECT n, COUNT(*) AS keys, COUNT(total) AS b, SUM(total) AS c, AVG(total) AS d
      FROM (SELECT key, COUNT(*) AS n, SUM(amount) AS total FROM records GROUP BY key) GROUP BY n`,
    distinct: 'SELECT key, COUNT(*) AS tags FROM (SELECT DISTINCT key, tag FROM records) GROUP BY key',
    ranks: `SELECT key, tag, number FROM (
      SELECT *, DENSE_RANK() OVER (PARTITION BY key ORDER BY tag DESC) AS place FROM records) WHERE place <= 2`,
    shares: `SELECT key, share, place FROM (
      SELECT key, SUM(amount) / SUM(SUM(amount)) OVER (PARTITION BY window_start, window_end) AS share,
        ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY share DESC) AS place
      FROM TABLE(TUMBLE(TABLE records, DESCRIPTOR(at), INTERVAL '10' SECOND)) GROUP BY key, window_start, window_end)
      WHERE place <= 2`,
  };
  const fields = {
    key,
    number: amount,
    amount: fc.option(amount),
    tag: fc.option(fc.constantFrom('x', 'y', 'z')),
    isBig: fc.option(fc.boolean()),
  };
  const records = stream('records', {
    schema: z.object({
      at: z.number(),
      key: z.string(),
      number: z.number().int(),
      amount: z.number().int().nullable(),
      tag: z.string().nullable(),
      isBig: z.boolean().nullable(),
    }),
    timestamp: (one) => one.at,
    outOfOrderness: seconds(3),
  });
  const table = `CREATE TABLE records (at TIMESTAMP(3) NOT NULL, key STRING NOT NULL, number INT NOT NULL, amount INT, tag STRING, isBig BOOLEAN,
    WATERMARK FOR at AS at - INTERVAL '3' SECOND) WITH ('connector' = 'kinesis');`;
  return Object.entries(queries).map(([name, query]) => ({
    name: `sql/${name}`,
    pipeline: fewSlots(sqlPipeline(`${table} ${query}`, { id: name })),
    histories: historiesOf([{ stream: records, time: 'at', fields }], {}),
  }));
}
