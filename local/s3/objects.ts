import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explainDisk } from '../folder.ts';

/** What is kept of an object besides its bytes. */
export interface ObjectMeta {
  readonly key: string;
  readonly etag: string;
  readonly modifiedMs: number;
  /** Content type, user metadata and checksums, as they were sent. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface StoredObject extends ObjectMeta {
  readonly body: Buffer;
}

/**
 * Buckets as folders. An object is one file: a line of JSON, then its bytes, put in its place by a rename, so that a reader sees it whole or not at
 * all. Its name is a hash of the key: keys with slashes, dots or 1,024 odd characters are all safe.
 */
export class Objects {
  readonly #folder: string;
  #writes = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  createBucket(bucket: string): void {
    mkdirSync(join(this.#folder, bucket), { recursive: true });
  }

  hasBucket(bucket: string): boolean {
    return bucket !== '' && existsSync(join(this.#folder, bucket));
  }

  put(bucket: string, key: string, body: Buffer, headers: Readonly<Record<string, string>>): ObjectMeta {
    const meta = { key, etag: `"${createHash('md5').update(body).digest('hex')}"`, modifiedMs: Date.now(), headers };
    const path = this.#pathOf(bucket, key);
    this.#writes += 1;
    const temporary = `${path}.${process.pid}.${this.#writes}.new`;
    explainDisk(path, () => {
      writeFileSync(temporary, Buffer.concat([Buffer.from(`${JSON.stringify(meta)}\n`), body]));
      renameSync(temporary, path);
    });
    return meta;
  }

  get(bucket: string, key: string): StoredObject | undefined {
    const path = this.#pathOf(bucket, key);
    if (!existsSync(path)) return undefined;
    const bytes = readFileSync(path);
    const end = bytes.indexOf(10);
    return { ...(JSON.parse(bytes.toString('utf8', 0, end)) as ObjectMeta), body: bytes.subarray(end + 1) };
  }

  remove(bucket: string, key: string): void {
    rmSync(this.#pathOf(bucket, key), { force: true });
  }

  /** All objects of a bucket whose keys begin with `prefix`, sorted by key, with their sizes. */
  list(bucket: string, prefix: string): readonly (ObjectMeta & { readonly size: number })[] {
    const found: (ObjectMeta & { readonly size: number })[] = [];
    for (const file of readdirSync(join(this.#folder, bucket))) {
      if (file.endsWith('.new')) continue;
      const path = join(this.#folder, bucket, file);
      const bytes = readFileSync(path);
      const end = bytes.indexOf(10);
      const meta = JSON.parse(bytes.toString('utf8', 0, end)) as ObjectMeta;
      if (meta.key.startsWith(prefix)) found.push({ ...meta, size: statSync(path).size - end - 1 });
    }
    return found.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  #pathOf(bucket: string, key: string): string {
    return join(this.#folder, bucket, createHash('sha256').update(key).digest('hex'));
  }
}
