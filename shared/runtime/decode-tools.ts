import { Buffer } from 'node:buffer';
import { type Gunzip, gunzipSync, inflateRawSync } from 'node:zlib';
import type { Compression, DecodeTools } from '#shared/pipeline/decoder.ts';
import { unzstdFrame } from './unzstd-frame.ts';
import { ZstdFrames } from './zstd-frames.ts';

/** What the host lends to decoders, which are pure. */
export const decodeTools: DecodeTools = {
  text: (bytes) => {
    try {
      return utf8.decode(bytes);
    } catch {
      return undefined;
    }
  },
  ascii: (bytes, start, end) => latin1Slice.call(bytes, start, end),
  write: (text, into) => encoder.encodeInto(text, into).written,
  decompress: (bytes, { kind, bytesMax }) => decompressors[kind](bytes, { maxOutputLength: Math.max(1, bytesMax) }),
};

/** Makes a text of bytes, any array of them; the shortest way there is. */
const { latin1Slice } = Buffer.prototype as unknown as {
  readonly latin1Slice: (this: Uint8Array, start: number, end: number) => string;
};

const encoder = new TextEncoder();
// A mark at the start of a raw record is taken away there; anywhere else it is a character like others.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const decompressors: Readonly<
  Record<Compression, (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array>
> = { gzip: gunzip, zstd: unzstd, deflate: inflateRawSync };

/** Zero bytes behind a member are padding, at which Node.js ends: members behind are read too. */
function gunzip(bytes: Uint8Array, { maxOutputLength }: { readonly maxOutputLength: number }): Uint8Array {
  const parts: Uint8Array[] = [];
  let room = maxOutputLength;
  for (let start = 0; start < bytes.length; ) {
    const options = { maxOutputLength: Math.max(1, room), info: true };
    // What Node.js gives for `info` is not in its types.
    const unpacked: unknown = gunzipSync(bytes.subarray(start), options);
    const { buffer, engine } = unpacked as { readonly buffer: Buffer; readonly engine: Gunzip };
    room = roomBehind(buffer, room);
    parts.push(buffer);
    start += engine.bytesWritten;
    while (bytes[start] === 0) start += 1;
  }
  return joined(parts);
}

/** Throws what zlib throws where there is no room. */
function roomBehind(part: Uint8Array, room: number): number {
  if (part.length > room) throw Object.assign(new Error('too much'), { code: tooLargeCode });
  return room - part.length;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
}

/** Frame by frame, since Node.js stops behind the first one. */
function unzstd(bytes: Uint8Array, { maxOutputLength }: { readonly maxOutputLength: number }): Uint8Array {
  const frames = new ZstdFrames();
  const parts: Uint8Array[] = [];
  let start = 0;
  let room = maxOutputLength;
  for (const end of frames.endsIn(bytes)) {
    const part = unzstdFrame(bytes.subarray(start, end), Math.max(1, room));
    room = roomBehind(part, room);
    parts.push(part);
    start = end;
  }
  if (!frames.isWhole) throw new Error('the last frame of zstd is not whole');
  return joined(parts);
}

const tooLargeCode = 'ERR_BUFFER_TOO_LARGE';

/** The first bytes of gzip (RFC 1952, with its only method) and of a frame of zstd (RFC 8878, 3.1.1). */
const magicNumbers = { gzip: [0x1f, 0x8b, 0x08], zstd: [0x28, 0xb5, 0x2f, 0xfd] } as const;
/** Behind a byte of 0x50 to 0x5f: a frame to be skipped (RFC 8878, 3.1.2), which `pzstd` puts before each of its frames. */
const skippableMagicEnd = [0x2a, 0x4d, 0x18] as const;

/** How bytes that begin so are compressed; undefined when they do not look it. */
export function compressionOf(start: Uint8Array): 'gzip' | 'zstd' | undefined {
  for (const kind of ['gzip', 'zstd'] as const)
    if (magicNumbers[kind].every((byte, index) => start[index] === byte)) return kind;
  const isSkippable =
    ((start[0] ?? 0) & 0xf0) === 0x50 && skippableMagicEnd.every((byte, index) => start[index + 1] === byte);
  return isSkippable ? 'zstd' : undefined;
}

/** What was compressed; `too-large` when it holds more than `bytesMax`, and an Error when it is not whole. */
export function decompress(
  bytes: Uint8Array,
  { kind, bytesMax }: { readonly kind: 'gzip' | 'zstd'; readonly bytesMax: number },
): Uint8Array | 'too-large' | Error {
  if (bytesMax <= 0) return 'too-large';
  try {
    return decodeTools.decompress(bytes, { kind, bytesMax });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === tooLargeCode) return 'too-large';
    return error instanceof Error ? error : new Error(String(error));
  }
}
