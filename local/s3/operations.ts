import { type Address, parseAddress } from './address.ts';
import type { Body } from './body.ts';
import { checksumElement, checksumHeaders, headerPrefix, verifyChecksums } from './checksum.ts';
import { checkRead, parseRange } from './condition.ts';
import { Fault } from './fault.ts';
import { listPage } from './list.ts';
import type { ObjectMeta, Objects } from './objects.ts';
import type { Uploads } from './uploads.ts';
import { element, textsOf } from './xml.ts';

export interface Call {
  readonly objects: Objects;
  readonly uploads: Uploads;
  readonly method: string;
  readonly address: Address;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Body;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly xml?: string;
  /** Part of an open file, which is closed once it is sent. */
  readonly file?: { readonly file: number; readonly from: number; readonly bytesCount: number };
}

/** Answers one request. */
export function answer(call: Call): Reply | Promise<Reply> {
  const { method, address } = call;
  const kind = address.bucket === '' ? 'service' : address.key === '' ? 'bucket' : 'object';
  const selector = selectors.find((name) => address.query.has(name)) ?? '';
  const name = `${method} ${kind}${selector === '' ? '' : ` ${selector}`}`;
  const operation = operations[name];
  const unknown = [...address.query.keys()].find((it) => !isKnown(it));
  if (operation === undefined || unknown !== undefined) {
    throw new Fault(
      'NotImplemented',
      `Local S3 does not know ${name}${unknown === undefined ? '' : ` with ${unknown}`}.`,
    );
  }
  if (kind !== 'service' && name !== 'PUT bucket' && !call.objects.hasBucket(address.bucket)) {
    throw new Fault('NoSuchBucket', `The specified bucket does not exist: ${address.bucket}.`);
  }
  return operation(call);
}

/** Parameters that make another operation of the same method and path. */
const selectors = ['list-type', 'location', 'delete', 'uploads', 'partNumber', 'uploadId'];

/** All that is known. Any other may change what is meant, as `?acl` does, and is refused. */
const parameters = [...selectors, 'prefix', 'delimiter', 'max-keys', 'continuation-token', 'start-after'].concat([
  'encoding-type',
  'fetch-owner',
  'x-id',
]);

/** The signature of a link that was signed beforehand is in its parameters. */
function isKnown(parameter: string): boolean {
  return parameters.includes(parameter) || parameter.toLowerCase().startsWith('x-amz-');
}

const operations: Readonly<Record<string, (call: Call) => Reply | Promise<Reply>>> = {
  'GET service': listBuckets,
  'PUT bucket': ({ objects, address: { bucket } }) => {
    objects.createBucket(bucket);
    return { status: 200, headers: { location: `/${bucket}` } };
  },
  'HEAD bucket': () => ({ status: 200 }),
  'DELETE bucket': ({ objects, address }) => {
    objects.dropBucket(address.bucket);
    return { status: 204 };
  },
  'GET bucket location': () => ({ status: 200, xml: '<LocationConstraint/>' }),
  'GET bucket list-type': listObjects,
  'POST bucket delete': removeMany,
  'PUT object': (call) => (call.headers['x-amz-copy-source'] === undefined ? put(call) : copy(call)),
  'GET object': (call) => get(call, { withBody: true }),
  'HEAD object': (call) => get(call, { withBody: false }),
  'DELETE object': ({ objects, address: { bucket, key }, headers }) => {
    objects.remove(bucket, key, { ifMatch: headers['if-match'] });
    return { status: 204 };
  },
  'POST object uploads': ({ uploads, address: { bucket, key }, headers }) => {
    const id = uploads.create({ bucket, key, headers: keptHeaders(headers) });
    const fields = element('Bucket', bucket) + element('Key', key) + element('UploadId', id);
    return { status: 200, xml: `<InitiateMultipartUploadResult>${fields}</InitiateMultipartUploadResult>` };
  },
  'PUT object partNumber': ({ uploads, address: { query }, headers, body }) => {
    const checksum = verifyChecksums(body.bytes, { ...headers, ...body.trailers });
    const number = Number(query.get('partNumber'));
    const etag = uploads.addPart(query.get('uploadId') ?? '', { number, bytes: body.bytes });
    return { status: 200, headers: { etag, [`${headerPrefix}${checksum.algorithm}`]: checksum.value } };
  },
  'POST object uploadId': completeUpload,
  'DELETE object uploadId': ({ uploads, address }) => {
    uploads.remove(address.query.get('uploadId') ?? '');
    return { status: 204 };
  },
};

function listBuckets({ objects }: Call): Reply {
  const buckets = objects.buckets().map((name) => `<Bucket>${element('Name', name)}</Bucket>`);
  return {
    status: 200,
    xml: `<ListAllMyBucketsResult><Buckets>${buckets.join('')}</Buckets></ListAllMyBucketsResult>`,
  };
}

const listedEntriesMax = 1_000;

function listObjects({ objects, address: { bucket, query } }: Call): Reply {
  const parameter = (name: string): string => query.get(name) ?? '';
  const entriesMax = Number(query.get('max-keys') ?? listedEntriesMax);
  if (parameter('list-type') !== '2')
    throw new Fault('NotImplemented', 'Local S3 lists objects by ListObjectsV2 only.');
  if (!Number.isInteger(entriesMax) || entriesMax < 0) throw new Fault('InvalidArgument', 'max-keys is not a number.');
  const page = listPage(objects.keys(bucket), {
    prefix: parameter('prefix'),
    delimiter: parameter('delimiter'),
    startAfter: parameter('start-after'),
    continuationToken: query.get('continuation-token') ?? undefined,
    entriesMax: Math.min(entriesMax, listedEntriesMax),
  });
  const isUrl = parameter('encoding-type') === 'url';
  const encode = (text: string): string => (isUrl ? encodeURIComponent(text).replaceAll('%2F', '/') : text);
  const contents = page.keys.map((key) => {
    const meta = objects.find(bucket, key);
    return meta === undefined ? '' : `<Contents>${element('Key', encode(key))}${metaElements(meta)}</Contents>`;
  });
  const prefixes = page.commonPrefixes.map((it) => `<CommonPrefixes>${element('Prefix', encode(it))}</CommonPrefixes>`);
  return {
    status: 200,
    xml: [
      '<ListBucketResult>',
      element('Name', bucket),
      element('Prefix', encode(parameter('prefix'))),
      element('Delimiter', query.get('delimiter') ?? undefined),
      element('EncodingType', isUrl ? 'url' : undefined),
      element('MaxKeys', entriesMax),
      element('KeyCount', page.keys.length + page.commonPrefixes.length),
      element('IsTruncated', page.nextToken !== undefined),
      element('NextContinuationToken', page.nextToken),
      ...contents,
      ...prefixes,
      '</ListBucketResult>',
    ].join(''),
  };
}

function metaElements({ etag, bytesCount, modifiedMs, checksum }: ObjectMeta): string {
  return [
    element('LastModified', new Date(modifiedMs).toISOString()),
    element('ETag', etag),
    element('ChecksumAlgorithm', checksum.algorithm.toUpperCase()),
    element('Size', bytesCount),
    element('StorageClass', 'STANDARD'),
  ].join('');
}

const removedKeysMax = 1_000;

function removeMany({ objects, address: { bucket }, headers, body }: Call): Reply {
  verifyChecksums(body.bytes, { ...headers, ...body.trailers });
  const xml = body.bytes.toString();
  const keys = textsOf(xml, 'Key');
  if (keys.length === 0 || keys.length > removedKeysMax) {
    throw new Fault('MalformedXML', `A request removes 1 to ${removedKeysMax} objects, not ${keys.length}.`);
  }
  for (const key of keys) objects.remove(bucket, key);
  const isQuiet = textsOf(xml, 'Quiet').includes('true');
  const removed = isQuiet ? [] : keys.map((key) => `<Deleted>${element('Key', key)}</Deleted>`);
  return { status: 200, xml: `<DeleteResult>${removed.join('')}</DeleteResult>` };
}

async function put({ objects, address: { bucket, key }, headers, body }: Call): Promise<Reply> {
  const checksum = verifyChecksums(body.bytes, { ...headers, ...body.trailers });
  const meta = await objects.put({
    bucket,
    key,
    bytes: body.bytes,
    checksum,
    headers: keptHeaders(headers),
    condition: writeConditionOf(headers),
  });
  return { status: 200, headers: { etag: meta.etag, ...checksumHeaders(checksum) } };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
async function copy({ objects, address: { bucket, key }, headers }: Call): Promise<Reply> {
  const conditional = Object.keys(headers).find((name) => name.startsWith('x-amz-copy-source-'));
  if (conditional !== undefined) throw new Fault('NotImplemented', `Local S3 does not know ${conditional}.`);
  const source = parseAddress({ url: `/${(headers['x-amz-copy-source'] ?? '').replace(/^\//, '')}`, host: '' });
  const meta = objects.find(source.bucket, source.key);
  if (meta === undefined) throw new Fault('NoSuchKey', 'The specified key does not exist.');
  const replaces = headers['x-amz-metadata-directive'] === 'REPLACE';
  if (!replaces && source.bucket === bucket && source.key === key) {
    throw new Fault('InvalidRequest', 'This copy request is illegal because it copies an object to itself unchanged.');
  }
  const copied = await objects.put({
    bucket,
    key,
    bytes: objects.read(source.bucket, source.key),
    checksum: meta.checksum,
    headers: replaces ? keptHeaders(headers) : meta.headers,
    condition: writeConditionOf(headers),
  });
  return { status: 200, xml: `<CopyObjectResult>${resultElements(copied)}</CopyObjectResult>` };
}

async function completeUpload({ objects, uploads, address: { query }, headers, body }: Call): Promise<Reply> {
  const id = query.get('uploadId') ?? '';
  const xml = body.bytes.toString();
  const etags = textsOf(xml, 'ETag');
  const parts = textsOf(xml, 'PartNumber').map((number, index) => ({
    number: Number(number),
    etag: etags[index] ?? '',
  }));
  const meta = await objects.put({ ...uploads.join(id, parts), condition: writeConditionOf(headers) });
  uploads.remove(id);
  const fields = element('Key', meta.key) + resultElements(meta);
  return { status: 200, xml: `<CompleteMultipartUploadResult>${fields}</CompleteMultipartUploadResult>` };
}

function resultElements({ etag, modifiedMs, checksum }: ObjectMeta): string {
  return [
    element('ETag', etag),
    element('LastModified', new Date(modifiedMs).toISOString()),
    element(checksumElement(checksum), checksum.value),
    element('ChecksumType', 'FULL_OBJECT'),
  ].join('');
}

function get({ objects, address: { bucket, key }, headers }: Call, { withBody }: { withBody: boolean }): Reply {
  const meta = objects.find(bucket, key);
  if (meta === undefined) throw new Fault('NoSuchKey', 'The specified key does not exist.');
  const about = { etag: meta.etag, 'last-modified': new Date(meta.modifiedMs).toUTCString() };
  if (checkRead(meta, headers) === 'unchanged') return { status: 304, headers: about };
  const range = parseRange(headers['range'], meta.bytesCount);
  const { from, to } = range ?? { from: 0, to: meta.bytesCount - 1 };
  const bytesCount = to - from + 1;
  const reply = {
    status: range === undefined ? 200 : 206,
    headers: {
      'content-type': 'binary/octet-stream',
      ...meta.headers,
      ...about,
      // It is of the whole object, and only of use to who has all of it.
      ...(range === undefined && headers[`${headerPrefix}mode`] === 'ENABLED' ? checksumHeaders(meta.checksum) : {}),
      ...(range === undefined ? {} : { 'content-range': `bytes ${from}-${to}/${meta.bytesCount}` }),
      'accept-ranges': 'bytes',
      'content-length': String(bytesCount),
    },
  };
  return withBody ? { ...reply, file: { file: objects.open(bucket, key), from, bytesCount } } : reply;
}

const storedHeaders = ['content-type', 'content-language', 'content-disposition', 'cache-control', 'expires'];

function keptHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const kept = Object.entries(headers).filter(
    ([name]) => storedHeaders.includes(name) || name.startsWith('x-amz-meta-'),
  );
  const encodings = (headers['content-encoding'] ?? '').split(',').map((it) => it.trim());
  const encoding = encodings.filter((it) => it !== '' && it !== 'aws-chunked').join(', ');
  return { ...Object.fromEntries(kept), ...(encoding === '' ? {} : { 'content-encoding': encoding }) };
}

function writeConditionOf(headers: Readonly<Record<string, string>>) {
  return { ifMatch: headers['if-match'], ifNoneMatch: headers['if-none-match'] };
}
