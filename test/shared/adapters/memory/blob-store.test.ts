import { createMemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import { blobStoreContract } from '#test/contracts/blob-store.ts';

blobStoreContract('blobs in memory:', async () => {
  const store = createMemoryBlobStore();
  return { store, damage: async (key) => store.damage(key) };
});
