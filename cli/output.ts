import { closeSync, openSync, writeSync } from 'node:fs';
import { isDiskFull } from '#local/folder.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { isNodeError } from './node-error.ts';

const rowsPerWrite = 1_000;

/** Writes rows as NDJSON to a file, or to standard output for `-`. */
export function writeRows(path: string, rows: readonly PrintedRow[]): void {
  writeLines(
    path,
    rows.map((row) => JSON.stringify(row)),
  );
}

/** Writes lines to a file, or to standard output for `-`. `DISK_FULL` and `OUTPUT_UNWRITABLE` say what to do. */
export function writeLines(path: string, lines: readonly string[]): void {
  try {
    const file = path === '-' ? 1 : openSync(path, 'w');
    try {
      for (let at = 0; at < lines.length; at += rowsPerWrite)
        writeAll(file, `${lines.slice(at, at + rowsPerWrite).join('\n')}\n`);
    } finally {
      if (file !== 1) closeSync(file);
    }
  } catch (cause) {
    // Whoever reads our output, such as head, may have seen enough.
    if (isNodeError(cause) && cause.code === 'EPIPE') return;
    if (cause instanceof Error && isDiskFull(cause.message))
      throw new MillraceError('DISK_FULL', `the disk of ${path} is full. Make room, or name another --output.`, {
        cause,
      });
    throw new MillraceError('OUTPUT_UNWRITABLE', `${path} cannot be written. Name another --output.`, { cause });
  }
}

/** A pipe takes less than it is given when its reader is slow. */
function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(file, bytes, at);
    } catch (error) {
      if (!(isNodeError(error) && error.code === 'EAGAIN')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
