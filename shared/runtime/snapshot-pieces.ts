import { crc32 } from 'node:zlib';
import type { MemoryStage, Save, SaveKind } from '#shared/engine/slots/memory-stage.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import { hasCode, MillraceError } from '#shared/schemas/error.ts';
import type { Checkpoint, SnapshotChain, SnapshotPiece } from '#shared/schemas/state.ts';
import { decodePart, decodeWholeState, encodeParts } from './snapshot-codec.ts';

/** Objects that are read or removed at a time: most of what one takes is waiting. */
export const objectsAtOnce = 8;

/** Where the objects are. `onProgress` is called for each. */
export interface PieceOptions {
  readonly blobs: BlobStore;
  readonly onProgress?: () => void;
}

/** Puts what a save has, part by part: no more than one is in memory. Undefined when it was cut short between two parts. */
export async function putPiece(
  { blobs, onProgress }: PieceOptions,
  save: Save,
  options: { readonly name: string; readonly partCharsMax: number; readonly isCutShort: () => boolean },
): Promise<SnapshotPiece | undefined> {
  const { name, partCharsMax, isCutShort } = options;
  const piece = { name, objectCount: 0, bytes: 0, crc32: 0 };
  for (const part of encodeParts(save, partCharsMax)) {
    if (isCutShort()) return undefined;
    await blobs.put(objectName(name, piece.objectCount), part);
    piece.objectCount += 1;
    piece.bytes += part.length;
    piece.crc32 = crc32(part, piece.crc32);
    onProgress?.();
  }
  return piece;
}

/** A piece of a chain that cannot be restored, and why: the message names the object. */
export interface UnreadablePiece {
  readonly piece: SnapshotPiece;
  readonly message: string;
}

/** Brings an empty stage to where the chain ends. After an unreadable piece the stage is of no use. */
export async function restoreChain(
  options: PieceOptions,
  stage: MemoryStage,
  chain: SnapshotChain,
  checkpoint: Checkpoint,
): Promise<UnreadablePiece | undefined> {
  const pieces = piecesOf(chain);
  const objects = readInOrder(options, pieces.flatMap(objectsOf));
  for (const [index, piece] of pieces.entries()) {
    try {
      await restorePiece(stage, objects, { piece, kind: index === 0 ? 'base' : 'delta', checkpoint });
    } catch (error) {
      if (!hasCode(error, 'BLOB_CORRUPT')) throw error;
      return { piece, message: (error as MillraceError).message };
    }
  }
  stage.endRestore();
  return undefined;
}

async function restorePiece(
  stage: MemoryStage,
  objects: AsyncIterator<Uint8Array | undefined>,
  expected: { readonly piece: SnapshotPiece; readonly kind: SaveKind; readonly checkpoint: Checkpoint },
): Promise<void> {
  const { piece, kind, checkpoint } = expected;
  let crc = 0;
  for (const [index, name] of objectsOf(piece).entries()) {
    const { value: bytes } = await objects.next();
    if (bytes === undefined) throw new MillraceError('BLOB_CORRUPT', `the object ${name} is missing.`);
    stage.restore(
      isWholeState(piece)
        ? decodeWholeState(bytes, name, checkpoint)
        : decodePart(bytes, { name, kind, index, checkpoint }),
    );
    crc = crc32(bytes, crc);
  }
  if (crc !== piece.crc32 && !isWholeState(piece))
    throw new MillraceError('BLOB_CORRUPT', `the objects ${piece.name}/ are others than were saved.`);
}

/** The objects in this order, some of them asked for ahead. */
async function* readInOrder(
  { blobs, onProgress }: PieceOptions,
  names: readonly string[],
): AsyncGenerator<Uint8Array | undefined> {
  const asked: Promise<Uint8Array | undefined>[] = [];
  for (let next = 0; next < names.length || asked.length > 0; ) {
    for (; next < names.length && asked.length < objectsAtOnce; next += 1) {
      const answer = blobs.get(names[next] as string);
      // Nobody may come to wait for it; who does is told.
      answer.catch(() => undefined);
      asked.push(answer);
    }
    const bytes = await asked.shift();
    onProgress?.();
    yield bytes;
  }
}

export function piecesOf({ base, deltas }: SnapshotChain): readonly SnapshotPiece[] {
  return [base, ...deltas];
}

export function objectsOf(piece: SnapshotPiece): readonly string[] {
  if (isWholeState(piece)) return [piece.name];
  return Array.from({ length: piece.objectCount }, (_, index) => objectName(piece.name, index));
}

/** The one object of version 1, which has the name of the piece. */
export function isWholeState(piece: SnapshotPiece): boolean {
  return piece.objectCount === 0;
}

function objectName(piece: string, index: number): string {
  return `${piece}/${String(index).padStart(6, '0')}`;
}
