import { closeSync, constants, fstatSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { isDiskFull } from '#local/folder.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { isNodeError } from './node-error.ts';

/** Writing line by line costs more than making the lines. */
const charactersPerWrite = 1 << 16;

/** Names of files that others would read as what is not in them. */
const otherFormat = /\.(?:parquet|csv|tsv|avro|gz|zst)$/i;

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
      `${option} writes lines of JSON, which ${path} does not say. Name a file such as rows.ndjson; Parquet is written by a view's sink s3({ format: 'parquet' }).`,
    );
  const attempt = <T>(work: () => T): T => attemptAt(path, option, work);
  const file = attempt(() => (path === '-' ? 1 : openSync(path, constants.O_WRONLY | constants.O_CREAT)));
  let waiting = '';
  let isRead = true;
  let isEmptied = file === 1;
  const flush = () => {
    if (!isEmptied) attempt(() => empty(file));
    isEmptied = true;
    isRead &&= attempt(() => writeAll(file, waiting));
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
function writeAll(file: number, text: string): boolean {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(file, bytes, at);
    } catch (error) {
      if (isNodeError(error) && error.code === 'EPIPE') return false;
      if (!(isNodeError(error) && error.code === 'EAGAIN')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
  return true;
}
