import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checksumOf } from '#local/s3/checksum.ts';
import type { WriteCondition } from '#local/s3/condition.ts';
import { Objects } from '#local/s3/objects.ts';

const newFolder = (): string => mkdtempSync(join(tmpdir(), 'millrace-s3-'));

function open(folder: string): Objects {
  const objects = new Objects(folder, { now: () => 1_000 });
  objects.createBucket('bucket');
  return objects;
}

function put(objects: Objects, key: string, text: string, condition: WriteCondition = {}) {
  const bytes = Buffer.from(text);
  return objects.put({ bucket: 'bucket', key, bytes, checksum: checksumOf('crc32', bytes), headers: {}, condition });
}

const read = (objects: Objects, key: string): string => Buffer.from(objects.read('bucket', key)).toString();
const filesOf = (folder: string): string[] => readdirSync(join(folder, 'bucket'));

test('objects and buckets outlive a restart', async () => {
  const folder = newFolder();
  const first = open(folder);
  const meta = await put(first, 'a/b', 'text');
  first.close();
  const second = new Objects(folder);
  expect(second.find('bucket', 'a/b')).toEqual(meta);
  expect(read(second, 'a/b')).toBe('text');
});

test('an object is two files, and replacing or removing it leaves none behind', async () => {
  const folder = newFolder();
  const objects = open(folder);
  await put(objects, 'a', 'old');
  await put(objects, 'a', 'new');
  expect(filesOf(folder)).toHaveLength(2);
  objects.remove('bucket', 'a');
  expect(filesOf(folder)).toEqual([]);
});

test('what a killed writer left is removed, and the object before it stays', async () => {
  const folder = newFolder();
  const first = open(folder);
  await put(first, 'a', 'whole');
  first.close();
  const [meta = ''] = filesOf(folder).filter((file) => file.endsWith('.json'));
  writeFileSync(join(folder, 'bucket', `${meta.slice(0, -5)}.torn`), 'half');
  writeFileSync(join(folder, 'bucket', `${meta}.tmp`), '{"key":"a","bo');
  const second = new Objects(folder);
  expect(read(second, 'a')).toBe('whole');
  expect(filesOf(folder)).toHaveLength(2);
});

test('an object whose description is damaged is refused by its name', async () => {
  const folder = newFolder();
  const first = open(folder);
  await put(first, 'a', 'text');
  first.close();
  const [meta = ''] = filesOf(folder).filter((file) => file.endsWith('.json'));
  writeFileSync(join(folder, 'bucket', meta), '{');
  expect(() => new Objects(folder)).toThrow(
    expect.objectContaining({ code: 'STATE_UNREADABLE', message: expect.stringContaining(meta) }),
  );
});

test('an open file stays readable when its object is replaced', async () => {
  const objects = open(newFolder());
  await put(objects, 'a', 'old');
  const file = objects.open('bucket', 'a');
  await put(objects, 'a', 'new');
  expect(readFileSync(file, 'utf8')).toBe('old');
});

test('of 50 writers of a new key at once exactly one wins, in each of 20 rounds', async () => {
  const objects = open(newFolder());
  for (let round = 0; round < 20; round += 1) {
    const key = `round-${round}`;
    const writers = Array.from({ length: 50 }, (_, index) => put(objects, key, `${index}`, { ifNoneMatch: '*' }));
    const outcomes = await Promise.allSettled(writers);
    const winners = outcomes.flatMap((it, index) => (it.status === 'fulfilled' ? [index] : []));
    expect(winners).toHaveLength(1);
    expect(read(objects, key)).toBe(`${winners[0]}`);
  }
});

test('of 50 writers with the same ETag at once exactly one wins', async () => {
  const objects = open(newFolder());
  const { etag } = await put(objects, 'a', 'first');
  const writers = Array.from({ length: 50 }, (_, index) => put(objects, 'a', `${index}`, { ifMatch: etag }));
  const outcomes = await Promise.allSettled(writers);
  const winners = outcomes.flatMap((it, index) => (it.status === 'fulfilled' ? [index] : []));
  expect(winners).toHaveLength(1);
  expect(read(objects, 'a')).toBe(`${winners[0]}`);
});

test('a writer that lost leaves no file behind', async () => {
  const folder = newFolder();
  const objects = open(folder);
  await Promise.allSettled([
    put(objects, 'a', '1', { ifNoneMatch: '*' }),
    put(objects, 'a', '2', { ifNoneMatch: '*' }),
  ]);
  expect(filesOf(folder)).toHaveLength(2);
});

test.each(['..', '../../etc/passwd', '/', 'a//b', 'A', 'a', 'con', '\u0000', 'x'.repeat(1_024), '💧/ü?#%25+ &'])(
  'the key %j is an object of its own, inside the bucket',
  async (key) => {
    const folder = newFolder();
    const objects = open(folder);
    await put(objects, 'other', 'other');
    await put(objects, key, 'text');
    expect(read(objects, key)).toBe('text');
    expect(filesOf(folder)).toHaveLength(4);
    expect(readdirSync(folder).sort()).toEqual(['bucket', 'owner.pid']);
  },
);

test('keys that differ in case only have files that do not', async () => {
  const folder = newFolder();
  const objects = open(folder);
  await put(objects, 'Key', '1');
  await put(objects, 'key', '2');
  expect(new Set(filesOf(folder).map((file) => file.toLowerCase())).size).toBe(4);
});

test.each(['..', 'a', 'UPPER', 'a/b', 'a..b', '-ab', 'x'.repeat(64)])('a bucket cannot be called %j', (bucket) => {
  const folder = newFolder();
  const objects = open(folder);
  expect(() => objects.createBucket(bucket)).toThrow(expect.objectContaining({ code: 'InvalidBucketName' }));
});

test('keys are sorted by their UTF-8 bytes', async () => {
  const objects = open(newFolder());
  for (const key of ['\u{1F4A7}', '\uFFFD', 'b', 'a']) await put(objects, key, '');
  expect(objects.keys('bucket')).toEqual(['a', 'b', '\uFFFD', '\u{1F4A7}']);
});

test.skipIf(!existsSync('/dev/full'))(
  'a put to a full disk is an error that names the folder, and changes nothing',
  async () => {
    const folder = newFolder();
    const objects = open(folder);
    await put(objects, 'a', 'old');
    const [meta = ''] = filesOf(folder).filter((file) => file.endsWith('.json'));
    symlinkSync('/dev/full', join(folder, 'bucket', `${meta}.tmp`));
    await expect(put(objects, 'a', 'new')).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringContaining(join(folder, 'bucket')),
    });
    expect(read(objects, 'a')).toBe('old');
  },
);

test.each<[string, (path: string) => void]>([
  ['has 2 bytes where 4 were put', (path) => writeFileSync(path, 'te')],
  ['is missing', (path) => rmSync(path)],
])('an object whose file %s is refused', async (what, spoil) => {
  const folder = newFolder();
  const objects = open(folder);
  await put(objects, 'a', 'text');
  const [body = ''] = filesOf(folder).filter((file) => !file.endsWith('.json'));
  spoil(join(folder, 'bucket', body));
  expect(() => objects.open('bucket', 'a')).toThrow(`STATE_UNREADABLE: ${join(folder, 'bucket', body)} ${what}.`);
});
