import { buffer } from 'node:stream/consumers';
import { createZstdCompress, zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { contentBytesOf, unzstdFrame } from '#shared/runtime/unzstd-frame.ts';

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7_919) >> 5);
}

/** A frame whose size nobody knew when it began. */
async function streamed(content: Uint8Array): Promise<Uint8Array> {
  const stream = createZstdCompress();
  stream.write(content.subarray(0, content.length >> 1));
  stream.end(content.subarray(content.length >> 1));
  return buffer(stream);
}

test.each([0, 1, 255, 256, 257, 65_535, 65_791, 65_792, 131_072, 1_000_003])(
  'a frame says that it holds %i bytes',
  (length) => {
    const frame = zstdCompressSync(bytesOf(length));
    expect(contentBytesOf(frame)).toBe(length);
    expect(unzstdFrame(frame)).toEqual(Buffer.from(bytesOf(length)));
  },
);

test('a frame that does not say how much it holds is read all the same', async () => {
  const frame = await streamed(bytesOf(300_000));
  expect(contentBytesOf(frame)).toBeUndefined();
  expect(unzstdFrame(frame)).toEqual(Buffer.from(bytesOf(300_000)));
});

test('more than the bound is refused, whether the frame says so or not', async () => {
  for (const frame of [zstdCompressSync(bytesOf(300_000)), await streamed(bytesOf(300_000))]) {
    expect(() => unzstdFrame(frame, 299_999)).toThrow(expect.objectContaining({ code: 'ERR_BUFFER_TOO_LARGE' }));
    expect(unzstdFrame(frame, 300_000)).toHaveLength(300_000);
  }
});

test('a frame that claims more than it holds, or less, is an error', () => {
  const frame = zstdCompressSync(bytesOf(1_000));
  // A single segment, with its size in two bytes behind the descriptor.
  for (const claimed of [999, 1_001, 60_000]) {
    const lie = Buffer.from(frame);
    lie.writeUInt16LE(claimed - 256, 5);
    expect(contentBytesOf(lie)).toBe(claimed);
    expect(() => unzstdFrame(lie)).toThrow();
  }
});

test('what is no frame has no size', () => {
  expect(contentBytesOf(new Uint8Array())).toBeUndefined();
  expect(contentBytesOf(new TextEncoder().encode('{"version":1}'))).toBeUndefined();
  const frame = zstdCompressSync(bytesOf(100_000));
  for (let length = 0; length < 8; length += 1) expect(contentBytesOf(frame.subarray(0, length))).toBeUndefined();
});

test('what was compressed comes back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000, size: 'max' }), (content) => {
      const frame = zstdCompressSync(content);
      expect(contentBytesOf(frame)).toBe(content.length);
      expect(unzstdFrame(frame, Math.max(1, content.length))).toEqual(Buffer.from(content));
    }),
    { numRuns: 300 },
  );
});
