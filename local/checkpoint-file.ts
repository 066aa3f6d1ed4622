import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { explainDisk, readJsonFile, replaceFile } from './folder.ts';

/** How often at most a checkpoint is written: each one is a file replaced. */
export const writeEveryMs = 200;

/** One JSON value in a file, replaced as a whole and written at a cadence. */
export function createCheckpointFile<Value>(path: string): {
  readonly read: () => Value | undefined;
  readonly writeSoon: (value: () => Value) => void;
  /** Writes no more: the folder may soon be another's, or gone. The file stays a little older than its value, as after a crash. */
  readonly close: () => void;
} {
  mkdirSync(dirname(path), { recursive: true });
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  return {
    read: () => (existsSync(path) ? readJsonFile<Value>(path, damaged) : undefined),
    writeSoon: (value) => {
      if (isClosed || timer !== undefined) return;
      timer = setTimeout(() => {
        timer = undefined;
        explainDisk(path, () => replaceFile(path, JSON.stringify(value())));
      }, writeEveryMs);
    },
    close: () => {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

const damaged = '. Delete it: what it has noted as read is then read again, and counted once.';
