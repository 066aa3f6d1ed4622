import { createWriteStream, mkdirSync, renameSync, statSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { explainDisk } from '#local/folder.ts';

/** Of a log file; the one before it is kept beside it. */
const bytesMaxDefault = 64 * 1_024 * 1_024;

/**
 * What functions and the worker print, in a file beside the state, so that the live table stays readable. At `bytesMax` it becomes `PATH.1`, in the
 * place of the one before, and another is begun.
 */
export function createLogFile(
  path: string,
  bytesMax = bytesMaxDefault,
): {
  readonly path: string;
  readonly write: (source: string, line: string) => void;
} {
  explainDisk(path, () => mkdirSync(dirname(path), { recursive: true }));
  let bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let stream = open(path);
  return {
    path,
    write: (source, line) => {
      const text = `${source}: ${line}\n`;
      if (bytes >= bytesMax) {
        bytes = 0;
        // What it has not written yet follows it there.
        stream.end();
        stream = turnedOver(path);
      }
      bytes += Buffer.byteLength(text);
      stream.write(text);
    },
  };
}

function open(path: string): WriteStream {
  const stream = createWriteStream(path, { flags: 'a' });
  // A full disk must not end the run because of its log.
  stream.on('error', () => {});
  return stream;
}

function turnedOver(path: string): WriteStream {
  try {
    renameSync(path, `${path}.1`);
  } catch {
    // Somebody has removed it, or may not: the log goes on where it can.
  }
  return open(path);
}
