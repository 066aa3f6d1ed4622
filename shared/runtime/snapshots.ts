import type { CompiledPipeline } from '#shared/engine/compile/compile.ts';
import { MemoryStage, type SaveKind } from '#shared/engine/slots/memory-stage.ts';
import type { Overflow } from '#shared/engine/state/overflow.ts';
import type { ChunkLimits } from '#shared/engine/transform/exchange.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { LogPosition } from '#shared/schemas/position.ts';
import {
  type Checkpoint,
  type SnapshotChain,
  type SnapshotManifest,
  type SnapshotPiece,
  stateVersion,
} from '#shared/schemas/state.ts';
import { partCharsMaxDefault, refuseNewer } from './snapshot-codec.ts';
import {
  isWholeState,
  objectsAtOnce,
  objectsOf,
  piecesOf,
  putPiece,
  restoreChain,
  type UnreadablePiece,
} from './snapshot-pieces.ts';

// The state of a slot is a base and deltas in the blob store behind one pointer: the manifest in the slot's window checkpoint. A save puts
// the objects of a base or a delta under new names, then swaps the pointer (rule 15). A crash between any two writes leaves the pointer
// that was.
//
//     position P, revision, epoch     chain [base <- delta <- delta]     previous [base <- delta <- delta]
//
// Three laws keep every object that a pointer refers to:
//
// 1. No name is written twice: it holds the owner, who is unique to one taking of the slot, and the number of the save.
// 2. Only who knows the pointer swaps it: on condition that its revision is the one that this owner read or wrote last. No revision comes
//    twice. So the pointers of a slot follow one from another, and what one refers to was put by its writer or stands in the one before.
//    What a pointer has let go of is never referred to again: anybody may remove it, at any time.
// 3. What no pointer ever referred to, left by owners that crashed or were fenced, is told by the epoch in its name. An owner's epoch is
//    one more than that of the pointer it found, and stands in every pointer that it writes; of the owners that found the same pointer
//    only one ever swaps it. Who has written a pointer of epoch e removes the names of epochs up to e that are not in it: their other
//    writers know only pointers that are gone, so no swap of theirs succeeds any more. A successor's names are of epoch e + 1 and more. So
//    an owner that was deposed may wake up hours later between any two removals, and still removes nothing that counts.

/** Where the state of the window stage outlives its process. */
export interface SnapshotOptions {
  readonly pipeline: CompiledPipeline;
  readonly state: StateStore;
  readonly blobs: BlobStore;
  readonly telemetry: Telemetry;
  /** Unique to one taking of the slots: a process that gives a slot back and takes it again is another owner. */
  readonly owner: string;
  readonly snapshotLimits?: Partial<SnapshotLimits>;
  /** Of the blocks in which a step's rows cross the exchange again. */
  readonly chunkLimits?: ChunkLimits;
  /** Of what a block closes or shows: looked at in one go. */
  readonly keysAtOnceMax?: number;
  /** Called for every object that was read or written: a large state takes longer than a reader may be silent. */
  readonly onProgress?: () => void;
  /**
   * Somebody waits for the slot: a new base can wait, and is left unfinished, if a delta takes less. Asked again and again. A chain then
   * grows by one delta for each change of owner, until somebody has the time for a base.
   */
  readonly isHurried?: () => boolean;
  /** Where state goes that memory has no room for. Without it all of it is in memory. */
  readonly overflow?: Overflow;
}

export interface SnapshotLimits {
  /** Deltas of a chain, which a restore has to read and the checkpoint to hold. */
  readonly deltasMax: number;
  /** By the bytes of the base, those of its deltas from which on a new base is written. */
  readonly deltaShareMax: number;
  /** Below so many bytes of deltas a new base is not worth its requests. */
  readonly deltaBytesMin: number;
  /** Characters of JSON at which a part is closed. */
  readonly partCharsMax: number;
}

const limitsDefault: SnapshotLimits = {
  deltasMax: 40,
  deltaShareMax: 0.5,
  deltaBytesMin: 64 * 1_024,
  partCharsMax: partCharsMaxDefault,
};
/** While a snapshot is read, its owner may put newer ones in its place and remove it. */
const restoreTriesMax = 5;

/** What is stored of a slot, as its owner read or wrote it last. */
export interface StoredSnapshot {
  /** P of the stored checkpoint: above the stage's when that had to go back. */
  readonly position: LogPosition;
  /** Undefined in version 1. */
  readonly revision: string | undefined;
  /** Of the plan that wrote it: a chain is of one plan. */
  readonly plan: string;
  /** Its chain makes up the state that was restored or saved. */
  readonly manifest: SnapshotManifest;
}

export interface RestoredSlot {
  readonly stage: MemoryStage;
  /** Undefined when nothing is stored. */
  readonly snapshot: StoredSnapshot | undefined;
}

/**
 * The slot as its checkpoint has it, or empty.
 *
 * When an object of the chain is missing or unreadable, the slot goes back to the last whole state before it: the front of the chain, or
 * the previous one. Its log is read again from there and gives the same rows at the same positions (rules 8 and 14) while the exchange
 * still has it: that state is at most two chains old. Rejects with `STATE_UNREADABLE` when no whole state is left.
 */
export async function restoreSlot(options: SnapshotOptions, slot: number): Promise<RestoredSlot> {
  const { pipeline, state } = options;
  for (let tries = 1; tries <= restoreTriesMax; tries += 1) {
    const checkpoint = await state.readCheckpoint('window', slot);
    if (checkpoint?.snapshot === undefined)
      return { stage: new MemoryStage(pipeline, slot, options), snapshot: undefined };
    const restored = await restoreFrom(options, slot, checkpoint);
    if (restored !== undefined) return restored;
  }
  throw new MillraceError(
    'STATE_UNREADABLE',
    `the snapshot of slot ${slot} of pipeline ${pipeline.id} was replaced ${restoreTriesMax} times while it was read: another worker owns the slot. Stop it, or leave the slot to it.`,
  );
}

/**
 * Rule 15: puts a base or a delta, then swaps the pointer. If the pointer is not the one of `stored`, somebody else owns the slot:
 * `SNAPSHOT_FENCED`. Gives what is stored now, and the bytes that were put.
 *
 * A stage that had to go back saves nothing before it has come to the stored position again, which readers have seen (rule 16).
 */
export async function saveSlot(
  options: SnapshotOptions,
  stage: MemoryStage,
  stored: StoredSnapshot | undefined,
): Promise<{ readonly snapshot: StoredSnapshot; readonly bytes: number }> {
  const { position } = stage.reader.log;
  if (stored !== undefined && position < stored.position) return { snapshot: stored, bytes: 0 };
  // A base that was cut short is followed by a delta: who waits then waits still.
  return (await trySave(options, stage, stored)) ?? saveSlot(options, stage, stored);
}

/** Undefined when a base was cut short. */
async function trySave(
  options: SnapshotOptions,
  stage: MemoryStage,
  stored: StoredSnapshot | undefined,
): Promise<{ readonly snapshot: StoredSnapshot; readonly bytes: number } | undefined> {
  const { position } = stage.reader.log;
  const { owner, snapshotLimits } = options;
  const isHurried = options.isHurried ?? (() => false);
  const isFirstOfPlan = isFirst(options, stored);
  const limits = { ...limitsDefault, ...snapshotLimits };
  const before = stored?.manifest;
  const kind = saveKindOf(options, stage, stored);
  const epoch = before?.owner === owner ? before.epoch : (before?.epoch ?? 0) + 1;
  // What is stored is of this moment, whatever becomes of the stage meanwhile.
  const save = stage.beginSave(kind);
  const revision = `${String(epoch).padStart(epochDigits, '0')}.${owner}.${save.number}`;
  let isStored = false;
  try {
    const name = `${folderOf(options, stage)}${revision}.${kind}`;
    const isCutShort = () => kind === 'base' && isHurried() && hasBaseOf(options, stage, stored);
    const piece = await putPiece(options, save, { name, partCharsMax: limits.partCharsMax, isCutShort });
    if (piece === undefined) return undefined;
    const manifest: SnapshotManifest = {
      version: stateVersion,
      epoch,
      owner,
      ...chainsWith(piece, kind, isFirstOfPlan && stage.reader.hasLost ? undefined : before),
    };
    await swapPointer(options, stage.reader.slot, stored?.revision, { ...save.log, revision, snapshot: manifest });
    isStored = true;
    if (kind === 'base') await removeLeftovers(options, stage, manifest, before);
    return { snapshot: { position, revision, plan: options.pipeline.planHash, manifest }, bytes: piece.bytes };
  } finally {
    stage.endSave(isStored);
  }
}

/** What the next save of the stage is. The stage goes on while a base is stored, and stands still while a delta is. */
export function saveKindOf(options: SnapshotOptions, stage: MemoryStage, stored: StoredSnapshot | undefined): SaveKind {
  if (stored === undefined || !hasBaseOf(options, stage, stored)) return 'base';
  if (options.isHurried?.() === true) return 'delta';
  return isFull(stored.manifest.chain, { ...limitsDefault, ...options.snapshotLimits }) ? 'base' : 'delta';
}

/** Whether what has changed could be told as a delta. */
function hasBaseOf(options: SnapshotOptions, stage: MemoryStage, stored: StoredSnapshot | undefined): boolean {
  if (stored === undefined || stage.mustSaveAll) return false;
  return !isFirst(options, stored) && !isWholeState(stored.manifest.chain.base);
}

/** A delta of another plan would leave in the base what belongs to steps that are gone, for a later step of such a name to find. */
function isFirst({ pipeline }: SnapshotOptions, stored: StoredSnapshot | undefined): boolean {
  return stored?.plan !== pipeline.planHash;
}

/** Undefined when the pointer was swapped meanwhile. */
async function restoreFrom(
  options: SnapshotOptions,
  slot: number,
  checkpoint: Checkpoint,
): Promise<RestoredSlot | undefined> {
  const { pipeline, state, telemetry } = options;
  const { position, revision, plan } = checkpoint;
  const messages: string[] = [];
  const unreadable = new Set<string>();
  for (const manifest of statesOf(manifestOf(checkpoint))) {
    if (piecesOf(manifest.chain).some(({ name }) => unreadable.has(name))) continue;
    const stage = new MemoryStage(pipeline, slot, options);
    const failure = await restoreOrClose(options, stage, manifest.chain, checkpoint);
    if (failure === undefined) {
      if (messages.length > 0) {
        const fields = { slot, unreadable: messages, position: stage.reader.log.position, storedPosition: position };
        telemetry.log('warn', goesBack, fields);
      }
      return { stage, snapshot: { position, revision, plan, manifest } };
    }
    // An object of a pointer is there as long as the pointer is (law 2), so only now it is really missing.
    if ((await state.readCheckpoint('window', slot))?.revision !== revision) return undefined;
    unreadable.add(failure.piece.name);
    messages.push(failure.message);
  }
  throw new MillraceError(
    'STATE_UNREADABLE',
    `no whole state of slot ${slot} of pipeline ${pipeline.id} is left in the blob store. ${messages.join(' ')} Restore the first of these objects, or all that can be, from the versions that the bucket keeps; without them the open windows of this slot are lost.`,
  );
}

/** What is given up lets go of what it has on the disk. */
async function restoreOrClose(
  options: SnapshotOptions,
  stage: MemoryStage,
  chain: SnapshotChain,
  checkpoint: Checkpoint,
): Promise<UnreadablePiece | undefined> {
  let isWhole = false;
  try {
    const failure = await restoreChain(options, stage, chain, checkpoint);
    isWhole = failure === undefined;
    return failure;
  } finally {
    if (!isWhole) stage.close();
  }
}

const goesBack =
  'A part of a snapshot cannot be read. The slot goes back to the last whole state before it and reads its log again from there.';

function manifestOf({ position, snapshot }: Checkpoint): SnapshotManifest {
  if (typeof snapshot !== 'object')
    return { version: 1, epoch: 0, owner: '', chain: { base: { name: snapshot ?? '', ...wholeState }, deltas: [] } };
  refuseNewer(snapshot.version, `the window checkpoint at ${position}`);
  return snapshot;
}

const wholeState = { objectCount: 0, bytes: 0, crc32: 0 };

/** All states that a manifest can be restored to, the newest first, each as a manifest without what came after. */
function* statesOf(manifest: SnapshotManifest): Iterable<SnapshotManifest> {
  const { previous, ...rest } = manifest;
  for (const front of frontsOf(manifest.chain)) yield { ...manifest, chain: front };
  if (previous === undefined) return;
  for (const front of frontsOf(previous)) yield { ...rest, chain: front };
}

function* frontsOf({ base, deltas }: SnapshotChain): Iterable<SnapshotChain> {
  for (let count = deltas.length; count >= 0; count -= 1) yield { base, deltas: deltas.slice(0, count) };
}

function isFull({ base, deltas }: SnapshotChain, limits: SnapshotLimits): boolean {
  if (isWholeState(base) || deltas.length >= limits.deltasMax) return true;
  const deltaBytes = deltas.reduce((sum, { bytes }) => sum + bytes, 0);
  return deltaBytes > Math.max(limits.deltaBytesMin, limits.deltaShareMax * base.bytes);
}

function chainsWith(
  piece: SnapshotPiece,
  kind: SaveKind,
  before: SnapshotManifest | undefined,
): Pick<SnapshotManifest, 'chain' | 'previous'> {
  if (before !== undefined && kind === 'delta') {
    const { chain, previous } = before;
    const extended = { base: chain.base, deltas: [...chain.deltas, piece] };
    return { chain: extended, ...(previous && { previous }) };
  }
  const chain = { base: piece, deltas: [] };
  // Nothing can go back to version 1: its log stood in the checkpoint that is replaced.
  return before === undefined || isWholeState(before.chain.base) ? { chain } : { chain, previous: before.chain };
}

async function swapPointer(
  { pipeline, state }: SnapshotOptions,
  slot: number,
  read: string | undefined,
  checkpoint: Checkpoint,
): Promise<void> {
  const outcome = await state.writeCheckpoint({
    stage: 'window',
    slot,
    checkpoint,
    condition: { kind: 'revision', revision: read },
  });
  if (outcome === 'written') return;
  // A client that got no answer asks again, and meets its own write.
  if ((await state.readCheckpoint('window', slot))?.revision === checkpoint.revision) return;
  throw new MillraceError(
    'SNAPSHOT_FENCED',
    `slot ${slot} of pipeline ${pipeline.id} has another checkpoint than this worker left, which stands at ${checkpoint.position}: another worker owns it. This one stops.`,
  );
}

/** Removes what no pointer refers to (laws 2 and 3). What it cannot remove is left to the next base. */
async function removeLeftovers(
  options: SnapshotOptions,
  stage: MemoryStage,
  { epoch, chain, previous }: SnapshotManifest,
  before: SnapshotManifest | undefined,
): Promise<void> {
  const { blobs, telemetry, onProgress } = options;
  const folder = folderOf(options, stage);
  const kept = new Set([chain, ...(previous === undefined ? [] : [previous])].flatMap(piecesOf).flatMap(objectsOf));
  try {
    const names = await blobs.list(folder);
    const leftovers = names.filter((name) => !kept.has(name) && epochOf(name.slice(folder.length)) <= epoch);
    // The name of version 1 has no epoch.
    if (before !== undefined && isWholeState(before.chain.base)) leftovers.push(before.chain.base.name);
    for (let at = 0; at < leftovers.length; at += objectsAtOnce) {
      await Promise.all(leftovers.slice(at, at + objectsAtOnce).map((name) => blobs.remove(name)));
      onProgress?.();
    }
  } catch (error) {
    telemetry.log('warn', 'Old snapshots could not be removed; the next base tries again.', {
      slot: stage.reader.slot,
      error: error instanceof Error ? error.message : String(error),
    });
  }
}

/** Enough for an owner a second in 300 years. */
const epochDigits = 10;

/** NaN for a name that is not ours, which is left alone. */
function epochOf(name: string): number {
  return /^\d{10}\./.test(name) ? Number(name.slice(0, epochDigits)) : Number.NaN;
}

function folderOf({ pipeline }: SnapshotOptions, { reader }: MemoryStage): string {
  return `${pipeline.id}/slot-${reader.slot}/`;
}
