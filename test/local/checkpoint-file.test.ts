import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createCheckpointFile, writeEveryMs } from '#local/checkpoint-file.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function open() {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-checkpoint-'));
  return { folder, file: createCheckpointFile<number>(join(folder, 'checkpoint.json')) };
}

test('a checkpoint is written once a cadence, as it is then', () => {
  const { file } = open();
  let made = 0;
  for (let at = 0; at < 5; at += 1) file.writeSoon(() => (made += 1));
  expect(file.read()).toBeUndefined();
  vi.advanceTimersByTime(writeEveryMs);
  expect([file.read(), made]).toEqual([1, 1]);
  file.writeSoon(() => 7);
  vi.advanceTimersByTime(writeEveryMs);
  expect(file.read()).toBe(7);
});

test.each([
  ['what waits', ['write', 'close']],
  ['what comes', ['close', 'write']],
])('%s is not written after closing', (_, steps) => {
  const { folder, file } = open();
  for (const step of steps) {
    if (step === 'close') file.close();
    else file.writeSoon(() => 1);
  }
  vi.advanceTimersByTime(writeEveryMs);
  expect(readdirSync(folder)).toEqual([]);
});

test('a checkpoint that is damaged says so, and what becomes of it when it is deleted', () => {
  const { folder, file } = open();
  writeFileSync(join(folder, 'checkpoint.json'), '{"shards":');
  expect(() => file.read()).toThrow(/^STATE_UNREADABLE: .*checkpoint\.json is damaged\. Delete it/);
});
