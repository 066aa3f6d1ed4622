import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDiskRunStore } from '#shared/adapters/disk/run-store.ts';
import { runStoreContract } from '#test/contracts/run-store.ts';

runStoreContract('runs on the disk:', () => createDiskRunStore(newFolder()));

test('a run has no name on the disk, so that no process can leave one behind', () => {
  const folder = newFolder();
  const writer = createDiskRunStore(folder).begin(true);
  writer.add('a', '1');
  expect(readdirSync(folder)).toEqual([]);
  const run = writer.end();
  expect([readdirSync(folder), run.get('a')]).toEqual([[], '1']);
});

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'runs-'));
}
