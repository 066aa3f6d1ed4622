import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from 'citty';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { sqlCommand } from '#cli/sql.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-sql-'));
let files = 0;
let told = '';

beforeEach(() => {
  told = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    told += text;
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

function fileOf(text: string, ending = 'ndjson'): string {
  files += 1;
  const path = join(folder, `${files}.${ending}`);
  writeFileSync(path, text);
  return path;
}

/** The rows that `millrace sql` prints, without the columns that every row has. */
async function rowsOf(query: string, ...options: readonly string[]): Promise<readonly unknown[]> {
  const output = fileOf('');
  await runCommand(sqlCommand, { rawArgs: [query, ...options, '--output', output] });
  return readFileSync(output, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { view: _view, final: _final, windowStart: _start, windowEnd: _end, ...columns } = JSON.parse(line);
      return columns;
    });
}

describe('millrace sql reads every file it is given, or says that it does not', () => {
  const first = fileOf('{"k":"a"}\n{"k":"b"}\n');
  const second = fileOf('{"k":"a"}\n');

  test('several files of one table are all read', async () => {
    const query = 'SELECT k, COUNT(*) AS n FROM t GROUP BY k ORDER BY k';
    const rows = [
      { k: 'a', n: 2 },
      { k: 'b', n: 1 },
    ];
    expect(await rowsOf(query, '--input', first, '--input', second)).toEqual(rows);
    expect(await rowsOf(query, '--input', `t=${first}`, '--input', `T=${second}`)).toEqual(rows);
  });

  test('a file of a table that is not read is told', async () => {
    await expect(rowsOf('SELECT k FROM t', '--input', `t=${first}`, '--input', `u=${second}`)).rejects.toThrow(
      `nothing in the query reads ${second}: it reads t.`,
    );
  });

  test('two tables want a name for each file', async () => {
    await expect(rowsOf('SELECT a.k FROM a JOIN b ON a.k = b.k', '--input', first, '--input', second)).rejects.toThrow(
      'the query reads the tables a and b: name the file of each, as in --input a=FILE --input b=FILE.',
    );
  });
});

describe('millrace sql is told the year of syslog that has none', () => {
  const december = fileOf('Dec 31 23:59:59 web su: a\n', 'log');
  const january = fileOf('Jan  1 00:00:01 web su: b\n', 'log');
  const both = fileOf('<34>Dec 31 23:59:59 web su: a\n<34>Jan  1 00:00:01 web su: b\n', 'log');
  // Without a column of times there is no other order.
  const query = 'SELECT timeMs, message FROM t ORDER BY timeMs';
  const rows = [
    { timeMs: Date.parse('2025-12-31T23:59:59Z'), message: 'a' },
    { timeMs: Date.parse('2026-01-01T00:00:01Z'), message: 'b' },
  ];

  test('of the first line, and goes on from December to January', async () => {
    expect(await rowsOf(query, '--input', both, '--year', '2025')).toEqual(rows);
    const schema = ['--format', 'syslog', '--schema', 'timeMs BIGINT, message STRING'];
    expect(await rowsOf(query, '--input', both, '--year', '2025', ...schema)).toEqual(rows);
    const [first] = await rowsOf(query, '--input', both, '--year', '2025', '--utc-offset', '+01:00');
    expect(first).toEqual({ ...rows[0], timeMs: Date.parse('2025-12-31T22:59:59Z') });
  });

  test('by a time near it, which serves all files of a log', async () => {
    const files = ['--input', december, '--input', january];
    expect(await rowsOf(query, ...files, '--reference', '2026-01-02')).toEqual(rows);
  });

  test('by CREATE TABLE', async () => {
    const created = (option: string): string =>
      `CREATE TABLE t (timeMs BIGINT, message STRING) WITH ('connector' = 'kinesis', 'format' = 'syslog', ${option}); ${query}`;
    expect(await rowsOf(created("'syslog.year' = '2025'"), '--input', both)).toEqual(rows);
    expect(await rowsOf(created("'syslog.reference' = '2026-01-02'"), '--input', both)).toEqual(rows);
    await expect(rowsOf(created("'syslog.year' = '0'"), '--input', both)).rejects.toThrow(
      'table t: the year is 0; it must be one of 1 to 9999.',
    );
    await expect(rowsOf(created("'syslog.reference' = 'now'"), '--input', both)).rejects.toThrow('and no time');
  });

  test('or asks for it', async () => {
    await expect(rowsOf(query, '--input', both)).rejects.toThrow('no line of the input says its year (RFC 3164)');
    await expect(rowsOf('SELECT k FROM t', '--input', fileOf('{"k":1}\n'), '--year', '2025')).rejects.toThrow(
      '--year, --reference and --utc-offset are for files of syslog',
    );
    await expect(rowsOf(query, '--input', both, '--reference', 'soon')).rejects.toThrow("'soon' is no time");
  });
});

test('groups without windows are one on both sides of 1970', async () => {
  const path = fileOf(
    '{"ts":"1969-12-31T23:59:59Z","k":"a"}\n{"ts":"1970-01-01T00:00:00Z","k":"a"}\n{"ts":"0001-01-01T00:00:00Z","k":"a"}\n{"ts":"9999-12-31T23:59:59.999Z","k":"a"}\n',
  );
  expect(await rowsOf('SELECT k, COUNT(*) AS n FROM t GROUP BY k', '--input', path)).toEqual([{ k: 'a', n: 4 }]);
  expect(await rowsOf('SELECT COUNT(*) AS n, MIN(ts) AS first FROM t', '--input', path)).toEqual([
    { n: 4, first: '0001-01-01T00:00:00.000Z' },
  ]);
  const top =
    'SELECT * FROM (SELECT k, ts, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS place FROM t) WHERE place <= 1';
  expect(await rowsOf(top, '--input', path)).toEqual([{ k: 'a', ts: '0001-01-01T00:00:00.000Z', place: 1 }]);
  const distinct = 'SELECT DISTINCT k FROM t';
  expect(await rowsOf(distinct, '--input', path)).toEqual([{ k: 'a' }]);
});

test('an access log of nginx has a column for X-Forwarded-For where lines have it', async () => {
  const line = '10.0.0.1 - - [21/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8"';
  const query = 'SELECT forwardedFor, COUNT(*) AS n FROM t GROUP BY forwardedFor ORDER BY n';
  const path = fileOf(`${line}\n${line} "192.0.2.1"\n${line} "192.0.2.1"\n`, 'log');
  expect(await rowsOf(query, '--input', path)).toEqual([
    { forwardedFor: null, n: 1 },
    { forwardedFor: '192.0.2.1', n: 2 },
  ]);
  await expect(rowsOf(query, '--input', fileOf(`${line}\n`, 'log'))).rejects.toThrow('forwardedFor');
});

test('records of CSV that span lines are seen whole, and their columns too', async () => {
  const path = fileOf('k,n,note\na,1,"x\n\nb,two,y"\n"c\nd",2,"z\n', 'csv');
  const query = 'SELECT k, SUM(n) AS n, MAX(note) AS note FROM t GROUP BY k';
  expect(await rowsOf(query, '--input', path)).toEqual([{ k: 'a', n: 1, note: 'x\n\nb,two,y' }]);
  expect(told).toContain(`${path}:5: undecodable: line 6, character 6: a quote opens a field`);
});

describe('millrace sql takes columns by what the options say', () => {
  const times = fileOf('{"ts":"2026-11-21T09:10:00Z"}\n{"ts":"2026-11-21T09:00:00Z"}\n');
  const perMinute = "SELECT COUNT(*) AS n FROM t GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)";

  test('with --schema, too, nothing of a file is late', async () => {
    expect(await rowsOf(perMinute, '--input', times, '--schema', 'ts TIMESTAMP(3)')).toEqual([{ n: 1 }, { n: 1 }]);
    expect(told).toContain('late=0');
  });

  test('a file that begins in the middle of a line has the format of the others', async () => {
    const file = fileOf('1,"b":2}\n{"a":3}\n{"a":4}\n');
    expect(await rowsOf('SELECT SUM(a) AS a FROM t', '--input', file)).toEqual([{ a: 7 }]);
    expect(told).toContain('sent=3 counted=2 filtered=0 late=0 rejected=1');
  });

  test('--time of no column is told', async () => {
    await expect(rowsOf(perMinute, '--input', times, '--time', 'at')).rejects.toThrow(
      '--time at: no table that is read off a file has this column with a time in it. Columns that may be one: ts.',
    );
    expect(await rowsOf(perMinute, '--input', times, '--time', 'TS')).toHaveLength(2);
  });

  test('each file of CSV has its own header, which may stand in another order and have spaces', async () => {
    const query = 'SELECT k, SUM(n) AS n FROM t GROUP BY k ORDER BY k';
    const csv = [fileOf('k,n\na,1\n', 'csv'), fileOf('n, k\n 2,b\n', 'csv')].flatMap((path) => ['--input', path]);
    const rows = [
      { k: 'a', n: 1 },
      { k: 'b', n: 2 },
    ];
    expect(await rowsOf(query, ...csv)).toEqual(rows);
    expect(told).toContain('rejected=0');
  });

  test('with --schema columns are found by the header, and without one by their places', async () => {
    const query = 'SELECT k, n FROM t';
    const headed = fileOf('n;other;k\n1;x;a\n', 'csv');
    const plain = fileOf('a,1\n', 'csv');
    for (const file of [headed, plain])
      expect(await rowsOf(query, '--input', file, '--schema', 'k STRING, n INT')).toEqual([{ k: 'a', n: 1 }]);
  });
});

describe('a query over a file has an end', () => {
  const file = fileOf('{"k":"a","n":1,"s":"x"}\n{"k":"b","n":5,"s":"y"}\n{"k":"a","n":2,"s":"z"}\n');
  const rows = (query: string): Promise<readonly unknown[]> => rowsOf(query, '--input', file);

  test('it may be ordered by what it does not show', async () => {
    expect(await rows('SELECT k FROM t GROUP BY k ORDER BY COUNT(*) DESC')).toEqual([{ k: 'a' }, { k: 'b' }]);
    expect(await rows('SELECT k, SUM(n) FROM t GROUP BY k ORDER BY SUM(n) DESC, k')).toEqual([
      { k: 'b', sum: 5 },
      { k: 'a', sum: 3 },
    ]);
    expect(await rows('SELECT s FROM t ORDER BY k DESC, -n LIMIT 2')).toEqual([{ s: 'y' }, { s: 'z' }]);
    expect(await rows('SELECT n AS k FROM t ORDER BY k LIMIT 1')).toEqual([{ k: 1 }]);
    await expect(rows('SELECT DISTINCT k FROM t ORDER BY n')).rejects.toThrow(
      'ORDER BY takes a column that is selected',
    );
  });

  test('the first of all groups are not ranked but ordered', async () => {
    await expect(
      rows('SELECT k FROM (SELECT k, RANK() OVER (ORDER BY SUM(n) DESC) AS r FROM t GROUP BY k) WHERE r <= 1'),
    ).rejects.toThrow('Over a file the first rows of all are ORDER BY total DESC LIMIT 3');
  });

  test('aggregates without groups have a row of nothing, as in a database', async () => {
    expect(
      await rows("SELECT COUNT(*) AS n, SUM(n) AS s, (SELECT COUNT(*) FROM t) AS of_all FROM t WHERE k = 'c'"),
    ).toEqual([{ n: 0, s: null, of_all: 3 }]);
    expect(await rows("SELECT COUNT(*) AS n, MAX(s) AS s FROM t WHERE k = 'c' ORDER BY n LIMIT 1")).toEqual([
      { n: 0, s: null },
    ]);
    expect(await rows("SELECT n FROM (SELECT COUNT(*) AS n FROM t WHERE k = 'c') WHERE n < 1")).toEqual([{ n: 0 }]);
    expect(await rows("SELECT n FROM (SELECT COUNT(*) AS n FROM t WHERE k = 'c' HAVING SUM(n) > 1)")).toEqual([]);
    for (const none of ['HAVING COUNT(*) > 0', 'LIMIT 0', 'GROUP BY k'])
      expect(await rows(`SELECT COUNT(*) AS n FROM t WHERE k = 'c' ${none}`)).toEqual([]);
  });

  test('and none when it is of some records that HAVING has hidden', async () => {
    const groups = '(SELECT k, COUNT(*) AS n FROM t GROUP BY k)';
    for (const from of ['t', groups]) {
      expect(await rows(`SELECT COUNT(*) AS n FROM ${from} HAVING COUNT(*) < 2`)).toEqual([]);
      expect(await rows(`SELECT COUNT(*) AS n FROM ${from} WHERE k = 'c' HAVING COUNT(*) < 2`)).toEqual([{ n: 0 }]);
    }
  });
});

test('what is no time in the column that windows are made by is a record to reject', async () => {
  const times = ['2026-11-21T09:00:00Z', null, 'soon', '2026-11-21 09:00:01', '2026-11-21'];
  const file = fileOf(times.map((ts) => `${JSON.stringify({ ts })}\n`).join(''));
  const query = "SELECT COUNT(*) AS n FROM t GROUP BY TUMBLE(ts, INTERVAL '1' DAY)";
  expect(await rowsOf(query, '--input', file)).toEqual([{ n: 3 }]);
  expect(told).toContain(`${file}:3: invalid: ts: is "soon", which is no TIMESTAMP`);
  expect(told).toContain('sent=5 counted=3 filtered=0 late=0 rejected=2');
});

test('a text without an end is told with its place', async () => {
  await expect(rowsOf("SELECT 'it's' FROM t", '--input', fileOf('{"a":1}\n'))).rejects.toThrow(
    /^SQL_INVALID: line 1, column 13: a text begins here and does not end/,
  );
});
