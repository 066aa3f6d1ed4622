import { crc32 } from 'node:zlib';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import { assert, MillraceError } from '#shared/schemas/error.ts';

export type MemoryBlobStore = BlobStore & {
  /** Turns over a bit of what is stored, as a failing disk does. */
  readonly damage: (key: string) => void;
};

/** Blobs in memory. */
export function createMemoryBlobStore(): MemoryBlobStore {
  const blobs = new Map<string, { readonly bytes: Uint8Array; readonly checksum: number }>();
  return {
    put: async (key, bytes) => {
      blobs.set(key, { bytes: bytes.slice(), checksum: crc32(bytes) });
    },
    get: async (key) => {
      const blob = blobs.get(key);
      if (blob === undefined) return undefined;
      if (crc32(blob.bytes) !== blob.checksum) {
        throw new MillraceError('BLOB_CORRUPT', `The blob ${key} has other bytes than were put.`);
      }
      return blob.bytes.slice();
    },
    remove: async (key) => {
      blobs.delete(key);
    },
    list: async (prefix) => [...blobs.keys()].filter((key) => key.startsWith(prefix)).sort(),
    damage: (key) => {
      const blob = blobs.get(key);
      assert(blob !== undefined && blob.bytes.length > 0, `there is something to damage under ${key}`);
      blob.bytes[0] = (blob.bytes[0] ?? 0) ^ 1;
    },
  };
}
