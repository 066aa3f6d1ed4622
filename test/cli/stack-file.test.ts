import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  findStackFile,
  folderOf,
  forgetEndedStack,
  readStackFile,
  type StackFile,
  writeStackFile,
} from '#cli/stack-file.ts';
import { ownFolder } from '#local/folder.ts';

test('a stack is found for as long as it runs, since another may have its ports then', () => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-stack-file-'));
  const folder = join(root, 'flow');
  expect(findStackFile('flow', root)).toBeUndefined();
  const owned = ownFolder(folder);
  writeStackFile(fileOf(folder));
  expect(readStackFile('flow', root)).toEqual(fileOf(folder));
  owned.release();
  expect(findStackFile('flow', root)).toBeUndefined();
  expect(() => readStackFile('flow', root)).toThrow('no stack of pipeline flow runs in this folder');
});

test('a stack that starts is told of, and is not taken for the one before at other ports', () => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-stack-file-'));
  const folder = join(root, 'flow');
  const before = ownFolder(folder);
  writeStackFile(fileOf(folder));
  forgetEndedStack(join(root, 'flow'));
  expect(findStackFile('flow', root)).toEqual(fileOf(folder));
  before.release();
  forgetEndedStack(join(root, 'flow'));
  const next = ownFolder(folder);
  expect(() => findStackFile('flow', root)).toThrow(
    /^SOURCE_UNAVAILABLE: process \d+ works on .*flow and answers nobody/,
  );
  writeStackFile({ ...fileOf(folder), readUrl: 'http://another' });
  expect(readStackFile('flow', root).readUrl).toBe('http://another');
  next.release();
});

test('a stack is found while a bounded run of its pipeline runs beside it, and after that', () => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-stack-file-'));
  const [folder, onceFolder] = [folderOf('flow', { root }), folderOf('flow', { root, once: true })];
  const [owned, once] = [ownFolder(folder), ownFolder(onceFolder)];
  writeStackFile(fileOf(folder));
  writeStackFile(fileOf(onceFolder));
  expect(findStackFile('flow', root)?.folder).toBe(folder);
  owned.release();
  expect(findStackFile('flow', root)?.folder).toBe(onceFolder);
  const next = ownFolder(folder);
  writeStackFile(fileOf(folder));
  once.release();
  expect(findStackFile('flow', root)?.folder).toBe(folder);
  next.release();
  expect(findStackFile('flow', root)).toBeUndefined();
});

test('a file that is damaged is told by its name, and what to do', () => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-stack-file-'));
  writeFileSync(join(root, 'flow.json'), '{"folder": ".mill');
  expect(() => findStackFile('flow', root)).toThrow(/^STATE_UNREADABLE: .*flow\.json is damaged/);
  forgetEndedStack(join(root, 'flow'));
  expect(findStackFile('flow', root)).toBeUndefined();
});

function fileOf(folder: string): StackFile {
  return {
    folder,
    endpoints: { kinesis: 'http://k', dynamodb: 'http://d', sqs: 'http://s', s3: 'http://o' },
    readUrl: 'http://r',
    rawStreams: { flows: 'raw' },
    stateTable: 'state',
    resultsTable: 'results',
    snapshotBucket: 'snapshots',
  };
}
