import { expect, test } from 'vitest';
import { inferTable } from '#shared/sql/index.ts';
import { columnsOf, type Records, runSql } from './run-sql.ts';

// What a random query seldom meets, or what DuckDB says otherwise than PostgreSQL and Flink.

const table = `CREATE TABLE r (id INT NOT NULL, s STRING, p BOOLEAN, x BIGINT, y DOUBLE, z DECIMAL(9, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' DAY) WITH ('connector' = 'kinesis');`;
const start = Date.UTC(2026, 10, 21, 9);

function rowsOf(query: string, records: Records[string]): readonly Readonly<Record<string, unknown>>[] {
  return columnsOf(runSql(`${table} ${query}`, { r: records.map((record) => ({ ts: start, ...(record as object) })) }));
}

test.each([
  ['a NULL that is computed makes what is not found in a list unknown', 'x IN (1, NULLIF(2, 2))', null],
  ['as it does behind NOT', 'x NOT IN (1, CAST(NULL AS BIGINT))', null],
  ['and of texts', "s IN ('', CAST(NULL AS STRING))", null],
  ['a pattern may have hyphens', "'2026-11-21' LIKE '2026-11-%'", true],
  ['and each other sign', "'a/b.c+(d)' LIKE 'a/b.c+(_)'", true],
  ['the rest of decimals is exact', '1.0 % 0.1', 0],
  ['with both signs', '-2.35 % 0.1', -0.05],
  ['and as a function', 'MOD(z, 0.1)', 0],
  ['so is the whole part of their quotient', '0.3 // 0.1', 3],
  ['which DIV gives too', 'DIV(z, 0.1)', 3],
  ['by 0 it has no value', 'MOD(z, 0.00)', null],
  ['a dot of a regular expression is a whole character', "REGEXP_REPLACE('😀x', '.', '_')", '__'],
  ['even one in a class', "REGEXP_EXTRACT('a😀', '[^a]')", '😀'],
  ['escapes that are not needed are taken', "REGEXP_REPLACE('a_b', '\\_', '.')", 'a.b'],
  ['a group that there is not has found nothing', "REGEXP_REPLACE('abc', 'b', '<\\1>')", 'a<>c'],
  ['and \\0 is all that was found', "REGEXP_REPLACE('abc', '(b)c', '<\\0\\1$1>')", 'a<bcb$1>'],
  ['what lies before a text counts from its end too', "SUBSTRING('abc', -5, 3)", 'a'],
  ['all of it may', "SUBSTRING('abc', -5, 2)", ''],
  ['without a length it is all of the rest', "SUBSTRING('abc', -5)", 'abc'],
  ['a year of two digits is one of this century', "TO_TIMESTAMP('21/11/26', 'dd/MM/yy')", '2026-11-21T00:00:00.000Z'],
  [
    'a time is read without signs between its numbers',
    "TO_TIMESTAMP('20261121T093001.5', 'yyyyMMdd''T''HHmmss.S')",
    '2026-11-21T09:30:01.500Z',
  ],
  [
    'there are as many months back as forth',
    "TIMESTAMPDIFF(MONTH, DATE '2024-02-29', DATE '1999-12-31') + TIMESTAMPDIFF(MONTH, DATE '1999-12-31', DATE '2024-02-29')",
    0,
  ],
  ['SIMILAR TO has the signs of LIKE', "'abc' SIMILAR TO 'a%' AND 'abc' SIMILAR TO '_b_'", true],
  ['and those of regular expressions', "'abc' SIMILAR TO '(x|[a-c]+)' AND NOT 'abc' SIMILAR TO 'ab'", true],
  ['where a dot is a dot', "'a.c' SIMILAR TO 'a.c' AND NOT 'abc' SIMILAR TO 'a.c'", true],
  ['and an escaped sign itself', "'a%' SIMILAR TO 'a!%' ESCAPE '!' AND NOT 'ab' SIMILAR TO 'a!%' ESCAPE '!'", true],
  ['the least whole number of a type is one larger', 'TRY_CAST(-128 AS TINYINT)', -128],
  ['than the greatest', 'TRY_CAST(128 AS TINYINT)', null],
  ['of four bytes too', "TRY_CAST('99999999999' AS INT)", null],
  ['and of eight', 'TRY_CAST(1e30 AS BIGINT)', null],
  ['a decimal has so many digits', 'TRY_CAST(99.994 AS DECIMAL(4, 2))', 99.99],
  ['when it is rounded', 'TRY_CAST(99.995 AS DECIMAL(4, 2))', null],
  ['a text is cut to its length in characters', "CAST('ab😀de' AS VARCHAR(3))", 'ab😀'],
  ['IN binds stronger than <>', 'p <> FALSE IN (FALSE)', false],
  ['IS binds weaker', 'NULL = x IS NULL', true],
  ['a part of an interval that is 0 is left out', "INTERVAL '1' DAY * 2", '2 days'],
  ['each part has its sign', "INTERVAL '-25' HOUR", '-1 day -01:00:00'],
  ['months are years and months', "INTERVAL '14' MONTH", '1 year 2 months'],
  ['nothing is a time', "INTERVAL '0' MONTH", '00:00:00'],
  ['a small double has an exponent of two digits', 'CAST(1e-5 AS STRING)', '1e-05'],
  ['as a large one has', 'CAST(123456789012345678e0 AS STRING)', '1.2345678901234568e+17'],
  ['others have a point', 'CAST(1e15 AS STRING)', '1000000000000000.0'],
  [
    'a time before the year 0 has a sign',
    "TIMESTAMP '0001-01-01 00:00:00' - INTERVAL '13' MONTH",
    '-000001-12-01T00:00:00.000Z',
  ],
  ['in a text', "CAST(TIMESTAMP '0001-01-01 00:00:00' - INTERVAL '13' MONTH AS STRING)", '-000001-12-01 00:00:00'],
  ['by a pattern', "DATE_FORMAT(TIMESTAMP '0001-01-01 00:00:00' - INTERVAL '13' MONTH, 'yyyy-MM')", '-0001-12'],
  ['and is read again', "YEAR(CAST('-000001-12-01 00:00:00' AS TIMESTAMP))", -1],
  ['a date beyond 9999 has all of its digits', "CAST('12345-01-01' AS DATE)", '12345-01-01'],
  ['a time that is too far away is NULL', "ts + INTERVAL '99999' DAY * 1e9", null],
  ['of months too', 'TIMESTAMPADD(MONTH, 99999999, ts)', null],
  ['and of a number of seconds', 'FROM_UNIXTIME(1e300)', null],
] as const)('%s: %s', (_, expression, expected) => {
  expect(rowsOf(`SELECT ${expression} AS e FROM r`, [{ id: 1, s: 'a', p: true, x: 3, z: 0.3 }])).toEqual([
    { e: expected },
  ]);
});

test('the mean of decimals is that of their exact sum', () => {
  const records = [0.1, 0.2, -0.3].map((z, id) => ({ id, z }));
  expect(rowsOf('SELECT AVG(z) AS mean FROM r', records)).toEqual([{ mean: 0 }]);
  // That of the doubles nearest to them is not.
  expect(rowsOf('SELECT AVG(CAST(z AS DOUBLE)) AS mean FROM r', records)).not.toEqual([{ mean: 0 }]);
});

test('a window none of whose records fulfil the condition is not shown beside a total of others', () => {
  const query = (by: string): string =>
    `SELECT SUM(x) AS total, (SELECT COUNT(*) FROM r) AS n FROM r WHERE x > 5 ${by}`;
  const records = [
    { id: 1, x: 1 },
    { id: 2, x: 9, ts: start + 60_000 },
  ];
  expect(rowsOf(query("GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)"), records)).toEqual([{ total: 9, n: 1 }]);
  expect(rowsOf(query(''), records.slice(0, 1))).toEqual([{ total: null, n: 1 }]);
});

test('the columns of a right join stay where they were written', () => {
  const records = [
    { id: 1, s: 'a' },
    { id: 2, s: 'b' },
  ];
  const rows = rowsOf(
    `SELECT * FROM (SELECT id, s, ts FROM r WHERE id = 1) a RIGHT JOIN (SELECT id AS n, s, ts FROM r) b
      ON a.s = b.s AND a.ts = b.ts ORDER BY n`,
    records,
  );
  expect(rows.map((row) => Object.entries(row).filter(([name]) => !name.startsWith('ts')))).toEqual([
    Object.entries({ id: 1, s: 'a', n: 1, s_2: 'a' }),
    Object.entries({ id: null, s: null, n: 2, s_2: 'b' }),
  ]);
});

test('a column of USING is one column, of the side that has it', () => {
  const records = [
    { id: 1, s: 'a' },
    { id: 2, s: 'b' },
    { id: 3, s: 'c' },
  ];
  const joined = `FROM (SELECT id AS m, s, ts FROM r WHERE id < 3) a FULL JOIN (SELECT id AS n, s, ts FROM r WHERE id > 1) b
    USING (s, ts)`;
  expect(rowsOf(`SELECT * ${joined} ORDER BY s`, records).map(({ ts: _, ...row }) => row)).toEqual([
    { s: 'a', m: 1, n: null },
    { s: 'b', m: 2, n: 2 },
    { s: 'c', m: null, n: 3 },
  ]);
  expect(rowsOf(`SELECT s, a.s AS left_s, b.s AS right_s ${joined} WHERE a.s IS NULL`, records)).toEqual([
    { s: 'c', left_s: null, right_s: 'c' },
  ]);
  expect(rowsOf(`SELECT s, COUNT(*) AS n ${joined} GROUP BY s HAVING COUNT(*) > 1`, [...records, ...records])).toEqual([
    { s: 'a', n: 2 },
    { s: 'b', n: 4 },
    { s: 'c', n: 2 },
  ]);
});

test.each([
  ["a name behind its table's is that of the column, not of what SELECT names so", '-x AS x', 'r.x', [-9, -10]],
  ['alone it is that of what SELECT names so', '-x AS x', 'x', [-10, -9]],
  ['intervals go by their length, not by their texts', "INTERVAL '1' DAY * x AS x", 'x', ['9 days', '10 days']],
  ['as do those below 0', "INTERVAL '-1' SECOND * x AS x", 'x', ['-00:00:10', '-00:00:09']],
  [
    'and times by what they are',
    'TO_TIMESTAMP(253402300790 + x) AS x',
    'x',
    ['9999-12-31T23:59:59.000Z', '10000-01-01T00:00:00.000Z'],
  ],
])('ORDER BY: %s', (_, selected, order, expected) => {
  const rows = rowsOf(`SELECT ${selected} FROM r ORDER BY ${order}`, [
    { id: 1, x: 10 },
    { id: 2, x: 9 },
  ]);
  expect(rows.map((row) => Object.values(row)[0])).toEqual(expected);
});

test('a join with the different keys of each window shows a record once, or those that have no key there', () => {
  const windows = "TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' MINUTE))";
  const joined = `${windows} a LEFT JOIN (SELECT DISTINCT x, window_start, window_end FROM ${windows} WHERE s = 'b') b
    ON a.x = b.x AND a.window_start = b.window_start AND a.window_end = b.window_end WHERE a.s = 'a'`;
  const records = [
    { id: 1, s: 'a', x: 1 },
    { id: 2, s: 'b', x: 1 },
    { id: 3, s: 'b', x: 1 },
    { id: 4, s: 'a', x: 2 },
    { id: 5, s: 'b', x: 2, ts: start + 60_000 },
  ];
  expect(rowsOf(`SELECT a.id FROM ${joined} AND b.x IS NOT NULL`, records)).toEqual([{ id: 1 }]);
  expect(rowsOf(`SELECT a.id FROM ${joined} AND b.x IS NULL`, records)).toEqual([{ id: 4 }]);
  expect(rowsOf(`SELECT a.id FROM ${joined.replace('LEFT JOIN', 'JOIN')}`, records)).toEqual([{ id: 1 }]);
});

test('what is computed with the bounds of a window stands around the query that numbers its rows', () => {
  const ranked = `SELECT id, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY id) AS n, window_start
    FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' MINUTE))`;
  const records = [{ id: 1 }, { id: 2 }, { id: 3, ts: start + 60_000 }];
  const late = "window_start > TIMESTAMP '2026-11-21 09:00:00'";
  expect(rowsOf(`SELECT id FROM (${ranked}) WHERE n <= 1 AND ${late}`, records)).toEqual([{ id: 3 }]);
});

test('a number may be among different values', () => {
  expect(rowsOf("SELECT DISTINCT 5 AS five, 'x' AS text FROM r", [{ id: 1 }, { id: 2 }])).toEqual([
    { five: 5, text: 'x' },
  ]);
});

test.each([
  ['COALESCE(o, CAST(x AS TIMESTAMP))', '2026-01-01T12:00:00.000Z'],
  ["CASE WHEN o IS NULL THEN CAST('2026-01-02' AS DATE) ELSE o END", '2026-01-02'],
  ["COALESCE(o, INTERVAL '5' SECOND)", '00:00:05'],
])('among values of JSON, %s is as it is printed, and a time again', (expression, printed) => {
  const records = [
    { id: 0, x: '2026-01-01T12:00:00Z', o: null },
    { id: 1, x: '2026-01-01T12:00:00Z', o: { k: 1 } },
  ];
  const table = "CREATE TABLE t (id INT, x STRING, o JSON) WITH ('connector' = 'kinesis'); ";
  const rows = runSql(`${table} SELECT id, ${expression} AS c FROM t`, { t: records });
  expect(rows.map(({ id, c }) => [id, c]).sort()).toEqual([
    [0, printed],
    [1, { k: 1 }],
  ]);
  const late = "WHERE o IS NULL AND COALESCE(o, CAST(x AS TIMESTAMP)) > TIMESTAMP '2026-01-01 00:00:00'";
  expect(runSql(`${table} SELECT id FROM t ${late}`, { t: records })).toHaveLength(1);
  const both = runSql(`${table} SELECT CAST(x AS TIMESTAMP) AS c FROM t UNION ALL SELECT o FROM t`, { t: records });
  expect(both.map(({ c }) => c)).toEqual(expect.arrayContaining(['2026-01-01T12:00:00.000Z', { k: 1 }]));
});

test('a column of USING may stand in WHERE, and in what is joined with it', () => {
  const query = `SELECT s, a.id AS l, b.id AS n FROM r a JOIN (SELECT id, s, ts FROM r) b USING (s, ts) WHERE s = 'b' AND a.id = b.id`;
  const records = [
    { id: 1, s: 'a' },
    { id: 2, s: 'b' },
  ];
  expect(rowsOf(query, records)).toEqual([{ s: 'b', l: 2, n: 2 }]);
});

test('the bounds of a side that is missing are NULL when rows are grouped by them, and those of USING are the window', () => {
  const windows = (id: number): string =>
    `(SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
      WHERE id = ${id} GROUP BY window_start, window_end)`;
  const records = [{ id: 1 }, { id: 2, ts: start + 60_000 }];
  const joined = `FROM ${windows(1)} a FULL JOIN ${windows(2)} b`;
  expect(
    rowsOf(
      `SELECT a.window_start AS w, COUNT(*) AS n ${joined} ON a.window_start = b.window_start AND a.window_end = b.window_end
        GROUP BY a.window_start, a.window_end ORDER BY n, w NULLS FIRST`,
      records,
    ),
  ).toEqual([
    { w: null, n: 1 },
    { w: new Date(start).toISOString(), n: 1 },
  ]);
  const merged = `SELECT window_start AS w, COUNT(*) AS n ${joined} USING (window_start, window_end) GROUP BY window_start, window_end`;
  expect(runSql(`${table} ${merged}`, { r: records.map((record) => ({ ts: start, ...record })) })).toMatchObject(
    [start, start + 60_000].map((ms) => ({ windowStart: new Date(ms).toISOString(), w: new Date(ms).toISOString() })),
  );
});

test('INSERT INTO writes decimals with the digits of the column', () => {
  const rows = rowsOf(
    "CREATE TABLE o (d DECIMAL(9, 1)) WITH ('connector' = 'dynamodb'); INSERT INTO o SELECT z FROM r",
    [{ id: 1, z: -2.25 }],
  );
  expect(rows).toEqual([{ d: -2.3 }]);
});

test('values of JSON are put in order, and what has none is rejected', () => {
  const json =
    "CREATE TABLE j (v JSON, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' DAY) WITH ('connector' = 'kinesis');";
  const run = (query: string, ...values: unknown[]): readonly object[] =>
    columnsOf(runSql(json + query, { j: values.map((v) => ({ v, ts: start })) }));
  expect(run('SELECT v FROM j ORDER BY v DESC', 2, 'b', null, 10, 'a')).toEqual(
    ['b', 'a', 10, 2, null].map((v) => ({ v })),
  );
  expect(run('SELECT v FROM (SELECT v, RANK() OVER (ORDER BY v) AS n FROM j) WHERE n = 1', 'b', 2, 10)).toEqual([
    { v: 2 },
  ]);
  for (const select of ['COUNT(DISTINCT v)', 'MAX(v)', 'COUNT(*) FILTER (WHERE v IS DISTINCT FROM v)'])
    expect(() => run(`SELECT ${select} AS n FROM j`, { a: 1 }), select).toThrow('{"a":1} in v cannot be compared');
  const row = json.replace('JSON', 'ROW<a INT>');
  expect(() => runSql(`${row} SELECT COUNT(DISTINCT v) AS n FROM j`, {})).toThrow('cannot be told apart');
});

test('the sessions of a table function are those of the columns that it names, or of all records', () => {
  const records = [0, 50, 100, 150].map((seconds, id) => ({
    id,
    s: id % 2 === 0 ? 'a' : 'b',
    ts: start + seconds * 1_000,
  }));
  const counts = (partition: string, columns: string, from = 'r'): readonly object[] =>
    rowsOf(
      `SELECT ${columns} COUNT(*) AS n FROM TABLE(SESSION(TABLE ${from} ${partition}, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
        GROUP BY ${columns} window_start, window_end`,
      records,
    );
  expect(counts('', '')).toEqual([{ n: 4 }]);
  expect(counts('PARTITION BY s', 's,')).toEqual(['a', 'b', 'a', 'b'].map((s) => ({ s, n: 1 })));
  expect(counts('PARTITION BY (s, id % 2)', 'id % 2, s,')).toHaveLength(4);
  expect(counts('PARTITION BY s', 's,', "(SELECT * FROM r WHERE s = 'b')")).toEqual([
    { s: 'b', n: 1 },
    { s: 'b', n: 1 },
  ]);
  // A column that has the name of another one is another.
  expect(() =>
    rowsOf(
      `SELECT s, COUNT(*) AS n FROM (SELECT id AS s, window_start, window_end
        FROM TABLE(SESSION(TABLE r PARTITION BY s, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) GROUP BY s, window_start, window_end`,
      records,
    ),
  ).toThrow('the sessions are those of other columns');
});

test('no record of a file is late, however old', () => {
  const records = ['9999-12-31', '1900-01-01', '0001-01-01'].map((day) => ({ ts: `${day} 00:00:00` }));
  const lines = records.map((record) => JSON.stringify(record));
  const rows = runSql("SELECT COUNT(*) AS n FROM t GROUP BY TUMBLE(ts, INTERVAL '1' DAY)", { t: records }, (name) =>
    inferTable({ name, lines, timeColumns: ['ts'], outOfOrdernessMs: undefined }),
  );
  expect(columnsOf(rows)).toEqual([{ n: 1 }, { n: 1 }, { n: 1 }]);
});

test('what is no text is no CSV, and a text may hold any character', () => {
  const infer = (...lines: readonly string[]) =>
    inferTable({ name: 't', lines, timeColumns: [], outOfOrdernessMs: undefined }).columns.map(({ name }) => name);
  expect(() => infer('Obj\u0001\u0004\u0016avro.schema')).toThrow(
    'the input is not text, so it has no lines to read columns off. Records of Avro and Protocol Buffers are read by',
  );
  expect(infer('{"a":"\ufffd"}')).toEqual(['a']);
  expect(infer('<34>1 2026-11-21T10:00:00Z web su - - - \u0007bell')).toContain('message');
});

test('which version is valid does not depend on what is asked of it', () => {
  const records = [
    { id: 1, s: 'a', x: null },
    { id: 2, s: 'a', x: 7, ts: start + 1_000 },
    { id: 3, s: 'a', x: 9, ts: start + 2_000 },
  ];
  const joined = (rest: string): readonly object[] =>
    rowsOf(
      `CREATE VIEW v AS SELECT * FROM r WHERE id < 3;
        SELECT a.id AS l, b.id AS v FROM (SELECT * FROM r WHERE id = 3) a JOIN v FOR SYSTEM_TIME AS OF a.ts AS b ON a.s = b.s ${rest}`,
      records,
    );
  expect(joined('')).toEqual([{ l: 3, v: 2 }]);
  for (const rest of ['WHERE b.x IS NULL', 'AND b.x IS NULL', 'WHERE a.x = b.x', 'WHERE b.id = 1 AND a.id = 3'])
    expect(joined(rest), rest).toEqual([]);
  expect(joined('AND b.x = 7 WHERE a.x > b.x')).toEqual([{ l: 3, v: 2 }]);
});

test('rows are not ordered by lists, which have no order', () => {
  const text = "CREATE TABLE r (tags ARRAY<STRING>) WITH ('connector' = 'kinesis'); SELECT tags FROM r ORDER BY tags";
  expect(() => runSql(text, { r: [{ tags: [] }] })).toThrow('values of type ARRAY<STRING> have no order.');
});
