import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { MillraceError } from '#shared/schemas/error.ts';

/** JSON lines on disk, in the order in which they were appended. */
export interface AppendLog<Entry> {
  readonly append: (entry: Entry) => void;
  /** Puts a shorter log of the same meaning in its place. */
  readonly replace: (entries: readonly Entry[]) => void;
}

/** Opens a log and replays it. A torn last line, as a kill leaves one, was never acknowledged and is cut off. */
export function openAppendLog<Entry>(path: string, replay: (entry: Entry) => void): AppendLog<Entry> {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path)) {
    const bytes = readFileSync(path);
    const end = bytes.lastIndexOf(10) + 1;
    if (end < bytes.length) truncateSync(path, end);
    for (const line of bytes.toString('utf8', 0, end).split('\n')) if (line !== '') replay(JSON.parse(line) as Entry);
  }
  return {
    append: (entry) => orDiskFull(path, () => appendFileSync(path, `${JSON.stringify(entry)}\n`)),
    replace: (entries) =>
      orDiskFull(path, () => {
        writeFileSync(`${path}.new`, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
        renameSync(`${path}.new`, path);
      }),
  };
}

/** Turns a full disk into an error that says where and what to do. */
export function orDiskFull<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC') {
      throw new MillraceError(
        'DISK_FULL',
        `the disk of ${path} is full. Make room, or start with --fresh; what was acknowledged is kept.`,
        { cause },
      );
    }
    throw cause;
  }
}
