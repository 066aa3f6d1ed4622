import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeError } from '#cli/fail.ts';

test('a folder that cannot be made, wherever that came out, is told without a stack', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'millrace-fail-')), 'file');
  writeFileSync(file, '');
  const path = join(file, 'below');
  let thrown: unknown;
  try {
    mkdirSync(path);
  } catch (error) {
    thrown = error;
  }
  expect(describeError(thrown)).toMatch(
    /^OUTPUT_UNWRITABLE: \S+below cannot be written to \(ENOTDIR\)\. Choose a folder that can\.\n {2}cause: ENOTDIR.*$/,
  );
});

test('an error that nobody foresaw is told with its stack', () => {
  expect(describeError(new Error('odd'))).toMatch(/^Error: odd\n +at /);
});
