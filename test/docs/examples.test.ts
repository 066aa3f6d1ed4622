import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readPage } from './page.ts';
import { openWorkspace, wrongWith } from './workspace.ts';

// What the documentation shows is what happens: every example of docs/language, and each of README.md that says `run`, is compiled and run,
// and prints what the page says.

const folder = 'docs/language';
const pages = [
  readPage('README.md', true),
  ...readdirSync(folder)
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => readPage(join(folder, name))),
];
const workspace = openWorkspace('docs', pages);

test('the examples compile', async () => {
  expect(await workspace.compile()).toEqual([]);
});

describe.each(pages.filter(({ steps }) => steps.length > 0))('$path', (page) => {
  test('prints what it says', async () => {
    expect(wrongWith(page, await workspace.run(page))).toEqual([]);
  });
});
