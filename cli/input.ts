import { accessSync, constants, createReadStream, statSync } from 'node:fs';
import type { Binding, Pipeline } from '#shared/pipeline/pipeline.ts';
import { sourcesOf } from '#shared/pipeline/plan.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { isNodeError } from './node-error.ts';

/** The formats of `--format`, by the decoders that read them. */
export const formats = { ndjson: 'json', csv: 'csv', combined: 'combined' } as const;

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

/** Larger pieces are no faster, and what is made of them fills the memory before it is collected. */
const chunkBytes = 1 << 16;

/** The bytes of a file in pieces that end at line ends. `INPUT_UNREADABLE` when it cannot be read. */
export async function* readLineChunks(path: string): AsyncGenerator<Buffer> {
  let rest: Buffer | undefined;
  try {
    const stream: AsyncIterable<Buffer> =
      path === '-' ? process.stdin : createReadStream(path, { highWaterMark: chunkBytes });
    for await (const bytes of stream) {
      const end = bytes.lastIndexOf(10) + 1;
      if (end === 0) {
        rest = rest === undefined ? bytes : Buffer.concat([rest, bytes]);
        continue;
      }
      const whole = bytes.subarray(0, end);
      yield rest === undefined ? whole : Buffer.concat([rest, whole]);
      rest = end === bytes.length ? undefined : bytes.subarray(end);
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
  if (rest !== undefined && rest.length > 0) yield rest;
}

function unreadable(path: string, cause: unknown): MillraceError {
  const name = path === '-' ? 'standard input' : path;
  return new MillraceError('INPUT_UNREADABLE', `${name} cannot be read: ${describe(cause)}.`, { cause });
}

function describe(cause: unknown): string {
  if (!isNodeError(cause)) return String(cause);
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
