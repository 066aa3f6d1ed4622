import { pipeline, Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { compressionOf } from '#shared/runtime/decode-tools.ts';
import { ZstdFrames } from '#shared/runtime/zstd-frames.ts';
import { gunzipped } from './gunzipped.ts';

/** The bytes of a stream, decompressed when it begins as gzip or zstd does. */
export async function* decompressed(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { start, all } = await peek(chunks);
  const kind = compressionOf(start);
  if (kind === undefined) {
    yield* all;
    return;
  }
  if (kind === 'gzip') {
    yield* gunzipped(all);
    return;
  }
  const unpack = createZstdDecompress();
  // What goes wrong on the way destroys the stream, whose reader is told.
  pipeline(Readable.from(inFrames(all)), unpack, () => {});
  yield* unpack as AsyncIterable<Buffer>;
}

/** Magic numbers have four bytes at most. */
const startBytes = 4;

async function peek(
  chunks: AsyncIterable<Buffer>,
): Promise<{ readonly start: Buffer; readonly all: AsyncIterable<Buffer> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  let start: Buffer = Buffer.alloc(0);
  let ended = false;
  while (start.length < startBytes && !ended) {
    const next = await iterator.next();
    if (next.done === true) ended = true;
    else start = start.length === 0 ? next.value : Buffer.concat([start, next.value]);
  }
  async function* rest(): AsyncGenerator<Buffer> {
    if (start.length > 0) yield start;
    while (!ended) {
      const next = await iterator.next();
      if (next.done === true) return;
      yield next.value;
    }
  }
  return { start, all: rest() };
}

/** Cut where frames end: of a piece with two of them Node.js would read the first only. */
async function* inFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const frames = new ZstdFrames();
  for await (const bytes of chunks) {
    let start = 0;
    for (const end of frames.endsIn(bytes)) {
      yield bytes.subarray(start, end);
      start = end;
    }
    if (start < bytes.length) yield bytes.subarray(start);
  }
}
