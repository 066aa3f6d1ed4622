import { expect, test } from 'vitest';
import { contractOf } from '#shared/pipeline/contract.ts';
import { diffContracts } from '#shared/pipeline/contract-diff.ts';
import { mean } from '#shared/pipeline/index.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { sqlPipeline } from '#shared/sql/index.ts';
import type { Arrange } from '#shared/sql/relations/arrange.ts';
import { changeField, takingBack } from '#shared/sql/relations/changes.ts';
import { testDriver } from '#shared/testing/index.ts';
import { columnsOf, runSql } from './run-sql.ts';

const table =
  "CREATE TABLE t (k STRING NOT NULL, g STRING, x DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' DAY) WITH ('connector' = 'kinesis');";
const start = Date.UTC(2026, 10, 21, 9);

function records(...values: readonly (readonly [k: string, g: string, x: number | null])[]): readonly object[] {
  return values.map(([k, g, x], index) => ({ k, g, x, ts: start + index * 1_000 }));
}

const lastOfKey = '(SELECT k, LAST_VALUE(x) AS x, LAST_VALUE(g) AS g FROM t GROUP BY k)';

test('sums of fractions that were taken back are those of the rows which are there, to the last bit', () => {
  const gone = [['a', 'g', 1e16] as const, ['d', 'g', 3e15] as const, ['c', 'g', -7.7] as const];
  const there = [
    ['b', 'g', 0.1] as const,
    ['c', 'g', 0.2] as const,
    ['a', 'g', 0.7] as const,
    ['d', 'g', 1e-17] as const,
  ];
  const sums = 'SELECT SUM(x) AS total, AVG(x) AS mean FROM';
  const rows = columnsOf(runSql(`${table} ${sums} ${lastOfKey}`, { t: records(...gone, ...there) }));
  expect(rows).toEqual(columnsOf(runSql(`${table} ${sums} t`, { t: records(...there) })));
  expect(rows[0]?.['total']).toBe(1);
  // Numbers that are merely added and subtracted lose what is small beside what is gone.
  expect(1e16 + 0.1 + 0.2 + 0.7 - 1e16).not.toBe(1);
});

test('what is kept of a group that lost all of its rows can be read again, and goes on', () => {
  const call = {
    op: 'call',
    name: 'AVG',
    nameAt: { start: 0, end: 0 },
    args: [],
    distinct: false,
    at: { start: 0, end: 0 },
  } as const;
  const average = takingBack(
    mean((values) => values['x'] as number),
    { isMissing: () => false, counts: false, text: [], call },
  );
  const after = (changes: readonly (readonly [x: number, change: 1 | -1])[]): unknown =>
    changes.reduce<unknown>((kept, [x, change]) => {
      const added = average.add(kept, average.select({ x, [changeField]: change }, 0));
      return average.decode(average.encode(added));
    }, average.create());
  const gone = after([
    [0.1, 1],
    [1e16, 1],
    [0.1, -1],
    [1e16, -1],
  ]);
  expect(average.result(gone)).toBeNull();
  expect(average.encode(gone)).toEqual(average.encode(average.create()));
  expect(
    average.result(
      after([
        [0.1, 1],
        [1e16, 1],
        [0.1, -1],
        [1e16, -1],
        [0.3, 1],
      ]),
    ),
  ).toBe(0.3);
});

test('a row goes to another group when what it is grouped by changes, and a group without rows is not shown', () => {
  const t = records(['a', 'old', 1], ['b', 'old', 2], ['a', 'new', 1], ['b', 'new', 2]);
  const rows = runSql(`${table} SELECT g, COUNT(*) AS n, SUM(x) AS total FROM ${lastOfKey} GROUP BY g`, { t });
  expect(rows).toEqual([{ view: 'query', g: 'new', n: 2, total: 3 }]);
});

test('a group whose rows come back is shown again', () => {
  const t = records(['a', 'old', 1], ['a', 'new', 1], ['a', 'old', 5]);
  const rows = runSql(`${table} SELECT g, SUM(x) AS total FROM ${lastOfKey} GROUP BY g`, { t });
  expect(columnsOf(rows)).toEqual([{ g: 'old', total: 5 }]);
});

test('what has become NULL is taken back, and an aggregate of nothing else is NULL or 0', () => {
  const latest = '(SELECT k, ARG_MAX(COALESCE(x, -1), EPOCH_MS(ts)) AS x FROM t GROUP BY k)';
  const t = records(['a', 'g', 4], ['b', 'g', 6], ['a', 'g', null], ['b', 'g', null]);
  const query = `SELECT COUNT(*) AS n, COUNT(y) AS known, SUM(y) AS total, AVG(y) AS mean FROM (SELECT NULLIF(x, -1) AS y FROM ${latest})`;
  expect(columnsOf(runSql(table + query, { t: t.slice(0, 3) }))).toEqual([{ n: 2, known: 1, total: 6, mean: 6 }]);
  expect(columnsOf(runSql(table + query, { t }))).toEqual([{ n: 2, known: 0, total: null, mean: null }]);
});

test('the rows may have a column final, since they do not say whether they are', () => {
  const query = `SELECT final + 1 AS final FROM (SELECT COUNT(*) AS final FROM (SELECT k FROM t GROUP BY k))`;
  expect(runSql(table + query, { t: records(['a', 'g', 1], ['b', 'g', 1]) })).toEqual([{ view: 'query', final: 3 }]);
});

test('over a file without records there is the row that a database has', () => {
  const rowsOf = (query: string): readonly PrintedRow[] => {
    let arrange: Arrange = (rows) => rows;
    const pipeline = sqlPipeline(table + query, {
      id: 'query',
      onArrange: (found) => {
        arrange = found;
      },
    });
    return [...arrange(createBoundedRun(pipeline).finish(), () => false)];
  };
  expect(rowsOf('SELECT COUNT(*) AS n, SUM(x) AS total FROM (SELECT k, SUM(x) AS x FROM t GROUP BY k)')).toEqual([
    { view: 'query', n: 0, total: null },
  ]);
  expect(rowsOf('SELECT COUNT(*) AS rows, SUM(n) AS total FROM (SELECT COUNT(*) AS n FROM t)')).toEqual([
    { view: 'query', rows: 1, total: 0 },
  ]);
  expect(rowsOf('SELECT COUNT(*) AS rows FROM (SELECT COUNT(*) AS n FROM t) WHERE n > 0')).toEqual([
    { view: 'query', rows: 0 },
  ]);
  // Not even what is never NULL has a sum then.
  expect(rowsOf('SELECT SUM(COALESCE(x, 0)) AS total, COUNT(COALESCE(x, 0)) AS n FROM t')).toEqual([
    { view: 'query', final: true, total: null, n: 0 },
  ]);
});

test('a view whose rows change is read by several queries', async () => {
  const text = `${table}
    CREATE VIEW latest AS SELECT k, LAST_VALUE(x) AS x, LAST_VALUE(g) AS g FROM t GROUP BY k;
    CREATE TABLE sums WITH ('connector' = 'dynamodb');
    CREATE TABLE counts WITH ('connector' = 'dynamodb');
    CREATE TABLE rows_as_they_are WITH ('connector' = 'dynamodb');
    INSERT INTO sums SELECT g, SUM(x) AS total FROM latest GROUP BY g;
    INSERT INTO counts SELECT COUNT(*) AS n FROM latest;
    INSERT INTO rows_as_they_are SELECT * FROM latest;`;
  const driver = testDriver(sqlPipeline(text, { id: 'query' }), { slots: 2 });
  await driver.send('t', records(['a', 'g', 1], ['b', 'h', 2], ['a', 'h', 7]) as never);
  await driver.close();
  const read = async (view: string): Promise<readonly object[]> => columnsOf((await driver.read(view)) as never);
  expect(await read('sums')).toEqual([{ g: 'h', total: 9 }]);
  expect(await read('counts')).toEqual([{ n: 2 }]);
  expect(await read('rows-as-they-are')).toEqual([
    { k: 'a', x: 7, g: 'h' },
    { k: 'b', x: 2, g: 'h' },
  ]);
});

test.each([
  ['another condition of the inner groups', 'COUNT(*) > 1', 'COUNT(*) > 2', true],
  ['another condition on their rows', 'WHERE n < 9', 'WHERE n < 8', true],
  ['another value', 'AVG(n)', 'AVG(n + 1)', true],
  ['another key', 'GROUP BY n', 'GROUP BY n + 1', true],
  ['another condition of the groups that are shown', 'HAVING AVG(n) > 1', 'HAVING AVG(n) > 2', false],
  ['another column that is shown of the same', 'AVG(n) AS mean', 'ROUND(AVG(n)) AS mean', false],
])('state of before cannot be gone on with: %s is a breaking change (%s, %s): %s', (_, before, after, isBreaking) => {
  const query =
    'SELECT AVG(n) AS mean FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k HAVING COUNT(*) > 1) WHERE n < 9 GROUP BY n HAVING AVG(n) > 1';
  expect(query).toContain(before);
  const [old, changed] = [query, query.replace(before, after)].map((text) =>
    contractOf(sqlPipeline(table + text, { id: 'query' }).plan),
  ) as [ReturnType<typeof contractOf>, ReturnType<typeof contractOf>];
  expect(diffContracts(old, changed).some(({ kind }) => kind === 'breaking')).toBe(isBreaking);
});
