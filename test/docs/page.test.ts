import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readPage } from './page.ts';
import { openWorkspace, wrongWith } from './workspace.ts';

const end = '```';

function pageOf(...lines: readonly string[]) {
  const path = join(mkdtempSync(join(tmpdir(), 'page-')), 'planted.md');
  writeFileSync(path, lines.join('\n'));
  return { path, page: readPage(path), marked: readPage(path, true) };
}

test('a page is files, modules and commands in their order, each with what it prints', () => {
  const { page } = pageOf(
    '# A',
    ...['```ndjson file=a.ndjson', '{}', end],
    ...['```ts', 'one();', end, '```text', '1', end],
    ...['```sh fails', 'false', end, '```json', '{}', end],
  );
  expect(page.steps).toEqual([
    { kind: 'file', name: 'a.ndjson', text: '{}\n', line: 3 },
    { kind: 'module', name: 'example-2.ts', text: 'one();\n', line: 6, output: '1\n' },
    { kind: 'command', text: 'false\n', line: 12, fails: true },
  ]);
});

test('of a page where examples are marked the others are left alone', () => {
  const { marked } = pageOf('```ts', 'one();', end, '```sh run', 'true', end);
  expect(marked.steps).toEqual([{ kind: 'command', text: 'true\n', line: 5, fails: false }]);
});

test('what is wrong with an example is said with its line', async () => {
  const { path, page } = pageOf(
    ...['```ts file=one.ts', 'export const one = 1;', end],
    ...['```ts', "import { one } from './one.ts';", 'console.log(one, { a: 1 });', end, '```text', '1 { a: 1 }', end],
    ...['```ts', 'console.log(2);', end, '```text', '3', end],
    ...['```ts', "throw new Error('no good');", end],
    ...['```sh', 'cat one.ts', end, '```text', 'export const one = 1;', end],
    ...['```sh', 'echo no >&2; false', end],
    ...['```sh fails', 'echo yes', end],
    ...['```ts', "import { one } from './one.ts';", "const text: string = one + '1' * 1;", end],
  );
  const workspace = openWorkspace('docs-planted', [page]);
  const [first, ...others] = await workspace.compile();
  expect([first, others.length]).toEqual([expect.stringContaining(`${path}:34: error TS`), 1]);
  const wrong = wrongWith(page, await workspace.run(page));
  expect(wrong).toMatchObject([
    { at: `${path}:12`, says: '3\n', prints: '2\n' },
    { at: `${path}:18`, failure: expect.stringContaining('no good') },
    { at: `${path}:27`, failure: 'it ended with 1: no\n' },
    { at: `${path}:30`, failure: 'it was to fail, and did not' },
  ]);
});
