import type { BlobStore } from '#shared/ports/blob-store.ts';

/** Blobs in memory. */
export function createMemoryBlobStore(): BlobStore {
  const blobs = new Map<string, Uint8Array>();
  return {
    put: async (key, bytes) => {
      blobs.set(key, bytes.slice());
    },
    get: async (key) => blobs.get(key)?.slice(),
    remove: async (key) => {
      blobs.delete(key);
    },
    list: async (prefix) => [...blobs.keys()].filter((key) => key.startsWith(prefix)).sort(),
  };
}
