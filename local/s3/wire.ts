import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { type LocalServer, listen } from '../listen.ts';
import type { ObjectMeta, Objects } from './objects.ts';

/** An S3 endpoint over `objects`: what blob stores use, in path style (`/bucket/key`). */
export function startS3({
  objects,
  port = 0,
}: {
  readonly objects: Objects;
  readonly port?: number;
}): Promise<LocalServer> {
  const server = createServer((request, response) => {
    serve(objects, request, response).catch((error: unknown) => {
      const fault = error instanceof Fault ? error : new Fault(500, 'InternalError', String(error));
      reply(
        response,
        fault.status,
        `<Error><Code>${fault.code}</Code><Message>${escapeXml(fault.message)}</Message></Error>`,
        request.method === 'HEAD',
      );
    });
  });
  return listen(server, { name: 'S3', port });
}

class Fault extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function serve(objects: Objects, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://local');
  const [, bucket = '', ...rest] = url.pathname.split('/');
  const key = decodeURIComponent(rest.join('/'));
  const body = await readBody(request);
  if (key === '' && request.method === 'PUT') {
    objects.createBucket(bucket);
    reply(response, 200, '');
    return;
  }
  if (!objects.hasBucket(bucket)) throw new Fault(404, 'NoSuchBucket', `The bucket ${bucket} does not exist.`);
  switch (request.method) {
    case 'PUT':
      put(objects, bucket, key, body, request, response);
      return;
    case 'GET':
    case 'HEAD':
      if (key !== '') get(objects, bucket, key, request, response);
      else if (request.method === 'HEAD') reply(response, 200, '');
      else list(objects, bucket, url.searchParams, response);
      return;
    case 'DELETE':
      objects.remove(bucket, key);
      response.writeHead(204).end();
      return;
    case 'POST':
      if (url.searchParams.has('delete')) {
        removeMany(objects, bucket, body, response);
        return;
      }
  }
  throw new Fault(501, 'NotImplemented', `The embedded S3 does not know ${request.method} ${request.url}.`);
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
function put(
  objects: Objects,
  bucket: string,
  key: string,
  body: Buffer,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const known = objects.get(bucket, key);
  const { 'if-none-match': noneMatch, 'if-match': match } = request.headers;
  if (noneMatch === '*' && known !== undefined) throw new Fault(412, 'PreconditionFailed', 'The object exists.');
  if (match !== undefined && known === undefined) throw new Fault(404, 'NoSuchKey', 'The object does not exist.');
  if (match !== undefined && match !== known?.etag)
    throw new Fault(412, 'PreconditionFailed', 'The object has another ETag.');
  const sent = request.headers['x-amz-checksum-crc32'];
  if (sent !== undefined && sent !== crcOf(body))
    throw new Fault(400, 'BadDigest', `The CRC32 you specified did not match: ${sent}.`);
  const kept = Object.entries(request.headers).filter(
    ([name]) => name === 'content-type' || name.startsWith('x-amz-meta-'),
  );
  const headers = { ...(Object.fromEntries(kept) as Record<string, string>), 'x-amz-checksum-crc32': crcOf(body) };
  const meta = objects.put(bucket, key, body, headers);
  response.writeHead(200, { etag: meta.etag, 'x-amz-checksum-crc32': crcOf(body) }).end();
}

function crcOf(body: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString('base64');
}

function get(objects: Objects, bucket: string, key: string, request: IncomingMessage, response: ServerResponse): void {
  const found = objects.get(bucket, key);
  if (found === undefined) throw new Fault(404, 'NoSuchKey', 'The specified key does not exist.');
  if (request.headers['if-none-match'] === found.etag) {
    response.writeHead(304, { etag: found.etag }).end();
    return;
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const from = range === null ? 0 : Number(range[1]);
  const to = range === null || range[2] === '' ? found.body.length : Math.min(found.body.length, Number(range[2]) + 1);
  if (range !== null && from >= found.body.length)
    throw new Fault(416, 'InvalidRange', 'The requested range cannot be satisfied.');
  const body = found.body.subarray(from, to);
  response.writeHead(range === null ? 200 : 206, {
    // A checksum is of the whole object.
    ...(range === null ? found.headers : { 'content-range': `bytes ${from}-${to - 1}/${found.body.length}` }),
    etag: found.etag,
    'content-length': body.length,
    'last-modified': new Date(found.modifiedMs).toUTCString(),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function list(objects: Objects, bucket: string, query: URLSearchParams, response: ServerResponse): void {
  const prefix = query.get('prefix') ?? '';
  const max = Math.min(1_000, Number(query.get('max-keys') ?? 1_000));
  const token = query.get('continuation-token');
  const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64').toString();
  const all = objects
    .list(bucket, prefix)
    .filter((object) => Buffer.compare(Buffer.from(object.key), Buffer.from(after)) > 0);
  const page = all.slice(0, max);
  const last = page.at(-1)?.key ?? '';
  const next =
    all.length > max ? `<NextContinuationToken>${Buffer.from(last).toString('base64')}</NextContinuationToken>` : '';
  const contents = page.map((object) => describeObject(object)).join('');
  reply(
    response,
    200,
    `<ListBucketResult><Name>${escapeXml(bucket)}</Name><Prefix>${escapeXml(prefix)}</Prefix><KeyCount>${page.length}</KeyCount><MaxKeys>${max}</MaxKeys><IsTruncated>${all.length > max}</IsTruncated>${next}${contents}</ListBucketResult>`,
  );
}

function describeObject({ key, etag, modifiedMs, size }: ObjectMeta & { readonly size: number }): string {
  return `<Contents><Key>${escapeXml(key)}</Key><LastModified>${new Date(modifiedMs).toISOString()}</LastModified><ETag>${escapeXml(etag)}</ETag><Size>${size}</Size><StorageClass>STANDARD</StorageClass></Contents>`;
}

function removeMany(objects: Objects, bucket: string, body: Buffer, response: ServerResponse): void {
  const keys = [...body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map((found) => unescapeXml(found[1] ?? ''));
  for (const key of keys) objects.remove(bucket, key);
  reply(
    response,
    200,
    `<DeleteResult>${keys.map((key) => `<Deleted><Key>${escapeXml(key)}</Key></Deleted>`).join('')}</DeleteResult>`,
  );
}

/** A body is plain, or in the chunks of a stream whose length or checksum was not known when it began. */
async function readBody(request: IncomingMessage): Promise<Buffer> {
  const raw = await buffer(request);
  return String(request.headers['x-amz-content-sha256']).startsWith('STREAMING-') ? joinChunks(raw) : raw;
}

/** aws-chunked: `size[;chunk-signature=…]\r\n data \r\n` …, then a size of 0 and trailers. */
function joinChunks(raw: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = raw.indexOf('\r\n', at);
    const size = Number.parseInt(raw.toString('latin1', at, end), 16);
    if (!(size > 0)) return Buffer.concat(parts);
    parts.push(raw.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

function reply(response: ServerResponse, status: number, xml: string, isHead = false): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(isHead || xml === '' ? undefined : `<?xml version="1.0" encoding="UTF-8"?>${xml}`);
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] as string);
}

function unescapeXml(text: string): string {
  return Object.entries(entities).reduceRight(
    (unescaped, [character, entity]) => unescaped.replaceAll(entity, character),
    text,
  );
}
