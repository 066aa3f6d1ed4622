import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '#shared/schemas/error.ts';

/** A folder that this process alone writes to, until it lets go. */
export interface OwnedFolder {
  readonly path: string;
  readonly release: () => void;
}

/**
 * Makes the folder if need be and takes it for this process. Two writers would tear each other's logs, and the store under
 * dynalite ends the process when it finds its folder taken.
 */
export function ownFolder(path: string): OwnedFolder {
  const lockPath = join(path, lockName);
  explainDisk(path, () => {
    mkdirSync(path, { recursive: true });
    if (!createLock(lockPath)) {
      const owner = ownerOf(path);
      if (owner !== undefined) {
        throw new MillraceError(
          'OUTPUT_UNWRITABLE',
          `${path} is in use by process ${owner}. Stop it, or choose another folder. If that process is not Millrace, delete ${lockPath}.`,
        );
      }
      // The owner died without letting go.
      rmSync(lockPath, { force: true });
      if (!createLock(lockPath))
        throw new MillraceError('OUTPUT_UNWRITABLE', `${path} was just taken by another process.`);
    }
  });
  return { path, release: () => rmSync(lockPath, { force: true }) };
}

/** The process that has taken the folder and lives; undefined when none has. */
export function ownerOf(path: string): number | undefined {
  const lockPath = join(path, lockName);
  if (!existsSync(lockPath)) return undefined;
  const [owner = '', startedTicks] = readFileSync(lockPath, 'utf8').split(' ');
  return isAlive(Number(owner), startedTicks) ? Number(owner) : undefined;
}

/** Writes JSON that people may read too, in one step as `replaceFile` does. */
export function writeJsonFile(path: string, value: unknown): void {
  replaceFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** What a file that is only replaced in one step holds, as JSON. Throws `STATE_UNREADABLE`, with what a damaged one `means`. */
export function readJsonFile<Value>(path: string, means: string): Value {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Value;
  } catch (cause) {
    throw new MillraceError('STATE_UNREADABLE', `${path} is damaged${means}`, { cause });
  }
}

/** Replaces the file in one step: a reader, or a crash, sees the old bytes or the new ones and nothing between. */
export function replaceFile(path: string, bytes: string | Uint8Array): void {
  const temporary = `${path}${temporarySuffix}`;
  const file = openSync(temporary, 'w');
  try {
    writeAll(file, typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

/** What a crash may leave behind; never read. */
export const temporarySuffix = '.tmp';

/** A write may take only part of the bytes without failing; the next one then says why. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Runs `work`, and says which folder is full when that is why it failed. */
export function explainDisk<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskError(path, error);
  }
}

/** The error to show for one that came from writing to `path`. */
export function diskError(path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (error instanceof Error && isDiskFull(`${code} ${error.message}`)) {
    return new MillraceError(
      'DISK_FULL',
      `No space is left to write to ${path}, or a limit of size was reached. Free some, or choose a folder on another disk.`,
      { cause: error },
    );
  }
  // Folders that cannot be made are not there, as Node has it.
  const isUnmade = code === 'ENOENT' && (error as NodeJS.ErrnoException).syscall === 'mkdir';
  if (code === 'EACCES' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EPERM' || isUnmade) {
    return new MillraceError('OUTPUT_UNWRITABLE', `${path} cannot be written to (${code}). Choose a folder that can.`, {
      cause: error,
    });
  }
  return error;
}

/** Whether a text tells of a full disk, a used up quota or a limit of the file size; dynalite's store and the CDK tell it in words only. */
export function isDiskFull(text: string): boolean {
  return /\b(ENOSPC|EDQUOT|EFBIG)\b|No space left on device|Disk quota exceeded|File too large/.test(text);
}

const lockName = 'owner.pid';

function createLock(path: string): boolean {
  let file: number;
  try {
    file = openSync(path, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    writeAll(file, Buffer.from([process.pid, statusOf(process.pid)?.startedTicks ?? ''].join(' ').trim()));
  } finally {
    closeSync(file);
  }
  return true;
}

/** The number alone does not tell: after a restart of the machine, or of a container, another process may have it, such as this one. */
function isAlive(processId: number, startedTicks: string | undefined): boolean {
  if (!(processId > 0)) return false;
  try {
    process.kill(processId, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const status = statusOf(processId);
  if (status === undefined) return true;
  return !status.isDead && (startedTicks === undefined || startedTicks === status.startedTicks);
}

/**
 * What Linux says of a process, proc(5). A killed process whose parent is gone too keeps its number until somebody asks for its exit code,
 * which in a container nobody may.
 */
function statusOf(processId: number): { readonly isDead: boolean; readonly startedTicks: string } | undefined {
  let line: string;
  try {
    line = readFileSync(`/proc/${processId}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The fields follow the name, which stands in parentheses and may hold anything. The state is the third, the start the twenty-second.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return { isDead: fields[0] === 'Z' || fields[0] === 'X', startedTicks: fields[19] ?? '' };
}
