import { Fault } from './fault.ts';

/** What a request is about. An empty key is the bucket itself, an empty bucket the list of them. */
export interface Address {
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
export const keyBytesMax = 1_024;

/**
 * Path style is `/bucket/key`, virtual-host style `bucket.localhost` or `bucket.s3.localhost` with `/key`. Not by way of `URL`,
 * which takes `..` for a step up and loses the key `a/../b`.
 */
export function parseAddress(request: { readonly url: string; readonly host: string }): Address {
  const at = request.url.indexOf('?');
  const path = at === -1 ? request.url : request.url.slice(0, at);
  const query = new URLSearchParams(at === -1 ? '' : request.url.slice(at + 1));
  const hosted = /^(.+?)(?:\.s3)?\.localhost(?::\d+)?$/i.exec(request.host)?.[1];
  if (hosted !== undefined && hosted !== 's3') return checked({ bucket: hosted, key: decode(path.slice(1)), query });
  const slash = path.indexOf('/', 1);
  const bucket = decode(slash === -1 ? path.slice(1) : path.slice(1, slash));
  return checked({ bucket, key: slash === -1 ? '' : decode(path.slice(slash + 1)), query });
}

/** A bucket is a folder, so its name must be one of S3's: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
export function isBucketName(bucket: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) && !bucket.includes('..');
}

function checked(address: Address): Address {
  const { bucket, key } = address;
  if (bucket !== '' && !isBucketName(bucket)) {
    throw new Fault('InvalidBucketName', `The specified bucket is not valid: ${bucket}.`);
  }
  if (Buffer.byteLength(key) > keyBytesMax) {
    throw new Fault('KeyTooLongError', `Your key is too long: it may have ${keyBytesMax} bytes.`);
  }
  return address;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Fault('InvalidURI', `Could not parse the specified URI: ${text}.`);
  }
}
