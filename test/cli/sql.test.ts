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

describe('millrace sql takes columns by what the options say', () => {
  const times = fileOf('{"ts":"2026-11-21T09:10:00Z"}\n{"ts":"2026-11-21T09:00:00Z"}\n');
  const perMinute = "SELECT COUNT(*) AS n FROM t GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)";

  test('with --schema, too, nothing of a file is late', async () => {
    expect(await rowsOf(perMinute, '--input', times, '--schema', 'ts TIMESTAMP(3)')).toEqual([{ n: 1 }, { n: 1 }]);
    expect(told).toContain('late=0');
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

test('a text without an end is told with its place', async () => {
  await expect(rowsOf("SELECT 'it's' FROM t", '--input', fileOf('{"a":1}\n'))).rejects.toThrow(
    /^SQL_INVALID: line 1, column 13: a text begins here and does not end/,
  );
});
