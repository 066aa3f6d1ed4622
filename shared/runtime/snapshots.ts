import { Buffer } from 'node:buffer';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { CompiledPipeline } from '#shared/engine/compile.ts';
import { MemoryStage } from '#shared/engine/memory-stage.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import { MillraceError } from '#shared/schemas/error.ts';

const fastest = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** While a snapshot is looked up, its owner may put a newer one in its place and remove it. */
const restoreTriesMax = 5;

/** Where the state of the window stage outlives its process: a blob per slot, behind a checkpoint that names it. */
export interface SnapshotOptions {
  readonly pipeline: CompiledPipeline;
  readonly state: StateStore;
  readonly blobs: BlobStore;
}

/** The slot as its checkpoint has it, or empty, with the name of the blob it came from. */
export async function restoreSlot(
  { pipeline, state, blobs }: SnapshotOptions,
  slot: number,
): Promise<{ readonly stage: MemoryStage; readonly snapshot: string | undefined }> {
  for (let tries = 1; tries <= restoreTriesMax; tries += 1) {
    const checkpoint = await state.readCheckpoint('window', slot);
    const snapshot = checkpoint?.snapshot;
    if (checkpoint === undefined || snapshot === undefined) return { stage: new MemoryStage(pipeline, slot), snapshot };
    const bytes = await blobs.get(snapshot);
    if (bytes === undefined) continue;
    const operators = zstdDecompressSync(bytes).toString();
    return { stage: new MemoryStage(pipeline, slot, { checkpoint, operators }), snapshot };
  }
  throw new MillraceError(
    'STATE_UNREADABLE',
    `the checkpoint of slot ${slot} of pipeline ${pipeline.id} names a snapshot that is not in the blob store. Restore the bucket's object; without it the open windows of this slot are lost.`,
  );
}

/**
 * Rule 15: writes the slot's state, then the checkpoint that names it, only if the stored P is lower. If it is not, somebody else owns the
 * slot: `SNAPSHOT_FENCED`. Gives the new blob's name and its size in bytes.
 */
export async function saveSlot(
  { pipeline, state, blobs }: SnapshotOptions,
  stage: MemoryStage,
  previous: string | undefined,
): Promise<{ readonly snapshot: string; readonly bytes: number }> {
  const { slot, log } = stage.reader;
  const body = zstdCompressSync(Buffer.from(stage.saveOperators()), fastest);
  // The state is a function of the log up to P, so two owners at the same P write the same blob under the same name.
  const snapshot = `${pipeline.id}/${pipeline.planHash.slice(0, 8)}/slot-${slot}/${log.position}`;
  await blobs.put(snapshot, body);
  const outcome = await state.writeCheckpoint({
    stage: 'window',
    slot,
    checkpoint: stage.checkpoint(snapshot),
    condition: { kind: 'lower' },
  });
  if (outcome === 'conflict') {
    throw new MillraceError(
      'SNAPSHOT_FENCED',
      `slot ${slot} of pipeline ${pipeline.id} has a checkpoint at or above ${log.position}: another worker owns it. This one stops.`,
    );
  }
  if (previous !== undefined && previous !== snapshot) await blobs.remove(previous);
  return { snapshot, bytes: body.length };
}
