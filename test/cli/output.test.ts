import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { openOutput, writeRows } from '#cli/output.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';

const row: PrintedRow = { view: 'v', windowStart: '', windowEnd: '', final: true, text: 'é💧'.repeat(10) };
const file = (): string => join(mkdtempSync(join(tmpdir(), 'millrace-output-')), 'rows.ndjson');

test('rows are written while more of them are made', () => {
  const path = file();
  let bytesSeen = 0;
  function* rows() {
    for (let made = 0; made < 10_000; made += 1) yield { ...row, made };
    bytesSeen = statSync(path).size;
  }
  writeRows(path, rows());
  const lines = Array.from({ length: 10_000 }, (_, made) => `${JSON.stringify({ ...row, made })}\n`);
  expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
  expect(bytesSeen / statSync(path).size).toBeGreaterThan(0.9);
});

test('no rows are an empty file', () => {
  const path = file();
  writeRows(path, []);
  expect(readFileSync(path, 'utf8')).toBe('');
});

test('a file that cannot be made is OUTPUT_UNWRITABLE, and what fails while rows are made is not', () => {
  expect(() => openOutput(join(file(), 'below'))).toThrow(/^OUTPUT_UNWRITABLE: .* cannot be written/);
  function* rows(): Generator<PrintedRow> {
    yield row;
    throw new Error('a callback threw');
  }
  expect(() => writeRows(file(), rows())).toThrow(/^a callback threw$/);
});

test('a file that cannot be made is told by its option', () => {
  const path = join(file(), 'in-no-folder');
  expect(() => openOutput(path, '--dead-letters')).toThrow('cannot be written. Name another --dead-letters.');
});

test('rows without end do end when nobody reads them any more', async () => {
  const script = `import { writeRows } from ${JSON.stringify(resolve('cli/output.ts'))};
    function* rows() { for (;;) yield ${JSON.stringify(row)}; }
    writeRows('-', rows());`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.stdout.destroy();
  expect((await once(child, 'exit'))[0]).toBe(0);
});
