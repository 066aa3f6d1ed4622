import { accessSync, constants, createReadStream, open, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { promisify } from 'node:util';
import type { Binding, Pipeline } from '#shared/pipeline/pipeline.ts';
import { sourcesOf } from '#shared/pipeline/plan.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { decompressed } from './decompressed.ts';
import { openLinePieces } from './line-pieces.ts';
import { isNodeError } from './node-error.ts';

/** The formats of `--format`, by the decoders that read them. */
export const formats = {
  ndjson: 'json',
  csv: 'csv',
  combined: 'combined',
  common: 'common',
  json: 'json-document',
  'vpc-flow-log': 'vpc-flow-log',
  syslog: 'syslog',
  avro: 'avro',
  protobuf: 'protobuf',
} as const;

/** A file of records for a source; `-` is standard input. */
export interface Input {
  readonly source: string;
  readonly path: string;
}

/** Reads `--input`: `FILE` or `-` for a pipeline of one source, `source=FILE` for each of several. */
export function parseInputs(pipeline: Pipeline, values: readonly string[]): readonly Input[] {
  const sources = sourcesOf(pipeline.plan).map((source) => source.id);
  return values.map((value) => {
    const at = value.indexOf('=');
    const named = at > 0 && sources.includes(value.slice(0, at));
    if (named) return { source: value.slice(0, at), path: value.slice(at + 1) };
    const [only] = sources;
    if (sources.length === 1 && only !== undefined) return { source: only, path: value };
    throw new MillraceError(
      'INPUT_INVALID',
      `pipeline ${pipeline.id} has the sources ${sources.join(', ')}: write --input source=FILE for each of them, not ${JSON.stringify(value)}.`,
    );
  });
}

/** The pipeline with each source reading `format` only; without `--format` a line is read by the first decoder that recognises it. */
export function withFormat(pipeline: Pipeline, format: string | undefined): Pipeline {
  if (format === undefined) return pipeline;
  if (!(format in formats))
    throw new MillraceError(
      'INPUT_INVALID',
      `--format ${format} is not known; it is one of ${Object.keys(formats).join(', ')}.`,
    );
  const wanted = formats[format as keyof typeof formats];
  const bindings = new Map(
    [...pipeline.bindings].map(([id, binding]): [string, Binding] => {
      if (binding.op !== 'source') return [id, binding];
      const decoders = binding.decoders.filter((decoder) => decoder.format === wanted);
      if (decoders.length === 0) {
        const known = binding.decoders.map((decoder) => decoder.format).join(', ');
        throw new MillraceError(
          'INPUT_INVALID',
          `source ${id} of pipeline ${pipeline.id} does not read ${format}; it reads ${known}.`,
        );
      }
      return [id, { ...binding, decoders }];
    }),
  );
  return { ...pipeline, bindings };
}

/** Says at once what reading would say later, when a whole stack has been started for it. */
export function checkReadable(inputs: readonly Input[]): void {
  for (const { path } of inputs) {
    if (path === '-') continue;
    try {
      accessSync(path, constants.R_OK);
    } catch (cause) {
      throw unreadable(path, cause);
    }
    if (statSync(path).isDirectory())
      throw new MillraceError('INPUT_UNREADABLE', `${path} cannot be read: it is a folder.`);
  }
}

/** Whether what is read from here is gone then, as from a pipe: `-`, a FIFO, or the `/dev/fd/63` of a shell's `<(…)`. */
export function comesOnce(path: string): boolean {
  return path === '-' || !statSync(path).isFile();
}

/** Larger pieces are no faster, and what is made of them fills the memory before it is collected. */
const chunkBytes = 1 << 16;

/**
 * The bytes of a file, without gzip or zstd if it begins as they do. `onRead` is told how many bytes of the file were read.
 * `INPUT_UNREADABLE` when it cannot be read.
 */
export async function* readChunks(path: string, onRead: (bytes: number) => void = () => {}): AsyncGenerator<Buffer> {
  try {
    yield* decompressed(counted(await openStream(path), onRead));
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** A thread that waits in the read of a pipe cannot be ended, nor its process, so a pipe is read as a socket is. */
async function openStream(path: string): Promise<AsyncIterable<Buffer>> {
  if (path === '-') return process.stdin;
  if (!statSync(path).isFIFO()) return createReadStream(path, { highWaterMark: chunkBytes });
  const fd = await promisify(open)(path, constants.O_RDONLY);
  return new Socket({ fd, readable: true, writable: false });
}

async function* counted(stream: AsyncIterable<Buffer>, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const bytes of stream) {
    onRead(bytes.length);
    yield bytes;
  }
}

/** Cuts pieces at line ends. A line that is in two of them is put together, and is a piece of its own. */
async function* wholeLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer | undefined;
  for await (const bytes of chunks) {
    let start = 0;
    if (rest !== undefined) {
      start = bytes.indexOf(lineFeed) + 1;
      rest = Buffer.concat([rest, start === 0 ? bytes : bytes.subarray(0, start)]);
      if (start === 0) continue;
      yield rest;
      rest = undefined;
    }
    const end = Math.max(start, bytes.lastIndexOf(lineFeed) + 1);
    if (end > start) yield bytes.subarray(start, end);
    if (end < bytes.length) rest = bytes.subarray(end);
  }
  if (rest !== undefined && rest.length > 0) yield rest;
}

const lineFeed = 0x0a;

/** A file of a binary format is read whole. */
const wholeBytesMax = 1 << 30;

/**
 * As `readInputBytes`, where each piece is done with when the next one is asked for: those of a plain file of lines lie in the same memory.
 */
export async function* readInputPieces(
  path: string,
  readsLines: (start: Uint8Array) => boolean,
  onRead?: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let pieces: AsyncGenerator<Buffer> | undefined;
  try {
    pieces = comesOnce(path) ? undefined : await openLinePieces(path, readsLines, onRead);
    if (pieces !== undefined) yield* pieces;
  } catch (cause) {
    throw unreadable(path, cause);
  }
  if (pieces === undefined) yield* readInputBytes(path, readsLines, onRead);
}

/** The bytes of a file as its format wants them: lines in pieces that end at line ends, others whole. */
export async function* readInputBytes(
  path: string,
  readsLines: (start: Uint8Array) => boolean,
  onRead?: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const chunks = readChunks(path, onRead);
  const first = await chunks.next();
  if (first.done === true) return;
  async function* all(): AsyncGenerator<Buffer> {
    yield first.value as Buffer;
    yield* chunks;
  }
  if (readsLines(first.value)) {
    yield* wholeLines(all());
    return;
  }
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of all()) {
    parts.push(part);
    bytes += part.length;
    if (bytes > wholeBytesMax)
      throw new MillraceError(
        'INPUT_UNREADABLE',
        `${path} holds more than ${wholeBytesMax} bytes, and a file of its format is read whole; split it.`,
      );
  }
  yield Buffer.concat(parts);
}

function unreadable(path: string, cause: unknown): MillraceError {
  const name = path === '-' ? 'standard input' : path;
  return new MillraceError('INPUT_UNREADABLE', `${name} cannot be read: ${describe(cause)}.`, { cause });
}

function describe(cause: unknown): string {
  if (!isNodeError(cause)) return cause instanceof Error ? cause.message : String(cause);
  switch (cause.code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EISDIR':
      return 'it is a folder';
    case 'EACCES':
      return 'you have no permission to read it';
    default:
      return cause.message;
  }
}
