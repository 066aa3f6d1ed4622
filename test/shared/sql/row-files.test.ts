import { describe, test } from 'vitest';
import { sql, sqlPipeline } from '#shared/sql/index.ts';
import { expectFiles, orders, sinks, type Types } from '../row-files.ts';

/** What the columns of SQL are declared as, with what is sent and what files have. */
const declared = `
  ts TIMESTAMP(3) NOT NULL, shop STRING, cents BIGINT, weight DOUBLE, price DECIMAL(10, 2), note STRING, gift BOOLEAN,
  due TIMESTAMP(3), day DATE, tags ARRAY<STRING>, size ROW<w INT, h INT>, more JSON,
  WATERMARK FOR ts AS ts`;
const sentToSql = [
  { ts: 0, shop: 'a' },
  {
    ts: 86_400_000,
    shop: 'a',
    ...{ cents: 250, weight: 0.5, price: 12.35, note: 'soon', gift: true, due: '2026-11-21T10:00:00.5Z' },
    ...{ day: '2026-11-21', tags: ['x'], size: { w: 1, h: 2 }, more: 'text' },
  },
  {
    ts: 86_401_000,
    shop: 'b',
    ...{ cents: 9_007_199_254_740_991, weight: 2, price: 0.01, note: '', gift: false, due: '1969-12-31T23:59:59Z' },
    ...{ day: '0999-01-01', tags: [], size: null, more: { a: [1] } },
  },
];
const declaredTypes = {
  ts: 'TIMESTAMP',
  shop: 'VARCHAR',
  cents: 'BIGINT',
  weight: 'DOUBLE',
  price: 'DOUBLE',
  note: 'VARCHAR',
  gift: 'BOOLEAN',
  due: 'TIMESTAMP',
  day: 'DATE',
  tags: 'JSON',
  size: 'JSON',
  more: 'JSON',
};
const bounds = { windowStart: 'TIMESTAMP', windowEnd: 'TIMESTAMP' };

describe('all files of a view in SQL have one schema', () => {
  test.each<readonly [string, string, Types]>([
    ['all columns', 'SELECT * FROM orders', declaredTypes],
    [
      'expressions, and what is always NULL',
      `SELECT cents + 1 AS more, weight > 1 AS heavy, due - INTERVAL '1' HOUR AS before, CAST(due AS DATE) AS day,
        due - ts AS wait, price * 2 AS double, UPPER(note) AS loud, size.w AS w, tags[1] AS tag, NULL AS nothing, CAST(more AS STRING) AS a,
        CASE WHEN gift THEN cents END AS given, CHAR_LENGTH(note) AS len FROM orders`,
      {
        more: 'BIGINT',
        heavy: 'BOOLEAN',
        before: 'TIMESTAMP',
        day: 'DATE',
        wait: 'VARCHAR',
        double: 'DOUBLE',
        loud: 'VARCHAR',
        w: 'BIGINT',
        tag: 'VARCHAR',
        nothing: 'VARCHAR',
        a: 'VARCHAR',
        given: 'BIGINT',
        len: 'BIGINT',
      },
    ],
    [
      'groups in windows',
      `SELECT shop, TUMBLE_START(ts, INTERVAL '1' HOUR) AS hour, COUNT(*) AS n, COUNT(cents) AS some, SUM(cents) AS cents, AVG(cents) AS mean,
        SUM(price) AS price, MIN(due) AS due, MAX(day) AS day, MAX(note) AS note, LAST_VALUE(gift) AS gift, SUM(cents) + 1 AS next,
        COUNT(DISTINCT note) AS notes, MIN(cents) AS least FROM orders GROUP BY shop, TUMBLE(ts, INTERVAL '1' HOUR)`,
      {
        ...bounds,
        shop: 'VARCHAR',
        hour: 'TIMESTAMP',
        n: 'BIGINT',
        some: 'BIGINT',
        cents: 'BIGINT',
        mean: 'DOUBLE',
        price: 'DOUBLE',
        due: 'TIMESTAMP',
        day: 'DATE',
        note: 'VARCHAR',
        gift: 'BOOLEAN',
        next: 'BIGINT',
        notes: 'BIGINT',
        least: 'BIGINT',
      },
    ],
    [
      'groups by a time, a truth value and a day, in windows that overlap',
      `SELECT due, gift, day, cents, COUNT(*) AS n FROM orders GROUP BY due, gift, day, cents, HOP(ts, INTERVAL '12' HOUR, INTERVAL '1' DAY)`,
      { ...bounds, due: 'TIMESTAMP', gift: 'BOOLEAN', day: 'DATE', cents: 'BIGINT', n: 'BIGINT' },
    ],
    [
      'sessions',
      `SELECT shop, SUM(cents) AS cents, MAX(due) AS due FROM orders GROUP BY shop, SESSION(ts, INTERVAL '1' MINUTE)`,
      { ...bounds, shop: 'VARCHAR', cents: 'BIGINT', due: 'TIMESTAMP' },
    ],
    [
      'cumulative windows',
      `SELECT window_start, window_end, shop, SUM(cents) AS cents FROM TABLE(CUMULATE(TABLE orders, DESCRIPTOR(ts), INTERVAL '8' HOUR, INTERVAL '1' DAY))
        GROUP BY window_start, window_end, shop`,
      { ...bounds, window_start: 'TIMESTAMP', window_end: 'TIMESTAMP', shop: 'VARCHAR', cents: 'BIGINT' },
    ],
    [
      'joins',
      `SELECT a.shop, a.ts AS ats, b.ts AS bts, b.cents, b.due, b.day, b.gift, b.tags FROM orders AS a
        LEFT JOIN (SELECT * FROM orders WHERE cents > 0) AS b ON a.shop = b.shop AND b.ts BETWEEN a.ts AND a.ts`,
      {
        shop: 'VARCHAR',
        ats: 'TIMESTAMP',
        bts: 'TIMESTAMP',
        cents: 'BIGINT',
        due: 'TIMESTAMP',
        day: 'DATE',
        gift: 'BOOLEAN',
        tags: 'JSON',
      },
    ],
    [
      'the first rows of windows',
      `SELECT shop, cents, due, place FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY ts) AS place
        FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' HOUR))) WHERE place <= 2`,
      { ...bounds, shop: 'VARCHAR', cents: 'BIGINT', due: 'TIMESTAMP', place: 'BIGINT' },
    ],
    [
      'several queries as one',
      `SELECT shop, cents AS n, due FROM orders UNION ALL SELECT shop, weight, NULL FROM orders`,
      { shop: 'VARCHAR', n: 'DOUBLE', due: 'TIMESTAMP' },
    ],
  ])('%s', async (_, query, types) => {
    const text = `CREATE TABLE orders (${declared}) WITH ('connector' = 'kinesis', 'format' = 'json');
      CREATE TABLE rows_of WITH ('connector' = 's3, kinesis', 'rows-max' = '1');
      INSERT INTO rows_of ${query};`;
    await expectFiles(sqlPipeline(text, { id: 'test' }), types, sentToSql);
  });

  test('with the types of the table that it writes to', async () => {
    const text = `CREATE TABLE orders (${declared}) WITH ('connector' = 'kinesis', 'format' = 'json');
      CREATE TABLE rows_of (weight BIGINT, cents DOUBLE, due STRING, day TIMESTAMP, note JSON) WITH ('connector' = 's3, kinesis', 'rows-max' = '1');
      INSERT INTO rows_of SELECT weight, cents, due, day, more FROM orders;`;
    const types = { weight: 'BIGINT', cents: 'DOUBLE', due: 'VARCHAR', day: 'TIMESTAMP', note: 'JSON' };
    await expectFiles(sqlPipeline(text, { id: 'test' }), types, sentToSql);
  });

  test('in TypeScript, also over a stream that has any columns', async () => {
    const known = sql('rows')`SELECT ts, cents, due, tags, gift FROM ${orders}`.to(...sinks);
    await expectFiles(known, { ts: 'BIGINT', cents: 'BIGINT', due: 'TIMESTAMP', tags: 'JSON', gift: 'BOOLEAN' });
    const mapped = orders.map(({ shop, cents, note, tags, ts }) => ({ shop, cents, note: note ?? null, tags, ts }));
    const open = sql('rows')`SELECT cents, note, tags, cents AS again FROM ${mapped}`.to(...sinks);
    await expectFiles(open, { cents: 'DOUBLE', note: 'VARCHAR', tags: 'JSON', again: 'DOUBLE' });
    const grouped = sql('rows')`
      SELECT shop, LAST_VALUE(note) AS note, COUNT(cents) AS n FROM ${mapped} GROUP BY shop, TUMBLE(rowtime, INTERVAL '1' HOUR)`;
    await expectFiles(grouped.to(...sinks), { ...bounds, shop: 'VARCHAR', note: 'VARCHAR', n: 'BIGINT' });
  });
});
