import type { IncomingMessage } from 'node:http';
import { Fault } from './fault.ts';

/** A body in memory. S3 takes 5 GB in one put; on a laptop that much is a mistake. */
export const bodyBytesMax = 1024 ** 3;

export interface Body {
  readonly bytes: Buffer;
  /** What came behind the last chunk; checksums, mostly. */
  readonly trailers: Readonly<Record<string, string>>;
}

/** Reads a body, which is plain or in the chunks of a stream whose checksum was not known when it began. */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > bodyBytesMax)
      throw new Fault('EntityTooLarge', `Local S3 takes at most ${bodyBytesMax} bytes in one request.`);
    parts.push(part);
  }
  const bytes = Buffer.concat(parts, size);
  if (!isChunked(request)) return { bytes, trailers: {} };
  const body = joinChunks(bytes);
  const declared = request.headers['x-amz-decoded-content-length'];
  if (declared !== undefined && Number(declared) !== body.bytes.length) {
    throw new Fault('IncompleteBody', `The body has ${body.bytes.length} bytes where ${declared} were announced.`);
  }
  return body;
}

function isChunked(request: IncomingMessage): boolean {
  const hash = request.headers['x-amz-content-sha256'];
  const encoding = request.headers['content-encoding'] ?? '';
  return String(hash).startsWith('STREAMING-') || /\baws-chunked\b/.test(encoding);
}

/**
 * aws-chunked: `size[;chunk-signature=…]\r\n data \r\n` …, then a size of 0 and the trailers, `name:value\r\n` each.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
export function joinChunks(raw: Buffer): Body {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = raw.indexOf('\r\n', at);
    const line = end === -1 ? '' : raw.toString('latin1', at, end);
    const size = /^[0-9a-f]+(;.*)?$/i.test(line) ? Number.parseInt(line, 16) : Number.NaN;
    const start = end + 2;
    if (size === 0) return { bytes: Buffer.concat(parts), trailers: parseTrailers(raw.toString('latin1', start)) };
    if (Number.isNaN(size) || raw.toString('latin1', start + size, start + size + 2) !== '\r\n') {
      throw new Fault('IncompleteBody', `The chunk at byte ${at} is cut off, or is none.`);
    }
    parts.push(raw.subarray(start, start + size));
    at = start + size + 2;
  }
}

function parseTrailers(text: string): Readonly<Record<string, string>> {
  const trailers: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const at = line.indexOf(':');
    if (at > 0) trailers[line.slice(0, at).toLowerCase()] = line.slice(at + 1).trim();
  }
  return trailers;
}
