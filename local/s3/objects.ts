import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '#shared/schemas/error.ts';
import { diskError, explainDisk, type OwnedFolder, ownFolder, replaceFile } from '../folder.ts';
import { isBucketName } from './address.ts';
import type { Checksum } from './checksum.ts';
import { checkWrite, type WriteCondition } from './condition.ts';
import { Fault } from './fault.ts';

/** What is known of an object besides its bytes. */
export interface ObjectMeta {
  readonly key: string;
  /** In quotes, as S3 writes it. */
  readonly etag: string;
  readonly bytesCount: number;
  readonly modifiedMs: number;
  readonly checksum: Checksum;
  /** Content type, user metadata and the like, as they were sent. */
  readonly headers: Readonly<Record<string, string>>;
}

interface StoredMeta extends ObjectMeta {
  /** The file with the bytes, in the bucket's folder. */
  readonly bodyFile: string;
}

interface Bucket {
  readonly objects: Map<string, StoredMeta>;
  /** The keys in S3's order; made when first asked for after a change. */
  sortedKeys: readonly string[] | undefined;
}

/**
 * Buckets as folders. The bytes of an object are one file and what is known of it another, `….json`, which names the first.
 * The object changes when that one is replaced: readers, and whoever comes after a kill, find the old object or the new one.
 *
 *     const objects = new Objects('.millrace/s3');
 */
export class Objects {
  readonly #folder: OwnedFolder;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(folder: string, options: { readonly now?: () => number } = {}) {
    this.#folder = ownFolder(folder);
    this.#now = options.now ?? (() => Date.now());
    try {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory() && isBucketName(entry.name))
          this.#buckets.set(entry.name, openBucket(join(folder, entry.name)));
      }
    } catch (error) {
      this.#folder.release();
      throw error;
    }
  }

  close(): void {
    this.#folder.release();
  }

  buckets(): readonly string[] {
    return [...this.#buckets.keys()].sort();
  }

  hasBucket(bucket: string): boolean {
    return this.#buckets.has(bucket);
  }

  /** Creating a bucket that is there is no error, as in us-east-1. */
  createBucket(bucket: string): void {
    if (!isBucketName(bucket)) throw new Fault('InvalidBucketName', `The specified bucket is not valid: ${bucket}.`);
    if (this.#buckets.has(bucket)) return;
    const path = join(this.#folder.path, bucket);
    explainDisk(path, () => mkdirSync(path, { recursive: true }));
    this.#buckets.set(bucket, { objects: new Map(), sortedKeys: undefined });
  }

  dropBucket(bucket: string): void {
    if (this.#bucket(bucket).objects.size > 0) {
      throw new Fault('BucketNotEmpty', 'The bucket you tried to delete is not empty.');
    }
    this.#buckets.delete(bucket);
    rmSync(join(this.#folder.path, bucket), { recursive: true, force: true });
  }

  /** Stores an object, if what is there meets the condition. Of concurrent writers of one key, the last to finish stays. */
  async put(request: {
    readonly bucket: string;
    readonly key: string;
    readonly bytes: Uint8Array;
    readonly checksum: Checksum;
    readonly headers: Readonly<Record<string, string>>;
    readonly condition?: WriteCondition;
    /** When it is not the MD5 of the bytes, as that of an object put in parts. */
    readonly etag?: string;
  }): Promise<ObjectMeta> {
    const { key, bytes, checksum, headers, condition = {} } = request;
    checkWrite(this.#bucket(request.bucket).objects.get(key), condition);
    const folder = join(this.#folder.path, request.bucket);
    const name = fileNameOf(key);
    const bodyFile = `${name}.${randomUUID()}`;
    const etag = request.etag ?? `"${createHash('md5').update(bytes).digest('hex')}"`;
    const bodyPath = join(folder, bodyFile);
    try {
      await writeFile(bodyPath, bytes);
      // Nothing waits from here on, so no other writer comes between the condition and the change.
      const bucket = this.#bucket(request.bucket);
      const known = bucket.objects.get(key);
      checkWrite(known, condition);
      const meta = { key, etag, bytesCount: bytes.length, modifiedMs: this.#now(), checksum, headers, bodyFile };
      replaceFile(join(folder, `${name}${metaSuffix}`), JSON.stringify(meta));
      bucket.objects.set(key, meta);
      if (known === undefined) bucket.sortedKeys = undefined;
      else rmSync(join(folder, known.bodyFile), { force: true });
      return meta;
    } catch (error) {
      await rm(bodyPath, { force: true });
      throw diskError(folder, error);
    }
  }

  find(bucket: string, key: string): ObjectMeta | undefined {
    return this.#bucket(bucket).objects.get(key);
  }

  /** The bytes of an object as an open file, which the caller closes. It stays readable when the object is replaced. */
  open(bucket: string, key: string): number {
    const { path, bytesCount } = this.#body(bucket, key);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === bytesCount) return openSync(path, 'r');
    // A reader who was promised more bytes than come would wait for them.
    const what = size === undefined ? 'is missing' : `has ${size} bytes where ${bytesCount} were put`;
    throw new MillraceError('STATE_UNREADABLE', `${path} ${what}. Put the object ${key} again.`);
  }

  read(bucket: string, key: string): Uint8Array {
    return readFileSync(this.#body(bucket, key).path);
  }

  /** Removing what is not there is no error. */
  remove(bucketName: string, key: string, condition: WriteCondition = {}): void {
    const bucket = this.#bucket(bucketName);
    const known = bucket.objects.get(key);
    checkWrite(known, condition);
    if (known === undefined) return;
    const folder = join(this.#folder.path, bucketName);
    rmSync(join(folder, `${fileNameOf(key)}${metaSuffix}`), { force: true });
    bucket.objects.delete(key);
    bucket.sortedKeys = undefined;
    rmSync(join(folder, known.bodyFile), { force: true });
  }

  /** All keys of the bucket, in the order of their UTF-8 bytes. */
  keys(bucketName: string): readonly string[] {
    const bucket = this.#bucket(bucketName);
    bucket.sortedKeys ??= sortKeys([...bucket.objects.keys()]);
    return bucket.sortedKeys;
  }

  #body(bucket: string, key: string): { readonly path: string; readonly bytesCount: number } {
    const meta = this.#bucket(bucket).objects.get(key);
    if (meta === undefined) throw new Fault('NoSuchKey', 'The specified key does not exist.');
    return { path: join(this.#folder.path, bucket, meta.bodyFile), bytesCount: meta.bytesCount };
  }

  #bucket(bucket: string): Bucket {
    const found = this.#buckets.get(bucket);
    if (found === undefined) throw new Fault('NoSuchBucket', `The specified bucket does not exist: ${bucket}.`);
    return found;
  }
}

const metaSuffix = '.json';
const slugCharactersMax = 60;

/** Reads what is known of each object, and removes the files that a kill left behind. */
function openBucket(folder: string): Bucket {
  const objects = new Map<string, StoredMeta>();
  const files = readdirSync(folder);
  const kept = new Set<string>();
  for (const file of files.filter((it) => it.endsWith(metaSuffix))) {
    const meta = readMeta(join(folder, file));
    objects.set(meta.key, meta);
    kept.add(file).add(meta.bodyFile);
  }
  for (const file of files) if (!kept.has(file)) rmSync(join(folder, file), { force: true });
  return { objects, sortedKeys: undefined };
}

function readMeta(path: string): StoredMeta {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as StoredMeta;
  } catch (cause) {
    throw new MillraceError(
      'STATE_UNREADABLE',
      `${path} is damaged. Restore it from a copy, or delete it and lose its object.`,
      {
        cause,
      },
    );
  }
}

/**
 * Of the key's end, for people, and its hash, which alone tells keys apart: they may differ in case only, be `..`, or be longer
 * than a file's name.
 */
function fileNameOf(key: string): string {
  const slug = key.replace(/[^A-Za-z0-9_-]+/g, '-').slice(-slugCharactersMax);
  return `${slug}.${createHash('sha256').update(key).digest('hex').slice(0, 32)}`;
}

/** S3 sorts by UTF-8 bytes, which differs from the order of JavaScript's texts behind U+D800. */
function sortKeys(keys: readonly string[]): readonly string[] {
  return keys
    .map((key) => ({ key, bytes: Buffer.from(key) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ key }) => key);
}
