import { crc32 } from 'node:zlib';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/**
 * Blobs in an S3 bucket. S3 verifies a checksum with each put and the SDK one with each get. One of ours, in the object's
 * metadata, is verified too: it holds for emulators that know no checksums and for a client that was told not to look.
 */
export function createS3BlobStore({
  client,
  bucket,
}: {
  readonly client: S3Client;
  readonly bucket: string;
}): BlobStore {
  const place = (key: string): string => `s3://${bucket}/${key}`;
  return {
    put: async (key, bytes) => {
      const Metadata = { [checksumName]: checksumOf(bytes) };
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: bytes,
        Metadata,
        ChecksumAlgorithm: 'CRC32',
      });
      await attempt(`Put of ${place(key)}`, () => client.send(command));
    },
    get: (key) =>
      attempt(`Get of ${place(key)}`, async () => {
        const object = await getObject(client, { Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' });
        if (object === undefined) return undefined;
        const bytes = await readBody(object);
        const expected = object.Metadata?.[checksumName];
        if (expected !== undefined && expected !== checksumOf(bytes)) throw new Error(`${mismatch} in the metadata`);
        return bytes;
      }),
    remove: async (key) => {
      const command = new DeleteObjectCommand({ Bucket: bucket, Key: key });
      await attempt(`Removal of ${place(key)}`, () => client.send(command));
    },
    list: (prefix) =>
      attempt(`List of ${place(prefix)}`, async () => {
        const keys: string[] = [];
        for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix })) {
          for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key);
        }
        return keys.sort();
      }),
  };
}

const checksumName = 'crc32';

function checksumOf(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, '0');
}

async function getObject(
  client: S3Client,
  input: ConstructorParameters<typeof GetObjectCommand>[0],
): Promise<GetObjectCommandOutput | undefined> {
  try {
    return await client.send(new GetObjectCommand(input));
  } catch (error) {
    if (nameOf(error) === 'NoSuchKey') return undefined;
    throw error;
  }
}

async function readBody({ Body }: GetObjectCommandOutput): Promise<Uint8Array> {
  // Not the lack of a blob, which would make a worker begin afresh.
  if (Body === undefined) throw new Error('the answer has no body');
  return Body.transformToByteArray();
}

async function attempt<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    // The SDK has no class or code for it, only this beginning of a message.
    if (message.startsWith(mismatch)) {
      throw new MillraceError(
        'BLOB_CORRUPT',
        `${what} gave other bytes than were put: ${message}. Restore an older version of the object.`,
        { cause },
      );
    }
    const advice = lasting.has(nameOf(cause))
      ? 'This does not heal by itself: check the name of the bucket and the permissions of the role, s3:ListBucket among them.'
      : 'Try again.';
    throw new MillraceError('BLOB_UNAVAILABLE', `${what} failed with ${nameOf(cause)}: ${message}. ${advice}`, {
      cause,
    });
  }
}

const mismatch = 'Checksum mismatch';

/** Faults of the set-up rather than of the moment. Without `s3:ListBucket` a blob that is not there is `AccessDenied`. */
const lasting: ReadonlySet<string> = new Set([
  'AccessDenied',
  'CredentialsProviderError',
  'InvalidAccessKeyId',
  'KeyTooLongError',
  'NoSuchBucket',
  'PermanentRedirect',
  'SignatureDoesNotMatch',
]);

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
