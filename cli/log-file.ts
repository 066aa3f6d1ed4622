import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { explainDisk } from '#local/folder.ts';

/** What functions and the worker print, in a file beside the state, so that the live table stays readable. */
export function createLogFile(path: string): {
  readonly path: string;
  readonly write: (source: string, line: string) => void;
} {
  explainDisk(path, () => mkdirSync(dirname(path), { recursive: true }));
  const stream = createWriteStream(path, { flags: 'a' });
  // A full disk must not end the run because of its log.
  stream.on('error', () => {});
  return { path, write: (source, line) => void stream.write(`${source}: ${line}\n`) };
}
