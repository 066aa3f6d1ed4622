import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { explainDisk, ownFolder, replaceFile, writeAll } from '#local/folder.ts';

const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'millrace-folder-'));

test('a folder has one owner at a time', () => {
  const path = temporaryFolder();
  const owned = ownFolder(path);
  expect(() => ownFolder(path)).toThrow(expect.objectContaining({ code: 'OUTPUT_UNWRITABLE' }));
  owned.release();
  ownFolder(path).release();
});

test('a folder whose owner died is taken over', () => {
  const path = temporaryFolder();
  // Above the highest process id that Linux gives.
  writeFileSync(join(path, 'owner.pid'), '5000000');
  ownFolder(path).release();
  expect(existsSync(join(path, 'owner.pid'))).toBe(false);
});

test.skipIf(!existsSync('/proc/self/stat'))(
  'a folder whose owner died and whose number another has is taken over',
  () => {
    const path = temporaryFolder();
    ownFolder(path);
    const lock = join(path, 'owner.pid');
    // As after a restart of a container, in which each process has the number that it had before.
    writeFileSync(lock, readFileSync(lock, 'utf8').replace(/ \d+$/, ' 1'));
    ownFolder(path).release();
  },
);

test('a folder whose owner lives is refused by who took it without telling when it started', () => {
  const path = temporaryFolder();
  writeFileSync(join(path, 'owner.pid'), String(process.pid));
  expect(() => ownFolder(path)).toThrow(`in use by process ${process.pid}. Stop it`);
});

test('a folder that does not exist is made, with the folders above it', () => {
  const path = join(temporaryFolder(), 'a', 'b');
  ownFolder(path).release();
  expect(existsSync(path)).toBe(true);
});

test('a folder that cannot be made is an error that names it', () => {
  const file = join(temporaryFolder(), 'file');
  writeFileSync(file, '');
  const path = join(file, 'below');
  expect(() => ownFolder(path)).toThrow(
    expect.objectContaining({ code: 'OUTPUT_UNWRITABLE', message: expect.stringContaining(path) }),
  );
});

test('a folder that could not be made on a disk that is only read is an error that names it', () => {
  const error = Object.assign(new Error('ENOENT: no such file or directory, mkdir'), {
    code: 'ENOENT',
    syscall: 'mkdir',
  });
  const explained = () =>
    explainDisk('/some/folder', () => {
      throw error;
    });
  expect(explained).toThrow(expect.objectContaining({ code: 'OUTPUT_UNWRITABLE' }));
  expect(explained).toThrow('/some/folder cannot be written to');
});

test('a file that is replaced leaves nothing else behind', () => {
  const path = temporaryFolder();
  replaceFile(join(path, 'it'), 'old');
  replaceFile(join(path, 'it'), 'new');
  expect(readdirSync(path)).toEqual(['it']);
  expect(readFileSync(join(path, 'it'), 'utf8')).toBe('new');
});

test('a file that cannot be replaced keeps its old bytes', () => {
  const path = temporaryFolder();
  writeFileSync(join(path, 'it'), 'old');
  mkdirSync(join(path, 'it.tmp'));
  expect(() => replaceFile(join(path, 'it'), 'new')).toThrow();
  expect(readFileSync(join(path, 'it'), 'utf8')).toBe('old');
});

test.skipIf(!existsSync('/dev/full'))('a full disk is an error that names the folder', () => {
  const file = openSync('/dev/full', 'w');
  expect(() => explainDisk('/some/folder', () => writeAll(file, Buffer.from('x')))).toThrow(
    expect.objectContaining({ code: 'DISK_FULL', message: expect.stringContaining('/some/folder') }),
  );
  closeSync(file);
});
