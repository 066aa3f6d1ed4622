import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { StateEntry } from '#shared/engine/slots/memory-stage.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import { hasCode, MillraceError } from '#shared/schemas/error.ts';
import type { SavepointManifest } from '#shared/schemas/savepoint.ts';
import type { Checkpoint, SnapshotPiece } from '#shared/schemas/state.ts';
import { decodePart, encodeParts, partCharsMaxDefault } from './snapshot-codec.ts';
import { objectsOf } from './snapshot-pieces.ts';

// A savepoint is a folder of objects. The engine never removes one.
//
//     <id>/manifest.json                         what it is, with a checksum of itself; written last: without it there is no savepoint
//     <id>/window-<slot>/<attempt>/<number>      the slot's state in the window stage: a base, in parts as the snapshots have them
//     <id>/aggregate-<slot>/<attempt>/<number>   the slot's checkpoint and cells in the aggregate stage, in such parts
//
// What the manifest does not name is left of an attempt that was broken off, or had to be made once more.

/** The last object to be written. */
const manifestName = 'manifest.json';

/** A slot's state of either stage, as a savepoint holds it. */
export interface SlotContents {
  readonly log: Checkpoint;
  readonly entries: readonly StateEntry[];
}

/** The savepoints that are whole, oldest first, and why others cannot be read: one that is damaged does not hide the rest. */
export async function listSavepoints(
  store: BlobStore,
): Promise<{ readonly manifests: readonly SavepointManifest[]; readonly unreadable: readonly MillraceError[] }> {
  const names = await store.list('');
  const ids = names
    .filter((name) => name.endsWith(`/${manifestName}`))
    .map((name) => name.slice(0, -manifestName.length - 1));
  const unreadable: MillraceError[] = [];
  const read = await Promise.all(
    ids.map((id) =>
      readManifest(store, id).catch((error: MillraceError) => {
        if (!hasCode(error, 'SAVEPOINT_UNREADABLE') && !hasCode(error, 'BLOB_CORRUPT')) throw error;
        unreadable.push(error);
        return [];
      }),
    ),
  );
  return { manifests: read.flat().sort((a, b) => (a.created < b.created ? -1 : 1)), unreadable };
}

/** Puts the manifest, which makes the objects that it names a savepoint. */
export async function putManifest(store: BlobStore, manifest: SavepointManifest): Promise<void> {
  const body = JSON.stringify(manifest);
  const text = JSON.stringify({ crc32: crc32(body), manifest }, null, 2);
  await store.put(`${manifest.id}/${manifestName}`, Buffer.from(`${text}\n`));
}

/** Rejects with `SAVEPOINT_UNREADABLE` when there is none of this id, or another than was written. */
export async function readManifest(store: BlobStore, id: string): Promise<SavepointManifest> {
  const name = `${id}/${manifestName}`;
  const bytes = await store.get(name);
  if (bytes === undefined)
    throw new MillraceError(
      'SAVEPOINT_UNREADABLE',
      `there is no ${name}, so no savepoint ${id}: "millrace savepoint list" lists those there are.`,
    );
  let file: { readonly crc32?: number; readonly manifest?: SavepointManifest } | null;
  try {
    file = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw new MillraceError('SAVEPOINT_UNREADABLE', `${name} is no manifest of a savepoint.`, { cause });
  }
  const manifest = file?.manifest;
  if (manifest === undefined || crc32(JSON.stringify(manifest)) !== file?.crc32)
    throw new MillraceError('SAVEPOINT_UNREADABLE', `${name} is another than was written: its checksum differs.`);
  if (manifest.version !== 1)
    throw new MillraceError(
      'SAVEPOINT_UNREADABLE',
      `${name} has version ${manifest.version}, and this Millrace reads version 1. Use the newer Millrace.`,
    );
  return manifest;
}

/** Puts a slot's contents under `name`, part by part. */
export async function putContents(
  store: BlobStore,
  name: string,
  { log, entries }: { readonly log: Checkpoint; readonly entries: Iterable<StateEntry> },
): Promise<SnapshotPiece> {
  const piece = { name, objectCount: 0, bytes: 0, crc32: 0 };
  for (const part of encodeParts({ kind: 'base', log, entries }, partCharsMaxDefault)) {
    const [object = ''] = objectsOf({ ...piece, objectCount: piece.objectCount + 1 }).slice(-1);
    await store.put(object, part);
    piece.objectCount += 1;
    piece.bytes += part.length;
    piece.crc32 = crc32(part, piece.crc32);
  }
  return piece;
}

/** Reads a slot's contents back. Rejects with `BLOB_CORRUPT`, naming the object, when it is missing or another than was written. */
export async function readContents(store: BlobStore, piece: SnapshotPiece): Promise<SlotContents> {
  const entries: StateEntry[] = [];
  let log: Checkpoint | undefined;
  let crc = 0;
  for (const [index, name] of objectsOf(piece).entries()) {
    const bytes = await store.get(name);
    if (bytes === undefined) throw new MillraceError('BLOB_CORRUPT', `the object ${name} of the savepoint is missing.`);
    // Parts of a savepoint have the log with them, so no older checkpoint is needed to read one.
    const part = decodePart(bytes, { name, kind: 'base', index, checkpoint: log as Checkpoint });
    log ??= part.log;
    for (const entry of part.entries) entries.push(entry);
    crc = crc32(bytes, crc);
  }
  if (log === undefined || crc !== piece.crc32)
    throw new MillraceError(
      'BLOB_CORRUPT',
      `the objects ${piece.name}/ of the savepoint are others than were written.`,
    );
  return { log, entries };
}
