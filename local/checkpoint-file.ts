import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { explainDisk, replaceFile } from './folder.ts';

/** How often at most a checkpoint is written: each one is a file replaced. */
const writeEveryMs = 200;

/** One JSON value in a file, replaced as a whole and written at a cadence. */
export function createCheckpointFile<Value>(path: string): {
  readonly read: () => Value | undefined;
  readonly writeSoon: (value: () => Value) => void;
} {
  mkdirSync(dirname(path), { recursive: true });
  let timer: NodeJS.Timeout | undefined;
  return {
    read: () => (existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Value) : undefined),
    writeSoon: (value) => {
      if (timer !== undefined) return;
      timer = setTimeout(() => {
        timer = undefined;
        explainDisk(path, () => replaceFile(path, JSON.stringify(value())));
      }, writeEveryMs);
    },
  };
}
