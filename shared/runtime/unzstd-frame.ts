import { type Buffer, kMaxLength } from 'node:buffer';
import { zstdDecompressSync } from 'node:zlib';

/** A frame that claims more is not trusted with the memory before its bytes are there. */
const bytesAtOnceMax = 4 * 1024 * 1024;
/** Node.js takes a full buffer for a sign that there is more, and makes another. */
const slackBytes = 64;

/**
 * The content of one frame of zstd. Where the frame says how many bytes that is, as those do that were compressed at once, it goes into one
 * buffer of that size. By itself Node.js fills buffers of 16 KiB through one more inside of zstd, and joins them, which takes longer and
 * leaves several times as much to collect. Throws what zlib throws: `ERR_BUFFER_TOO_LARGE` for more than `bytesMax`.
 */
export function unzstdFrame(bytes: Uint8Array, bytesMax: number = kMaxLength): Buffer {
  const content = contentBytesOf(bytes);
  const isAtOnce = content !== undefined && content <= Math.min(bytesAtOnceMax, bytesMax);
  return zstdDecompressSync(bytes, {
    maxOutputLength: bytesMax,
    ...(isAtOnce && { chunkSize: content + slackBytes }),
  });
}

/** What a frame says of its content's size, in bytes; undefined when it does not, or is none. RFC 8878, section 3.1.1.1. */
export function contentBytesOf(bytes: Uint8Array): number | undefined {
  if (frameMagic.some((byte, index) => bytes[index] !== byte)) return undefined;
  const descriptor = bytes[frameMagic.length] ?? 0;
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  const at = frameMagic.length + 1 + (isSingle ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] as number);
  if (sizeBytes === 0 || bytes.length < at + sizeBytes) return undefined;
  let size = sizeBytes === 2 ? 256 : 0;
  for (let index = 0; index < sizeBytes; index += 1) size += (bytes[at + index] as number) * 2 ** (8 * index);
  return size;
}

const frameMagic = [0x28, 0xb5, 0x2f, 0xfd] as const;
