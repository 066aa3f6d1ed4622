import { createHash, randomUUID } from 'node:crypto';
import { verifyChecksums } from './checksum.ts';
import { Fault } from './fault.ts';

interface Upload {
  readonly bucket: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, { readonly bytes: Uint8Array; readonly etag: string }>;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const partNumberMax = 10_000;
/** Of every part but the last. */
const partBytesMin = 5 * 1024 * 1024;

/** Uploads in parts that are not complete. They are in memory: a restart forgets them, and their parts with them. */
export class Uploads {
  readonly #uploads = new Map<string, Upload>();

  create(target: Pick<Upload, 'bucket' | 'key' | 'headers'>): string {
    const id = randomUUID();
    this.#uploads.set(id, { ...target, parts: new Map() });
    return id;
  }

  /** Gives the part's ETag. A part with the same number replaces it. */
  addPart(id: string, part: { readonly number: number; readonly bytes: Uint8Array }): string {
    const { number, bytes } = part;
    if (!Number.isInteger(number) || number < 1 || number > partNumberMax) {
      throw new Fault('InvalidArgument', `Part number must be an integer between 1 and ${partNumberMax}, inclusive.`);
    }
    const etag = `"${createHash('md5').update(bytes).digest('hex')}"`;
    this.#get(id).parts.set(number, { bytes, etag });
    return etag;
  }

  /** The object that the parts make. The upload stays until it is removed, so that completing may be tried again. */
  join(id: string, named: readonly { readonly number: number; readonly etag: string }[]) {
    const { parts, bucket, key, headers } = this.#get(id);
    if (named.length === 0) throw new Fault('MalformedXML', 'You must specify at least one part.');
    const chosen = named.map(({ number, etag }, index) => {
      if (index > 0 && number <= (named[index - 1]?.number ?? 0)) {
        throw new Fault('InvalidPartOrder', 'The list of parts was not in ascending order.');
      }
      const part = parts.get(number);
      if (part === undefined || bare(part.etag) !== bare(etag)) {
        throw new Fault('InvalidPart', `Part ${number} could not be found, or its ETag is another.`);
      }
      if (index < named.length - 1 && part.bytes.length < partBytesMin) {
        throw new Fault(
          'EntityTooSmall',
          `Part ${number} has ${part.bytes.length} bytes; all but the last need ${partBytesMin}.`,
        );
      }
      return part;
    });
    const bytes = Buffer.concat(chosen.map((part) => part.bytes));
    const digests = Buffer.concat(chosen.map((part) => Buffer.from(bare(part.etag), 'hex')));
    const etag = `"${createHash('md5').update(digests).digest('hex')}-${chosen.length}"`;
    return { bucket, key, headers, bytes, etag, checksum: verifyChecksums(bytes, {}) };
  }

  remove(id: string): void {
    this.#get(id);
    this.#uploads.delete(id);
  }

  #get(id: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload === undefined) throw new Fault('NoSuchUpload', 'The specified multipart upload does not exist.');
    return upload;
  }
}

function bare(etag: string): string {
  return etag.replace(/^"|"$/g, '');
}
