import { describe, expect, test } from 'vitest';
import type { BlobStore } from '#shared/ports/blob-store.ts';

export interface BlobStoreHarness {
  readonly store: BlobStore;
  /** Turns over a bit of what is stored under `key`, behind the store's back. */
  readonly damage: (key: string) => Promise<void>;
}

/** What every BlobStore must do. */
export function blobStoreContract(name: string, open: () => Promise<BlobStoreHarness>): void {
  describe(name, () => {
    test('a blob comes back byte for byte', async () => {
      const { store } = await open();
      const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256);
      await store.put('key', bytes);
      expect(Buffer.compare((await store.get('key')) ?? new Uint8Array(), bytes)).toBe(0);
    });

    test('a blob without bytes is a blob', async () => {
      const { store } = await open();
      await store.put('key', new Uint8Array());
      expect(await store.get('key')).toHaveLength(0);
      expect(await store.list('')).toEqual(['key']);
    });

    test('a blob that was never put is undefined', async () => {
      const { store } = await open();
      expect(await store.get('key')).toBeUndefined();
    });

    test('a put replaces the whole of what was there', async () => {
      const { store } = await open();
      await store.put('key', bytesOf('a long one'));
      await store.put('key', bytesOf('short'));
      expect(textOf(await store.get('key'))).toBe('short');
      expect(await store.list('')).toEqual(['key']);
    });

    test('bytes that are changed after the put do not change the blob', async () => {
      const { store } = await open();
      const bytes = bytesOf('before');
      await store.put('key', bytes);
      bytes.fill(0);
      expect(textOf(await store.get('key'))).toBe('before');
    });

    test('bytes that a reader changes are not those of the blob', async () => {
      const { store } = await open();
      await store.put('key', bytesOf('before'));
      (await store.get('key'))?.fill(0);
      expect(textOf(await store.get('key'))).toBe('before');
    });

    test('a blob that was removed is gone', async () => {
      const { store } = await open();
      await store.put('key', bytesOf('x'));
      await store.remove('key');
      expect(await store.get('key')).toBeUndefined();
      expect(await store.list('')).toEqual([]);
    });

    test('removing what is not there is no error', async () => {
      const { store } = await open();
      await store.remove('key');
    });

    test('a list holds the keys that begin with the prefix, sorted', async () => {
      const { store } = await open();
      for (const key of ['b/2', 'a/1', 'b/10', 'b', 'c/1', 'b/1']) await store.put(key, bytesOf(key));
      expect(await store.list('b/')).toEqual(['b/1', 'b/10', 'b/2']);
      expect(await store.list('d')).toEqual([]);
    });

    test('a list of more keys than one answer holds is whole', { timeout: 30_000 }, async () => {
      const { store } = await open();
      const keys = Array.from({ length: 1_050 }, (_, index) => `slot/${String(index).padStart(5, '0')}`);
      for (let from = 0; from < keys.length; from += 25) {
        await Promise.all(keys.slice(from, from + 25).map((key) => store.put(key, bytesOf('x'))));
      }
      expect(await store.list('slot/')).toEqual(keys);
    });

    test.each(['a/../b', '..', 'a b+c', 'ü/💧', '%2F', 'a//b', 'x'.repeat(1_024)])(
      'the key %j is as good as any',
      async (key) => {
        const { store } = await open();
        await store.put(key, bytesOf('x'));
        expect(textOf(await store.get(key))).toBe('x');
        expect(await store.list('')).toEqual([key]);
      },
    );

    test('a blob whose bytes have changed is BLOB_CORRUPT', async () => {
      const { store, damage } = await open();
      await store.put('key', bytesOf('some bytes'));
      await damage('key');
      await expect(store.get('key')).rejects.toMatchObject({
        code: 'BLOB_CORRUPT',
        message: expect.stringContaining('key'),
      });
    });
  });
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && new TextDecoder().decode(bytes);
}
