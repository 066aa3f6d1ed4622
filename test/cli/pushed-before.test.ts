import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { notePushed } from '#cli/pushed-before.ts';

test('a file that is pushed once more is told of, a pipe and another file are not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-pushed-'));
  const [first, second] = ['a.log', 'b.log'].map((name) => ({ source: 'flows', path: join(folder, name) })) as [
    { source: string; path: string },
    { source: string; path: string },
  ];
  for (const { path } of [first, second]) writeFileSync(path, '\n');
  const pipe = { source: 'flows', path: '-' };
  expect(notePushed(folder, [first, pipe])).toEqual([]);
  expect(notePushed(folder, [first, second, pipe])).toEqual([
    expect.stringContaining(`${first.path} was pushed into this stack before, at 2`),
  ]);
  expect(notePushed(folder, [second])).toHaveLength(1);
});
