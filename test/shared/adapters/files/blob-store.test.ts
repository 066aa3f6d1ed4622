import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileBlobStore } from '#shared/adapters/files/blob-store.ts';
import { blobStoreContract } from '#test/contracts/blob-store.ts';

blobStoreContract('blobs in files:', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'blobs-'));
  return {
    store: createFileBlobStore(folder),
    damage: async (key) => {
      const path = join(folder, `${key}~`);
      const bytes = readFileSync(path);
      const last = bytes.length - 1;
      bytes[last] = (bytes[last] ?? 0) ^ 1;
      writeFileSync(path, bytes);
    },
  };
});
