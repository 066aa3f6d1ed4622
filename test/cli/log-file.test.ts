import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { createLogFile } from '#cli/log-file.ts';

const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'log-'));

test('a log goes on behind what it has, and one that is full is kept until the next one is', async () => {
  const path = join(temporaryFolder(), 'state', 'log');
  createLogFile(path).write('worker', 'before');
  await vi.waitFor(() => expect(readFileSync(path, 'utf8')).toBe('worker: before\n'));
  const log = createLogFile(path, 30);
  log.write('worker', 'number 0');
  await vi.waitFor(() => expect(readFileSync(path, 'utf8')).toBe('worker: before\nworker: number 0\n'));
  for (const number of [1, 2, 3]) {
    log.write('worker', `number ${number}`);
    await vi.waitFor(() => expect(readFileSync(path, 'utf8')).toContain(`number ${number}`));
  }
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('worker: number 1\nworker: number 2\n');
  expect(readFileSync(path, 'utf8')).toBe('worker: number 3\n');
});

test('a log that was removed while it was written is begun anew when it is full', async () => {
  const path = join(temporaryFolder(), 'log');
  writeFileSync(path, 'x'.repeat(40));
  const log = createLogFile(path, 30);
  log.write('worker', 'one');
  await vi.waitFor(() => expect(existsSync(path) && readFileSync(path, 'utf8')).toBe('worker: one\n'));
});
