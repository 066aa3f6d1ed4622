import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdtempSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from 'vitest';
import { checkOutputs, openOutput, openRows, writeRows } from '#cli/output.ts';
import { runOverFiles } from '#cli/run.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { sqlPipeline } from '#shared/sql/index.ts';

const row: PrintedRow = { view: 'v', windowStart: '', windowEnd: '', final: true, text: 'é💧'.repeat(10) };
const file = (): string => join(mkdtempSync(join(tmpdir(), 'millrace-output-')), 'rows.ndjson');

test('rows are written while more of them are made', () => {
  const path = file();
  let bytesSeen = 0;
  function* rows() {
    for (let made = 0; made < 10_000; made += 1) yield { ...row, made };
    bytesSeen = statSync(path).size;
  }
  writeRows(openOutput(path), rows());
  const lines = Array.from({ length: 10_000 }, (_, made) => `${JSON.stringify({ ...row, made })}\n`);
  expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
  expect(bytesSeen / statSync(path).size).toBeGreaterThan(0.9);
});

test('no rows are an empty file', () => {
  const path = file();
  writeRows(openOutput(path), []);
  expect(readFileSync(path, 'utf8')).toBe('');
});

test('a file that cannot be made is OUTPUT_UNWRITABLE, and what fails while rows are made is not', () => {
  expect(() => openOutput(join(file(), 'below'))).toThrow(/^OUTPUT_UNWRITABLE: .* cannot be written/);
  function* rows(): Generator<PrintedRow> {
    yield row;
    throw new Error('a callback threw');
  }
  expect(() => writeRows(openOutput(file()), rows())).toThrow(/^a callback threw$/);
});

test('a file that cannot be made is told by its option', () => {
  const path = join(file(), 'in-no-folder');
  expect(() => openOutput(path, '--dead-letters')).toThrow('cannot be written. Name another --dead-letters.');
});

test('what a file held stays until there is something to write', () => {
  const path = file();
  writeFileSync(path, 'of an earlier run, and longer than what comes');
  const output = openOutput(path);
  expect(readFileSync(path, 'utf8')).toBe('of an earlier run, and longer than what comes');
  output.write('now');
  output.close();
  expect(readFileSync(path, 'utf8')).toBe('now\n');
});

test('a run is told that its rows cannot be written before it reads a record', async () => {
  const text =
    "CREATE TABLE words (word STRING) WITH ('connector' = 'kinesis'); SELECT word, COUNT(*) FROM words GROUP BY word";
  const output = join(file(), 'in-no-folder');
  // That there is no such input is found by reading it.
  const run = runOverFiles(sqlPipeline(text, { id: 'query' }), [{ source: 'words', path: '/none' }], { output });
  await expect(run).rejects.toThrow(`OUTPUT_UNWRITABLE: ${output} cannot be written. Name another --output.`);
});

test('rows without end do end when nobody reads them any more', async () => {
  const script = `import { checkOutputs, openOutput, writeRows } from ${JSON.stringify(resolve('cli/output.ts'))};
    function* rows() { for (;;) yield ${JSON.stringify(row)}; }
    writeRows(openOutput('-'), rows());`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.stdout.destroy();
  expect((await once(child, 'exit'))[0]).toBe(0);
});

test.each(['rows.parquet', 'rows.CSV', 'rows.ndjson.gz'])('a file of lines of JSON is not named %s', (name) => {
  expect(() => openOutput(join(tmpdir(), name))).toThrow(/^INPUT_INVALID: --output writes lines of JSON/);
});

test('an output is no file that is read, by whatever name', () => {
  const path = file();
  writeFileSync(path, 'records');
  symlinkSync(path, `${path}-symbolic`);
  linkSync(path, `${path}-hard`);
  for (const name of [path, `${path}-symbolic`, `${path}-hard`])
    expect(() => checkOutputs({ output: name }, ['-', path])).toThrow(
      `INPUT_INVALID: --output ${name} is read too, and would be lost. Name another file.`,
    );
  expect(() => checkOutputs({ output: `${path}-other`, 'dead-letters': undefined }, ['-', path])).not.toThrow();
});

test('two outputs are two files, and anything may go to where nothing is kept', () => {
  const path = file();
  expect(() => checkOutputs({ output: path, 'dead-letters': path }, [])).toThrow(
    `INPUT_INVALID: --dead-letters ${path} is what --output writes too, and would be lost. Name another file.`,
  );
  expect(() => checkOutputs({ output: '/dev/null', 'dead-letters': '/dev/null' }, ['/dev/null'])).not.toThrow();
  expect(() => checkOutputs({ output: '-', 'dead-letters': '-' }, ['-'])).not.toThrow();
});

const words = "CREATE TABLE words (word STRING, length INT) WITH ('connector' = 'kinesis');";

test('a file that is named so is one of Parquet, with the types of its view', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-output-'));
  const input = { source: 'words', path: join(folder, 'words.ndjson') };
  const output = join(folder, 'rows.parquet');
  writeFileSync(input.path, '{"word":"to","length":null}\n{"word":"be","length":2}\n{"word":"to","length":2}\n');
  writeFileSync(output, 'of an earlier run');
  const text = `${words} SELECT word, COUNT(*) AS n, SUM(length) AS letters, MAX(CAST(NULL AS TIMESTAMP)) AS last FROM words GROUP BY word`;
  await runOverFiles(sqlPipeline(text, { id: 'query' }), [input], { output });
  const duckdb = await (await DuckDBInstance.create(':memory:')).connect();
  const types = 'typeof(n) || typeof(letters) || typeof(last) AS types';
  const found = await duckdb.runAndReadAll(`SELECT word, n, letters, ${types} FROM '${output}' ORDER BY word`);
  expect(found.getRowObjectsJS()).toEqual([
    { word: 'be', n: 1n, letters: 2n, types: 'BIGINTBIGINTTIMESTAMP' },
    { word: 'to', n: 2n, letters: 2n, types: 'BIGINTBIGINTTIMESTAMP' },
  ]);
});

test('a file of Parquet has one view, which is named where there are several', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'millrace-output-')), 'rows.parquet');
  const sink = "WITH ('connector' = 'dynamodb', 'ttl' = '1 d')";
  const text = `${words} CREATE TABLE a ${sink}; CREATE TABLE b ${sink};
    INSERT INTO a SELECT word FROM words; INSERT INTO b SELECT length FROM words`;
  const pipeline = sqlPipeline(text, { id: 'query' });
  const open = (view: string | undefined) => openRows(path, { pipeline, view }, () => undefined);
  expect(() => open(undefined)).toThrow(/^INPUT_INVALID: .* pipeline query has a, b. Name one of them with --view/);
  open('b')([]);
  expect(readFileSync(path, 'latin1')).toMatch(/^PAR1.*PAR1$/s);
});
