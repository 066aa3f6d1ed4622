import { closeSync, constants, fstatSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { isDiskFull } from '#local/folder.ts';
import { compile } from '#shared/engine/compile/compile.ts';
import type { Pipeline } from '#shared/pipeline/index.ts';
import { encodeParquet } from '#shared/runtime/row-file-codec.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { isNodeError } from './node-error.ts';

/** Writing line by line costs more than making the lines. */
const charactersPerWrite = 1 << 16;

/** Names of files that others would read as what is not in them. */
const otherFormat = /\.(?:parquet|csv|tsv|avro|gz|zst)$/i;
const parquet = /\.parquet$/i;

/** Lines on their way to a file or to standard output. */
export interface Output {
  /** False when nobody reads any more. */
  readonly write: (line: string) => boolean;
  readonly close: () => void;
}

/** Writes rows as NDJSON, and closes the output. A row is asked for when those before it are on their way. */
export function writeRows(output: Output, rows: Iterable<PrintedRow>): void {
  for (const row of rows) if (!output.write(JSON.stringify(row))) break;
  output.close();
}

/**
 * Opens what `--output` names, and gives what writes all rows to it and closes it. They go to a file of Parquet, if that is how its name ends, and
 * otherwise become lines of JSON. A Parquet file has the rows of one view, which are held in memory until the last one is there. `onUnfit` is told
 * of a column whose values its type cannot hold.
 */
export function openRows(
  path: string,
  { pipeline, view }: { readonly pipeline: Pipeline; readonly view: string | undefined },
  onUnfit: (column: string, type: string) => void,
): (rows: Iterable<PrintedRow>) => void {
  if (!parquet.test(path)) {
    const output = openOutput(path);
    return (rows) => writeRows(output, rows);
  }
  const views = view === undefined ? Object.keys(pipeline.outputs) : [view];
  const [only = ''] = views;
  if (views.length > 1)
    throw new MillraceError(
      'INPUT_INVALID',
      `${path} would hold the rows of one view, and pipeline ${pipeline.id} has ${views.join(', ')}. Name one of them with --view, or write lines of JSON: --output rows.ndjson.`,
    );
  const step = compile(pipeline).steps.find(({ plan }) => plan.id === only);
  const file = openFile(path, '--output');
  return (rows) => {
    file.put(encodeParquet(step ?? {}, rows, onUnfit));
    file.close();
  };
}

/** Writes lines to standard output. */
export function printLines(lines: readonly string[]): void {
  const output = openOutput('-');
  for (const line of lines) output.write(line);
  output.close();
}

/**
 * Throws `INPUT_INVALID` where an output, by its option, is a file of `read`, or the file of another output, by whatever names: what it held
 * would be lost.
 */
export function checkOutputs(outputs: Readonly<Record<string, string | undefined>>, read: readonly string[]): void {
  const users = new Map(read.map((path): [string | undefined, string] => [fileAt(path), 'is read']));
  for (const [option, path] of Object.entries(outputs)) {
    const file = path === undefined ? undefined : fileAt(path);
    if (file === undefined) continue;
    const user = users.get(file);
    if (user !== undefined)
      throw new MillraceError(
        'INPUT_INVALID',
        `--${option} ${path} ${user} too, and would be lost. Name another file.`,
      );
    users.set(file, `is what --${option} writes`);
  }
}

/** A file by what it is, whatever its names, and one that is not there by its name. Undefined for pipes and devices, which hold nothing. */
function fileAt(path: string): string | undefined {
  if (path === '-') return undefined;
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return resolve(path);
    return stats.isFile() ? `${stats.dev}:${stats.ino}` : undefined;
  } catch {
    // What may not be looked at is told when it is opened.
    return undefined;
  }
}

/**
 * Opens a file that `option` names, or standard output for `-`. `DISK_FULL` and `OUTPUT_UNWRITABLE` say what to do. What the file held stays
 * until there is something to write, so that it may be opened before the work whose results go into it.
 */
export function openOutput(path: string, option = '--output'): Output {
  if (otherFormat.test(path))
    throw new MillraceError(
      'INPUT_INVALID',
      `${option} writes lines of JSON, which ${path} does not say. Name a file such as rows.ndjson.`,
    );
  const file = openFile(path, option);
  let waiting = '';
  let isRead = true;
  const flush = () => {
    isRead &&= file.put(Buffer.from(waiting));
    waiting = '';
  };
  return {
    write: (line) => {
      waiting += `${line}\n`;
      if (waiting.length >= charactersPerWrite) flush();
      return isRead;
    },
    close: () => {
      flush();
      file.close();
    },
  };
}

interface OpenFile {
  /** False when nobody reads any more. What the file held goes with the first bytes. */
  readonly put: (bytes: Uint8Array) => boolean;
  readonly close: () => void;
}

function openFile(path: string, option: string): OpenFile {
  const attempt = <T>(work: () => T): T => attemptAt(path, option, work);
  const file = attempt(() => (path === '-' ? 1 : openSync(path, constants.O_WRONLY | constants.O_CREAT)));
  let isEmptied = file === 1;
  return {
    put: (bytes) => {
      if (!isEmptied) attempt(() => empty(file));
      isEmptied = true;
      return attempt(() => writeAll(file, bytes));
    },
    close: () => {
      if (file !== 1) closeSync(file);
    },
  };
}

/** A pipe or a device holds nothing. */
function empty(file: number): void {
  if (fstatSync(file).isFile()) ftruncateSync(file);
}

function attemptAt<T>(path: string, option: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof Error && isDiskFull(cause.message))
      throw new MillraceError('DISK_FULL', `the disk of ${path} is full. Make room, or name another ${option}.`, {
        cause,
      });
    throw new MillraceError('OUTPUT_UNWRITABLE', `${path} cannot be written. Name another ${option}.`, { cause });
  }
}

/** A pipe takes less than it is given when its reader is slow. False: whoever reads our output, such as head, has seen enough. */
function writeAll(file: number, bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(file, bytes, at);
    } catch (error) {
      // A pipe of Node is a socket, which tells of what its reader has left unread.
      if (isNodeError(error) && (error.code === 'EPIPE' || error.code === 'ECONNRESET')) return false;
      if (!(isNodeError(error) && error.code === 'EAGAIN')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
  return true;
}
