import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterEach, expect, test } from 'vitest';
import { Objects } from '#local/s3/objects.ts';
import { startS3 } from '#local/s3/wire.ts';
import { cutOff } from '../cut-off.ts';

const opened: { close: () => Promise<void> }[] = [];

afterEach(async () => {
  for (const it of opened.splice(0).reverse()) await it.close();
});

const Bucket = 'bucket';

async function start() {
  const errors: unknown[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'millrace-s3-'));
  const objects = new Objects(folder, { now: () => Date.UTC(2026, 0, 1) });
  const local = await startS3({ objects, onError: (error) => errors.push(error) });
  const client = new S3Client({
    endpoint: local.endpoint,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    forcePathStyle: true,
    maxAttempts: 1,
  });
  opened.push(local, { close: async () => client.destroy() });
  await client.send(new CreateBucketCommand({ Bucket }));
  const put = (Key: string, Body = 'text') =>
    client.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.from(Body) }));
  const get = async (Key: string) =>
    (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString();
  return { client, local, objects, folder, errors, put, get };
}

/** A request as it stands, which the SDK or fetch would tidy up. */
async function raw(
  port: number,
  options: { method?: string; path: string; headers?: Record<string, string>; body?: string | Buffer },
): Promise<{ status: number | undefined; body: string; headers: NodeJS.Dict<string | string[]> }> {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof raw>>>();
  const sent = request({ host: '127.0.0.1', port, method: 'GET', ...options, agent: false }, (response) => {
    text(response).then((body) => resolve({ status: response.statusCode, body, headers: response.headers }), reject);
  });
  sent.on('error', reject).end(options.body);
  return promise;
}

test('an object comes back with its type, metadata and dates', async () => {
  const { client } = await start();
  await client.send(
    new PutObjectCommand({ Bucket, Key: 'a', Body: 'text', ContentType: 'text/plain', Metadata: { by: 'me' } }),
  );
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }));
  expect(got).toMatchObject({
    ContentType: 'text/plain',
    Metadata: { by: 'me' },
    ContentLength: 4,
    ETag: `"${createHash('md5').update('text').digest('hex')}"`,
    LastModified: new Date(Date.UTC(2026, 0, 1)),
  });
  expect(await got.Body?.transformToString()).toBe('text');
});

test('a head tells of an object without its bytes', async () => {
  const { client, put } = await start();
  await put('a');
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'a', ChecksumMode: 'ENABLED' }));
  expect(head).toMatchObject({ ContentLength: 4, ChecksumCRC32: expect.any(String), ChecksumType: 'FULL_OBJECT' });
});

test('an empty object is an object', async () => {
  const { put, get } = await start();
  await put('a', '');
  expect(await get('a')).toBe('');
});

test('an object that is not there is NoSuchKey for a get and NotFound for a head', async () => {
  const { client, get } = await start();
  await expect(get('a')).rejects.toMatchObject({ name: 'NoSuchKey', $metadata: { httpStatusCode: 404 } });
  await expect(client.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).rejects.toMatchObject({ name: 'NotFound' });
});

test('a bucket that is not there is NoSuchBucket for a put', async () => {
  const { client } = await start();
  const put = client.send(new PutObjectCommand({ Bucket: 'other', Key: 'a', Body: 'x' }));
  await expect(put).rejects.toMatchObject({ name: 'NoSuchBucket' });
});

test('buckets are listed, found and dropped once they are empty', async () => {
  const { client, put } = await start();
  await put('a');
  expect((await client.send(new ListBucketsCommand({}))).Buckets).toEqual([{ Name: Bucket }]);
  await client.send(new HeadBucketCommand({ Bucket }));
  await expect(client.send(new DeleteBucketCommand({ Bucket }))).rejects.toMatchObject({ name: 'BucketNotEmpty' });
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
  await client.send(new DeleteBucketCommand({ Bucket }));
  await expect(client.send(new HeadBucketCommand({ Bucket }))).rejects.toMatchObject({ name: 'NotFound' });
});

test('a put with If-None-Match: * takes a new key and no other', async () => {
  const { client, get } = await start();
  const put = (Body: string) => client.send(new PutObjectCommand({ Bucket, Key: 'a', Body, IfNoneMatch: '*' }));
  await put('first');
  await expect(put('second')).rejects.toMatchObject({ name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } });
  expect(await get('a')).toBe('first');
});

test('a put with If-Match takes the object it names and no other', async () => {
  const { client, get, put } = await start();
  const { ETag } = await put('a', 'first');
  const replace = (Body: string) => client.send(new PutObjectCommand({ Bucket, Key: 'a', Body, IfMatch: ETag }));
  await replace('second');
  await expect(replace('third')).rejects.toMatchObject({ name: 'PreconditionFailed' });
  expect(await get('a')).toBe('second');
});

test('a put with If-Match of an object that is not there is NoSuchKey', async () => {
  const { client } = await start();
  const put = client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x', IfMatch: '"0"' }));
  await expect(put).rejects.toMatchObject({ name: 'NoSuchKey' });
});

test('of 40 clients that put a new key at once exactly one wins', async () => {
  const { client, get } = await start();
  const put = (index: number) =>
    client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: `${index}`, IfNoneMatch: '*' }));
  const outcomes = await Promise.allSettled(Array.from({ length: 40 }, (_, index) => put(index)));
  const winners = outcomes.flatMap((it, index) => (it.status === 'fulfilled' ? [index] : []));
  expect(winners).toHaveLength(1);
  expect(await get('a')).toBe(`${winners[0]}`);
});

test('a get with the ETag that is there is answered with 304', async () => {
  const { client, put } = await start();
  const { ETag } = await put('a');
  await expect(client.send(new GetObjectCommand({ Bucket, Key: 'a', IfNoneMatch: ETag }))).rejects.toMatchObject({
    $metadata: { httpStatusCode: 304 },
  });
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a', IfNoneMatch: '"other"' }));
  expect(await got.Body?.transformToString()).toBe('text');
});

test('a get with If-Match of another ETag is refused', async () => {
  const { client, put } = await start();
  await put('a');
  const got = client.send(new GetObjectCommand({ Bucket, Key: 'a', IfMatch: '"other"' }));
  await expect(got).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } });
});

test('a range gives its bytes, and no checksum of the whole', async () => {
  const { client, put } = await start();
  await put('a', '0123456789');
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a', Range: 'bytes=2-4' }));
  expect(got).toMatchObject({ ContentRange: 'bytes 2-4/10', ContentLength: 3, $metadata: { httpStatusCode: 206 } });
  expect(got.ChecksumCRC32).toBeUndefined();
  expect(await got.Body?.transformToString()).toBe('234');
});

test('a range behind the end is InvalidRange', async () => {
  const { client, put } = await start();
  await put('a', '0123456789');
  const got = client.send(new GetObjectCommand({ Bucket, Key: 'a', Range: 'bytes=10-' }));
  await expect(got).rejects.toMatchObject({ name: 'InvalidRange' });
});

test('a body whose checksum differs is BadDigest and not stored', async () => {
  const { client, objects } = await start();
  const put = client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'text', ChecksumCRC32: 'AAAAAA==' }));
  await expect(put).rejects.toMatchObject({ name: 'BadDigest' });
  expect(objects.keys(Bucket)).toEqual([]);
});

test('a body whose Content-MD5 differs is BadDigest', async () => {
  const { client } = await start();
  const ContentMD5 = createHash('md5').update('other').digest('base64');
  const put = client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'text', ContentMD5 }));
  await expect(put).rejects.toMatchObject({ name: 'BadDigest' });
});

test.each(['CRC32', 'SHA1', 'SHA256'] as const)('a checksum by %s is kept and given back', async (algorithm) => {
  const { client } = await start();
  const put = await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'text', ChecksumAlgorithm: algorithm }));
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a', ChecksumMode: 'ENABLED' }));
  expect(got[`Checksum${algorithm}`]).toBe(put[`Checksum${algorithm}`]);
  expect(got[`Checksum${algorithm}`]).toEqual(expect.any(String));
});

test('a checksum of a kind that is not known is refused, not believed', async () => {
  const { local } = await start();
  const headers = { 'x-amz-checksum-crc64nvme': 'AAAAAAAAAAA=' };
  const { status, body } = await raw(local.port, { method: 'PUT', path: '/bucket/a', headers, body: 'x' });
  expect(status).toBe(501);
  expect(body).toContain('crc64nvme');
});

test('a stream, which is sent in chunks with a trailer, is stored without its framing', async () => {
  const { client, get } = await start();
  const body = 'x'.repeat(200_000);
  await client.send(
    new PutObjectCommand({ Bucket, Key: 'a', Body: Readable.from([Buffer.from(body)]), ContentLength: body.length }),
  );
  expect(await get('a')).toBe(body);
});

const chunkedHeaders = {
  'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': '4',
  'x-amz-trailer': 'x-amz-checksum-crc32',
};

test('a trailer with another checksum is BadDigest', async () => {
  const { local } = await start();
  const put = (body: string) => raw(local.port, { method: 'PUT', path: '/bucket/a', headers: chunkedHeaders, body });
  expect((await put('4\r\ntext\r\n0\r\nx-amz-checksum-crc32:O4JryQ==\r\n\r\n')).body).toContain('BadDigest');
});

test('chunks that hold less than was announced are IncompleteBody', async () => {
  const { local } = await start();
  const put = (body: string) => raw(local.port, { method: 'PUT', path: '/bucket/a', headers: chunkedHeaders, body });
  expect((await put('3\r\ntex\r\n0\r\n\r\n')).body).toContain('IncompleteBody');
});

test('aws-chunked is not kept as an encoding of the object', async () => {
  const { client, local } = await start();
  const headers = { ...chunkedHeaders, 'content-encoding': 'gzip,aws-chunked' };
  await raw(local.port, { method: 'PUT', path: '/bucket/a', headers, body: '4\r\ntext\r\n0\r\n\r\n' });
  expect((await client.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).ContentEncoding).toBe('gzip');
});

const oddKeys = ['a/../b', '..', './a', 'a//b', 'a b+c&d=e?f#g%25', 'ü💧', '"\'<&>', 'a/', "!*'()"];

test.each(oddKeys)('the key %j goes through the SDK, a list and a removal', async (Key) => {
  const { client, put, get, objects } = await start();
  await put('other');
  await put(Key, 'odd');
  expect(await get(Key)).toBe('odd');
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
  expect(Contents.map((it) => it.Key)).toContain(Key);
  await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key }] } }));
  expect(objects.keys(Bucket)).toEqual(['other']);
});

test('a path that steps up stays a key', async () => {
  const { local, objects } = await start();
  await raw(local.port, { method: 'PUT', path: '/bucket/../../etc/passwd', body: 'x' });
  await raw(local.port, { method: 'PUT', path: '/bucket/%2e%2e/x', body: 'x' });
  expect(objects.keys(Bucket)).toEqual(['../../etc/passwd', '../x']);
});

test.each(['/../x', '/%2e%2e/x', '/a%2f..%2fb/x', '/UPPER/x'])('%s is no bucket', async (path) => {
  const { local } = await start();
  const { status, body } = await raw(local.port, { method: 'PUT', path, body: 'x' });
  expect(status).toBe(400);
  expect(body).toContain('InvalidBucketName');
});

test('a key of more than 1,024 bytes is refused', async () => {
  const { put } = await start();
  await put('ü'.repeat(512));
  await expect(put('ü'.repeat(513))).rejects.toMatchObject({ name: 'KeyTooLongError' });
});

test('a path that is not UTF-8 is InvalidURI', async () => {
  const { local } = await start();
  expect((await raw(local.port, { path: '/bucket/%ff' })).body).toContain('InvalidURI');
});

test.each(['bucket.localhost', 'bucket.s3.localhost', 'bucket.localhost:4566'])(
  'virtual-host style is known by the host %s',
  async (host) => {
    const { local, objects } = await start();
    const { status } = await raw(local.port, { method: 'PUT', path: '/a/b', headers: { host }, body: 'x' });
    expect(status).toBe(200);
    expect(objects.keys(Bucket)).toEqual(['a/b']);
  },
);

test('1,203 keys are listed page by page', async () => {
  const { client, objects } = await start();
  const checksum = { algorithm: 'crc32', value: 'AAAAAA==' } as const;
  const keys = Array.from({ length: 1_203 }, (_, index) => `a/${String(index).padStart(4, '0')}`);
  await Promise.all(
    keys.map((key) => objects.put({ bucket: Bucket, key, bytes: new Uint8Array(), checksum, headers: {} })),
  );
  const pages: number[] = [];
  const listed: (string | undefined)[] = [];
  for await (const page of paginateListObjectsV2({ client }, { Bucket, Prefix: 'a/' })) {
    pages.push(page.KeyCount ?? 0);
    listed.push(...(page.Contents ?? []).map((it) => it.Key));
  }
  expect(pages).toEqual([1_000, 203]);
  expect(listed).toEqual(keys);
});

test('a list tells sizes and common prefixes', async () => {
  const { client, put } = await start();
  await put('a', '12345');
  await put('b/1');
  await put('b/2');
  const listed = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: '/', MaxKeys: 5 }));
  expect(listed).toMatchObject({
    KeyCount: 2,
    IsTruncated: false,
    Contents: [{ Key: 'a', Size: 5, LastModified: new Date(Date.UTC(2026, 0, 1)) }],
    CommonPrefixes: [{ Prefix: 'b/' }],
  });
});

test('a list that is asked to is encoded for URLs', async () => {
  const { client, put } = await start();
  await put('a b/ü');
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, EncodingType: 'url' }));
  expect(Contents?.[0]?.Key).toBe('a%20b/%C3%BC');
});

test('removing what is not there is no error', async () => {
  const { client } = await start();
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'none' }));
});

test('many objects are removed at once', async () => {
  const { client, put, objects } = await start();
  for (const key of ['a', 'b', 'c']) await put(key);
  const Objects = [{ Key: 'a' }, { Key: 'c' }, { Key: 'none' }];
  const { Deleted } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  expect(Deleted?.map((it) => it.Key)).toEqual(['a', 'c', 'none']);
  expect(objects.keys(Bucket)).toEqual(['b']);
});

test('a copy has the bytes and the metadata of its source', async () => {
  const { client, get } = await start();
  await client.send(new PutObjectCommand({ Bucket, Key: 'a ü', Body: 'text', Metadata: { by: 'me' } }));
  const CopySource = `${Bucket}/${encodeURIComponent('a ü')}`;
  const { CopyObjectResult } = await client.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource }));
  expect(CopyObjectResult?.ETag).toBe(`"${createHash('md5').update('text').digest('hex')}"`);
  expect(await get('b')).toBe('text');
  expect((await client.send(new HeadObjectCommand({ Bucket, Key: 'b' }))).Metadata).toEqual({ by: 'me' });
});

test('a copy of what is not there is NoSuchKey', async () => {
  const { client } = await start();
  const copy = client.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource: `${Bucket}/none` }));
  await expect(copy).rejects.toMatchObject({ name: 'NoSuchKey' });
});

async function upload(client: S3Client, parts: readonly Buffer[]) {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'a', ContentType: 'text/x' }));
  const etags: (string | undefined)[] = [];
  for (const [index, Body] of parts.entries()) {
    const part = new UploadPartCommand({ Bucket, Key: 'a', UploadId, PartNumber: index + 1, Body });
    etags.push((await client.send(part)).ETag);
  }
  return { UploadId, Parts: etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 })) };
}

const megabytes = (count: number, fill: string): Buffer => Buffer.alloc(count * 1024 * 1024, fill);

test('an object that was put in parts comes back whole', async () => {
  const { client } = await start();
  const { UploadId, Parts } = await upload(client, [megabytes(5, 'a'), megabytes(1, 'b')]);
  await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'a', UploadId, MultipartUpload: { Parts } }));
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }));
  expect(got.ETag).toMatch(/^"[0-9a-f]{32}-2"$/);
  expect(got.ContentType).toBe('text/x');
  const bytes = (await got.Body?.transformToByteArray()) ?? new Uint8Array();
  expect(Buffer.compare(bytes, Buffer.concat([megabytes(5, 'a'), megabytes(1, 'b')]))).toBe(0);
});

test.each([
  ['in another order', 'InvalidPartOrder', (parts: { PartNumber: number }[]) => parts.toReversed()],
  ['with another ETag', 'InvalidPart', (parts: object[]) => parts.map((it) => ({ ...it, ETag: '"0"' }))],
])('parts %s are refused', async (_, name, change) => {
  const { client } = await start();
  const { UploadId, Parts } = await upload(client, [megabytes(5, 'a'), megabytes(5, 'b')]);
  const MultipartUpload = { Parts: change(Parts) };
  const completed = client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'a', UploadId, MultipartUpload }));
  await expect(completed).rejects.toMatchObject({ name });
});

test('a part that is too small, and not the last, is refused', async () => {
  const { client } = await start();
  const { UploadId, Parts } = await upload(client, [megabytes(1, 'a'), megabytes(1, 'b')]);
  const MultipartUpload = { Parts };
  const completed = client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'a', UploadId, MultipartUpload }));
  await expect(completed).rejects.toMatchObject({ name: 'EntityTooSmall' });
});

test('an upload that was aborted is not there', async () => {
  const { client } = await start();
  const { UploadId, Parts } = await upload(client, [megabytes(1, 'a')]);
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'a', UploadId }));
  const MultipartUpload = { Parts };
  const completed = client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'a', UploadId, MultipartUpload }));
  await expect(completed).rejects.toMatchObject({ name: 'NoSuchUpload' });
});

test('what is not known is refused and changes nothing', async () => {
  const { client, put, get } = await start();
  await put('a');
  const acl = client.send(new GetObjectAclCommand({ Bucket, Key: 'a' }));
  await expect(acl).rejects.toMatchObject({ name: 'NotImplemented' });
  const VersioningConfiguration = { Status: 'Enabled' } as const;
  const versioning = client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  await expect(versioning).rejects.toMatchObject({ name: 'NotImplemented' });
  expect(await get('a')).toBe('text');
});

test('a failure of ours is a 500 that is reported', async () => {
  const { client, put, folder, errors } = await start();
  await put('a');
  // Somebody tidied up.
  for (const file of readdirSync(join(folder, Bucket))) rmSync(join(folder, Bucket, file));
  await expect(client.send(new GetObjectCommand({ Bucket, Key: 'a' }))).rejects.toMatchObject({
    $metadata: { httpStatusCode: 500 },
  });
  expect(errors).toHaveLength(1);
});

test('a client that goes in the middle of its request is no fault of ours', async () => {
  const { local, errors } = await start();
  await cutOff(local, {});
  expect(errors).toEqual([]);
});

test('a port that is taken leaves the folder free for another try', async () => {
  const { local } = await start();
  const folder = mkdtempSync(join(tmpdir(), 'millrace-s3-'));
  const second = startS3({ objects: new Objects(folder), port: local.port });
  await expect(second).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  opened.push(await startS3({ objects: new Objects(folder) }));
});
