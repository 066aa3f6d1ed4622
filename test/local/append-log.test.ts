import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openAppendLog } from '#local/append-log.ts';

const newPath = (): string => join(mkdtempSync(join(tmpdir(), 'millrace-log-')), 'it.log');

function write(path: string, ...entries: readonly unknown[]): void {
  const log = openAppendLog(path, () => {});
  for (const entry of entries) log.append(entry);
  log.close();
}

function read(path: string): unknown[] {
  const entries: unknown[] = [];
  openAppendLog(path, (entry) => entries.push(entry)).close();
  return entries;
}

test('what was appended is replayed in order', () => {
  const path = newPath();
  write(path, { a: 1 }, 'two\nlines', 3);
  expect(read(path)).toEqual([{ a: 1 }, 'two\nlines', 3]);
});

test('a log torn at any byte replays the entries before the tear', () => {
  const path = newPath();
  write(path, 'first', 'second', 'third');
  const whole = readFileSync(path);
  for (let size = 0; size <= whole.length; size += 1) {
    writeFileSync(path, whole.subarray(0, size));
    const wholeLines = whole.subarray(0, size).filter((byte) => byte === 10).length;
    expect(read(path), `torn at ${size}`).toEqual(['first', 'second', 'third'].slice(0, wholeLines));
  }
});

test('an entry appended behind a torn tail is replayed', () => {
  const path = newPath();
  write(path, 'first', 'second');
  truncateSync(path, readFileSync(path).length - 3);
  write(path, 'third');
  expect(read(path)).toEqual(['first', 'third']);
});

test('a tail of zeros, as a power cut leaves one, is cut off', () => {
  const path = newPath();
  write(path, 'first');
  appendFileSync(path, Buffer.alloc(100));
  expect(read(path)).toEqual(['first']);
});

test('damage with whole entries behind it is refused and left as it is', () => {
  const path = newPath();
  write(path, 'first', 'second', 'third');
  const damaged = readFileSync(path);
  damaged[damaged.indexOf('second')] = 'S'.charCodeAt(0);
  writeFileSync(path, damaged);
  expect(() => read(path)).toThrow(
    expect.objectContaining({ code: 'STATE_UNREADABLE', message: expect.stringContaining('byte 17') }),
  );
  expect(readFileSync(path)).toEqual(damaged);
});

test('a log that is replaced holds the new entries, and what is appended after', () => {
  const path = newPath();
  const log = openAppendLog(path, () => {});
  log.append('old');
  log.replace(['new']);
  log.append('newer');
  log.close();
  expect(read(path)).toEqual(['new', 'newer']);
});

test.skipIf(!existsSync('/dev/full'))('an append to a full disk is an error that names the log', () => {
  const path = newPath();
  symlinkSync('/dev/full', path);
  const log = openAppendLog(path, () => {});
  expect(() => log.append('x')).toThrow(
    expect.objectContaining({ code: 'DISK_FULL', message: expect.stringContaining(path) }),
  );
  log.close();
});

// A limit on the size of files stands for a disk that is full in the middle of a line: part of it is written, then comes the error.
test.skipIf(process.platform === 'win32')(
  'an append that was written in part leaves nothing, and the next one fits',
  () => {
    const path = newPath();
    const module = new URL('../../local/append-log.ts', import.meta.url).href;
    const program = `
    import { openAppendLog } from ${JSON.stringify(module)};
    process.on('SIGXFSZ', () => {});
    const log = openAppendLog(${JSON.stringify(path)}, () => {});
    log.append('first');
    try { log.append('x'.repeat(10_000)); } catch (error) { console.log(error.code); }
    log.append('second');`;
    const shell = ['-c', 'ulimit -f 4; exec "$0" --input-type=module -e "$1"', process.execPath, program];
    const { stdout } = spawnSync('/bin/sh', shell, { encoding: 'utf8' });
    expect(stdout.trim()).toBe('DISK_FULL');
    expect(read(path)).toEqual(['first', 'second']);
  },
);
