import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { localClient } from '#local/client.ts';
import type { LocalStack } from '#local/stack.ts';
import { createS3BlobStore } from '#shared/adapters/s3/blob-store.ts';

/** Copies the views' files into a folder, under their names, and gives how many there are. The embedded S3 keeps them under names of its own. */
export async function saveRowFiles(stack: LocalStack, folder: string): Promise<number> {
  const bucket = stack.sinks.archiveBucket;
  if (bucket === undefined) return 0;
  const client = new S3Client({ ...localClient(stack.endpoints.s3), forcePathStyle: true });
  const files = createS3BlobStore({ client, bucket });
  const names = await files.list('');
  for (const name of names) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, (await files.get(name)) ?? '');
  }
  return names.length;
}
