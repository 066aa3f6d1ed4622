import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Fault } from './fault.ts';

/** A checksum of a whole object, in base64: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}

export type ChecksumAlgorithm = keyof typeof algorithms;

export const headerPrefix = 'x-amz-checksum-';

export function checksumOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): Checksum {
  return { algorithm, value: algorithms[algorithm](bytes).toString('base64') };
}

/**
 * Verifies each checksum that came with a body, and gives the one to keep: the one that was sent, or else a CRC-32. (AWS would
 * keep a CRC-64/NVME; an SDK that reads verifies either.)
 */
export function verifyChecksums(bytes: Uint8Array, headers: Readonly<Record<string, string>>): Checksum {
  const contentMd5 = headers['content-md5'];
  if (contentMd5 !== undefined && contentMd5 !== digest('md5', bytes).toString('base64')) {
    throw new Fault('BadDigest', 'The Content-MD5 you specified did not match what we received.');
  }
  let kept: Checksum | undefined;
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(headerPrefix) || notChecksums.includes(name)) continue;
    const algorithm = algorithmOf(name.slice(headerPrefix.length));
    kept = checksumOf(algorithm, bytes);
    if (kept.value !== value) {
      throw new Fault(
        'BadDigest',
        `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
      );
    }
  }
  return kept ?? checksumOf('crc32', bytes);
}

export function checksumHeaders({ algorithm, value }: Checksum): Readonly<Record<string, string>> {
  return { [`${headerPrefix}${algorithm}`]: value, [`${headerPrefix}type`]: 'FULL_OBJECT' };
}

/** `ChecksumCRC32`, as the element of an XML answer is called. */
export function checksumElement({ algorithm }: Checksum): string {
  return `Checksum${algorithm.toUpperCase()}`;
}

const algorithms = {
  crc32: (bytes: Uint8Array): Buffer => {
    const value = Buffer.alloc(4);
    value.writeUInt32BE(crc32(bytes));
    return value;
  },
  sha1: (bytes: Uint8Array): Buffer => digest('sha1', bytes),
  sha256: (bytes: Uint8Array): Buffer => digest('sha256', bytes),
};

/** They begin like a checksum's header and hold none. */
const notChecksums: readonly string[] = [`${headerPrefix}type`, `${headerPrefix}mode`, `${headerPrefix}algorithm`];

function algorithmOf(name: string): ChecksumAlgorithm {
  if (Object.hasOwn(algorithms, name)) return name as ChecksumAlgorithm;
  throw new Fault(
    'NotImplemented',
    `Local S3 cannot verify ${name}: choose one of ${Object.keys(algorithms).join(', ')}, or set AWS_REQUEST_CHECKSUM_CALCULATION=when_required.`,
  );
}

function digest(algorithm: string, bytes: Uint8Array): Buffer {
  return createHash(algorithm).update(bytes).digest();
}
