import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** Blobs in an S3 bucket. The SDK sends a checksum with each put, and verifies it with each get. */
export function createS3BlobStore({
  client,
  bucket,
}: {
  readonly client: S3Client;
  readonly bucket: string;
}): BlobStore {
  return {
    put: async (key, bytes) => {
      await attempt(`put ${key}`, () =>
        client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes, ChecksumAlgorithm: 'CRC32' })),
      );
    },
    get: (key) =>
      attempt(`get ${key}`, async () => {
        try {
          const { Body } = await client.send(
            new GetObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }),
          );
          return await Body?.transformToByteArray();
        } catch (error) {
          if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
          throw error;
        }
      }),
    remove: async (key) => {
      await attempt(`remove ${key}`, () => client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })));
    },
    list: (prefix) =>
      attempt(`list ${prefix}`, async () => {
        const keys: string[] = [];
        let token: string | undefined;
        do {
          const page = await client.send(
            new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }),
          );
          for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key);
          token = page.NextContinuationToken;
        } while (token !== undefined);
        return keys.sort();
      }),
  };
}

async function attempt<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof Error && /checksum/i.test(cause.message)) {
      throw new MillraceError(
        'BLOB_CORRUPT',
        `could not ${what}: the bytes do not have their checksum. Restore an older version of the object.`,
        { cause },
      );
    }
    throw new MillraceError('BLOB_UNAVAILABLE', `could not ${what}; it will be tried again.`, { cause });
  }
}
