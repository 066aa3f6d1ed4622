import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { assert, MillraceError } from '#shared/schemas/error.ts';
import { explainDisk, replaceFile, writeAll } from './folder.ts';

/** JSON lines on disk, in the order in which they were appended. */
export interface AppendLog<Entry> {
  /** When it returns, the entry outlives this process (though not a power cut). When it throws, nothing was appended. */
  readonly append: (entry: Entry) => void;
  /** Puts a shorter log of the same meaning in its place. */
  readonly replace: (entries: Iterable<Entry>) => void;
  readonly close: () => void;
}

/**
 * Opens a log and replays it. A torn tail, as a kill leaves one, was never acknowledged and is cut off; damage with whole lines
 * behind it is `STATE_UNREADABLE`, since what was acknowledged would be lost.
 */
export function openAppendLog<Entry>(path: string, replay: (entry: Entry) => void): AppendLog<Entry> {
  const open = (): number => openSync(path, 'a+');
  let file = explainDisk(path, () => {
    mkdirSync(dirname(path), { recursive: true });
    return open();
  });
  let size = 0;
  try {
    const bytes = readWhole(file);
    size = replayLines(path, bytes, replay);
    if (size < bytes.length) ftruncateSync(file, size);
  } catch (error) {
    closeSync(file);
    throw error;
  }
  let broken: unknown;
  let isOpen = true;
  return {
    append: (entry) => {
      assert(isOpen, `${path} is appended to after it was closed`);
      if (broken !== undefined) throw broken;
      const line = encodeLine(entry);
      explainDisk(path, () => {
        try {
          writeAll(file, line);
        } catch (error) {
          // Part of the line may be written. It must go, or it would spoil the next one.
          broken = cut(file, size);
          throw error;
        }
      });
      size += line.length;
    },
    replace: (entries) => {
      const lines = Buffer.concat(Array.from(entries, encodeLine));
      explainDisk(path, () => replaceFile(path, lines));
      closeSync(file);
      file = open();
      size = fstatSync(file).size;
      broken = undefined;
    },
    close: () => {
      if (isOpen) closeSync(file);
      isOpen = false;
    },
  };
}

/** By its size and not to its end: a device, such as one that is always full, has none. */
function readWhole(file: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(file).size);
  let at = 0;
  for (let count = -1; at < bytes.length && count !== 0; at += count) {
    count = readSync(file, bytes, at, bytes.length - at, at);
  }
  return bytes.subarray(0, at);
}

/** A line is the CRC-32 of its JSON, then the JSON. */
function encodeLine(entry: unknown): Buffer {
  const json = JSON.stringify(entry);
  return Buffer.from(`${crc32(json).toString(16).padStart(8, '0')} ${json}\n`);
}

/** Replays whole lines, and gives where they end. */
function replayLines<Entry>(path: string, bytes: Buffer, replay: (entry: Entry) => void): number {
  let at = 0;
  while (at < bytes.length) {
    const json = lineAt(bytes, at);
    if (json === undefined) break;
    replay(JSON.parse(json) as Entry);
    at = bytes.indexOf(newline, at) + 1;
  }
  for (let end = bytes.indexOf(newline, at); end !== -1; end = bytes.indexOf(newline, end + 1)) {
    if (lineAt(bytes, end + 1) === undefined) continue;
    throw new MillraceError(
      'STATE_UNREADABLE',
      `${path} is damaged at byte ${at}, with whole entries behind it. Restore it from a copy, or delete it to begin afresh.`,
    );
  }
  return at;
}

const newline = 10;
const checksumCharacters = 8;

/** The JSON of the line that begins at `at`; undefined when it has no end or another checksum. */
function lineAt(bytes: Buffer, at: number): string | undefined {
  const end = bytes.indexOf(newline, at);
  if (end <= at + checksumCharacters) return undefined;
  const json = bytes.subarray(at + checksumCharacters + 1, end);
  const checksum = bytes.toString('latin1', at, at + checksumCharacters);
  return checksum === crc32(json).toString(16).padStart(checksumCharacters, '0') ? json.toString() : undefined;
}

/** Cuts the file back to `size`; gives the error that stops all further appends when that fails too. */
function cut(file: number, size: number): unknown {
  try {
    ftruncateSync(file, size);
    return undefined;
  } catch (error) {
    return error;
  }
}
