import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { crc32 } from 'node:zlib';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** Blobs as files of a folder, each with its checksum in front, by which a file that was torn or changed is told. */
export function createFileBlobStore(folder: string): BlobStore {
  const pathOf = (key: string): string => join(folder, fileNameOf(key));
  return {
    put: async (key, bytes) => {
      const path = pathOf(key);
      mkdirSync(dirname(path), { recursive: true });
      const header = new Uint8Array(headerBytes);
      new DataView(header.buffer).setUint32(0, crc32(bytes));
      // In one step: a reader, or a crash, sees all of it or nothing.
      writeFileSync(`${path}${unfinished}`, Buffer.concat([header, bytes]));
      renameSync(`${path}${unfinished}`, path);
    },
    get: async (key) => {
      const file = readIfThere(pathOf(key));
      if (file === undefined) return undefined;
      const bytes = Uint8Array.from(file.subarray(headerBytes));
      if (file.length < headerBytes || file.readUInt32BE(0) !== crc32(bytes))
        throw new MillraceError('BLOB_CORRUPT', `the file ${pathOf(key)} has other bytes than were put.`);
      return bytes;
    },
    remove: async (key) => rmSync(pathOf(key), { force: true }),
    list: async (prefix) =>
      filesOf(folder)
        .filter((key) => key.startsWith(prefix))
        .sort(),
  };
}

const headerBytes = 4;
const unfinished = '.unfinished';
/** Ends the name of a file, and of no folder: `a` and `a/b` are two keys. */
const fileMark = '~';
/** Ends a part of a name that is too long for one. */
const partMark = '+/';
const partCharsMax = 200;

/** A key's parts are folders. What may not be in a file's name is escaped, and so are the marks. */
function fileNameOf(key: string): string {
  const parts = key.split('/').map((part) => {
    const escaped = encodeURIComponent(part)
      .replaceAll('~', '%7E')
      .replace(/^\.{0,2}$/, (dots) => `%${dots.length}`);
    return (escaped.match(new RegExp(`.{1,${partCharsMax}}`, 'g')) ?? []).join(partMark);
  });
  return `${parts.join('/')}${fileMark}`;
}

function keyOf(fileName: string): string {
  return fileName
    .slice(0, -fileMark.length)
    .replaceAll(partMark, '')
    .split('/')
    .map((part) => (/^%[012]$/.test(part) ? '.'.repeat(Number(part.slice(1))) : decodeURIComponent(part)))
    .join('/');
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function filesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(fileMark))
      .map((entry) => keyOf(relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/')));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR';
}
