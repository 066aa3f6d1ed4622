import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, expect, test } from 'vitest';
import { Objects } from '#local/s3/objects.ts';
import { startS3 } from '#local/s3/wire.ts';
import { createS3BlobStore } from '#shared/adapters/s3/blob-store.ts';
import { blobStoreContract } from '#test/contracts/blob-store.ts';

const opened: { close: () => Promise<void> }[] = [];

afterEach(async () => {
  for (const it of opened.splice(0).reverse()) await it.close();
});

const bucket = 'snapshots';

async function open() {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-blobs-'));
  const objects = new Objects(folder);
  objects.createBucket(bucket);
  const local = await startS3({ objects, onError: () => {} });
  const client = new S3Client({
    endpoint: local.endpoint,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    forcePathStyle: true,
    maxAttempts: 1,
  });
  opened.push(local, { close: async () => client.destroy() });
  return { folder, objects, local, client, store: createS3BlobStore({ client, bucket }) };
}

/** The bucket holds one object, and the file of its bytes is the one that is not its description. */
function flipBit(folder: string): void {
  const [file = ''] = readdirSync(join(folder, bucket)).filter((it) => !it.endsWith('.json'));
  const bytes = readFileSync(join(folder, bucket, file));
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  writeFileSync(join(folder, bucket, file), bytes);
}

blobStoreContract('blobs in S3:', async () => {
  const { folder, store } = await open();
  return { store, damage: async () => flipBit(folder) };
});

test('a blob that S3 vouches for, but that is not the one that was put, is BLOB_CORRUPT', async () => {
  const { client, store } = await open();
  const Metadata = { crc32: '00000000' };
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'key', Body: 'other bytes', Metadata }));
  await expect(store.get('key')).rejects.toMatchObject({ code: 'BLOB_CORRUPT' });
});

test('an object that somebody else put is read', async () => {
  const { client, store } = await open();
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'key', Body: 'text' }));
  expect(new TextDecoder().decode(await store.get('key'))).toBe('text');
});

test.each(['put', 'get', 'remove', 'list'] as const)(
  '%s without an S3 is BLOB_UNAVAILABLE, with its cause',
  async (call) => {
    const { local, store } = await open();
    await local.close();
    const calls = {
      put: () => store.put('key', new Uint8Array()),
      get: () => store.get('key'),
      remove: () => store.remove('key'),
      list: () => store.list('key'),
    };
    await expect(calls[call]()).rejects.toMatchObject({
      code: 'BLOB_UNAVAILABLE',
      retry: true,
      message: expect.stringMatching(/key.*Try again/),
      cause: expect.any(Error),
    });
  },
);

test('a bucket that is not there is BLOB_UNAVAILABLE and says that it does not heal', async () => {
  const { client } = await open();
  const store = createS3BlobStore({ client, bucket: 'other' });
  await expect(store.get('key')).rejects.toMatchObject({
    code: 'BLOB_UNAVAILABLE',
    message: expect.stringMatching(/s3:\/\/other\/key.*NoSuchBucket.*does not heal/),
  });
});

test('a failing disk is BLOB_UNAVAILABLE, not a blob that is not there', async () => {
  const { folder, store } = await open();
  await store.put('key', new Uint8Array(3));
  for (const file of readdirSync(join(folder, bucket))) writeFileSync(join(folder, bucket, file), '');
  await expect(store.get('key')).rejects.toMatchObject({ code: 'BLOB_UNAVAILABLE' });
});
