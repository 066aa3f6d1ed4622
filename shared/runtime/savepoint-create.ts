import { randomUUID } from 'node:crypto';
import { type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import { type CopiedLog, type RowsUnderWay, rowsUnderWay } from '#shared/engine/slots/cut.ts';
import type { StateEntry } from '#shared/engine/slots/memory-stage.ts';
import { marksOf } from '#shared/engine/slots/reslot.ts';
import { contractOf } from '#shared/pipeline/contract.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { RawStreams } from '#shared/ports/raw-streams.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { compareSequences, subMax } from '#shared/schemas/position.ts';
import type { SavedSlot, SavepointManifest } from '#shared/schemas/savepoint.ts';
import type { Checkpoint, Stage, StoredCell } from '#shared/schemas/state.ts';
import { putContents, putManifest } from './savepoint.ts';
import { restoreSlot } from './snapshots.ts';

export interface SavepointSource {
  readonly pipeline: Pipeline;
  readonly state: StateStore;
  /** The snapshots of the window stage; undefined where it has no step. */
  readonly blobs: BlobStore | undefined;
  readonly rawStreams: RawStreams;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** What keeps the pipeline from getting on, as far as it is known. */
  readonly troubles?: () => readonly string[];
}

/** How often a slot is looked at again that was written to meanwhile. */
const triesMax = 50;
const pauseMs = 200;

/**
 * Copies the state of a pipeline, which goes on working. Each slot is copied at a position of its own: what its log has after that, the raw
 * streams have too. Nothing is a savepoint before its manifest is there, which is written last.
 *
 * With `drainMsMax` it waits so long at most until every raw record was read; without, it takes the state as it is. Rejects with
 * `SAVEPOINT_REFUSED` when rows of a step that others read are under way all the time, when the state is of another plan, when a slot was written to all the time, or when it did not come to that.
 */
export async function createSavepoint(
  from: SavepointSource,
  to: BlobStore,
  { id, drainMsMax }: { readonly id: string; readonly drainMsMax?: number | undefined },
): Promise<SavepointManifest> {
  const pipeline = compile(from.pipeline);
  await checkPlan(from);
  const { slots, logs } = await copyAll(from, pipeline, { to, id, drainMsMax });
  const isWhole = slots.length === stagesOf(pipeline).length * pipeline.slots || slots.length === 0;
  const isAligned = isWhole && new Set(logs.map((log) => marksOf(log, rawSourcesOf(pipeline)))).size <= 1;
  const isDrained = isAligned && (await isAtEnd(from, pipeline, logs[0]));
  if (drainMsMax !== undefined && !isDrained)
    throw notDrained(from.pipeline.id, 'was not at the end of its raw streams');
  // Records that only some slots have would be looked up again, and might go to others.
  if (!isDrained && lookupTablesOf(from.pipeline.plan).length > 0)
    throw notDrained(from.pipeline.id, 'looks records up, and was not at the end of its raw streams');
  const origins = await from.state.listOrigins();
  if (lookupTablesOf(from.pipeline.plan).length > 0 && !isCounted(origins, pipeline, logs[0]))
    throw notDrained(from.pipeline.id, 'looks records up, and has not yet counted what became of the last of them');
  const manifest: SavepointManifest = {
    version: 1,
    id,
    pipeline: from.pipeline.id,
    created: new Date(from.clock.now()).toISOString(),
    plan: from.pipeline.planHash,
    contract: JSON.stringify(contractOf(from.pipeline.plan)),
    generation: Math.max(0, ...(await from.state.readGenerations()).values()),
    isAligned,
    isDrained,
    sources: await Promise.all(
      [...pipeline.sources.keys()].map(async (source) => ({
        source,
        stream: await from.rawStreams.identityOf(source),
      })),
    ),
    slots,
    origins,
    lateMarks: await from.state.listLateMarks(),
  };
  await putManifest(to, manifest);
  return manifest;
}

/**
 * Copies every slot, each for itself. Where steps read the rows of others the copies must be a cut that no row crosses: what is under way from
 * slot to slot is in the exchange alone, and the raw streams do not give it again to a slot that was copied before it came. So it waits until
 * there is none, and copies all of them again when some came meanwhile.
 */
async function copyAll(
  from: SavepointSource,
  pipeline: CompiledPipeline,
  { to, id, drainMsMax }: { readonly to: BlobStore; readonly id: string; readonly drainMsMax: number | undefined },
): Promise<{ readonly slots: readonly SavedSlot[]; readonly logs: readonly Checkpoint[] }> {
  const { clock } = from;
  const endMs = clock.now() + (drainMsMax ?? triesMax * pauseMs);
  for (;;) {
    if (drainMsMax !== undefined) await waitUntilDrained(from, pipeline, { endMs, waitMsMax: drainMsMax });
    let crossing = rowsUnderWay(pipeline, await readAllLogs(from, pipeline));
    if (crossing === undefined) {
      const copies = await copySlots(from, pipeline, { to, id });
      crossing = rowsUnderWay(pipeline, copies);
      if (crossing === undefined)
        return { slots: copies.flatMap(({ saved }) => saved ?? []), logs: copies.flatMap(({ log }) => log ?? []) };
    }
    if (clock.now() >= endMs) throw stillUnderWay(pipeline.id, crossing);
    await clock.sleep(pauseMs);
  }
}

interface SlotCopy extends CopiedLog {
  readonly saved: SavedSlot | undefined;
}

async function copySlots(
  from: SavepointSource,
  pipeline: CompiledPipeline,
  { to, id }: { readonly to: BlobStore; readonly id: string },
): Promise<readonly SlotCopy[]> {
  const copies: SlotCopy[] = [];
  // Of two that are made under one id at once, the one whose manifest stays names objects that are all its own.
  const attempt = randomUUID();
  for (const stage of stagesOf(pipeline)) {
    for (let slot = 0; slot < pipeline.slots; slot += 1) {
      const contents = stage === 'window' ? await copyWindows(from, pipeline, slot) : await copyCells(from, slot);
      const log = contents?.log;
      const piece = contents && (await putContents(to, `${id}/${stage}-${slot}/${attempt}`, contents));
      const saved = log && piece && { stage, slot, position: log.position, piece };
      copies.push({ stage, slot, log, saved });
    }
  }
  return copies;
}

/**
 * Waits until all raw records were read and stand in the state of every slot, and no row waits for its file. It does not stop the producers; while they go on it never
 * comes to that, and rejects with `SAVEPOINT_REFUSED` at `endMs`.
 */
async function waitUntilDrained(
  from: SavepointSource,
  pipeline: CompiledPipeline,
  { endMs, waitMsMax }: { readonly endMs: number; readonly waitMsMax: number },
): Promise<void> {
  for (;;) {
    const logs = (await readAllLogs(from, pipeline)).map(({ log }) => log);
    const marks = logs.map((log) => (log === undefined ? '' : marksOf(log, rawSourcesOf(pipeline))));
    // A row that waits for its file would go into one here, when a tick or a block that is put again moves the clock, and into one there.
    const isEmptied = logs.every((log) => Object.values(log?.steps ?? {}).every(({ waiting = 0 }) => waiting === 0));
    if (new Set(marks).size === 1 && isEmptied && (await isAtEnd(from, pipeline, logs[0]))) return;
    if (from.clock.now() >= endMs)
      throw notDrained(
        from.pipeline.id,
        `did not come to the end of its raw streams, and of the rows that wait for a file, in ${waitMsMax / 1_000} s`,
        from.troubles?.(),
      );
    await from.clock.sleep(pauseMs);
  }
}

function readAllLogs({ state }: SavepointSource, pipeline: CompiledPipeline): Promise<readonly CopiedLog[]> {
  return Promise.all(
    stagesOf(pipeline).flatMap((stage) =>
      Array.from({ length: pipeline.slots }, async (_, slot) => ({
        stage,
        slot,
        log: await state.readCheckpoint(stage, slot),
      })),
    ),
  );
}

function rawSourcesOf({ sources }: CompiledPipeline): readonly string[] {
  return [...sources.keys()];
}

function notDrained(pipeline: string, what: string, troubles: readonly string[] = []): MillraceError {
  const why = troubles.length === 0 ? '.' : `: ${troubles.join('; ')}`;
  return new MillraceError(
    'SAVEPOINT_REFUSED',
    `pipeline ${pipeline} ${what}${why} Pause the producers, and wait until it has caught up.`,
  );
}

function stillUnderWay(pipeline: string, { step, from, to }: RowsUnderWay): MillraceError {
  return new MillraceError(
    'SAVEPOINT_REFUSED',
    `pipeline ${pipeline} has steps that read the rows of others, and some were under way between them all the time, last rows of ${step} from slot ${from} to slot ${to}. Pause the producers and take the savepoint with --drained.`,
  );
}

/** State of another plan would be written down under the wrong contract. */
async function checkPlan({ pipeline, state }: SavepointSource): Promise<void> {
  const recorded = await state.readContract();
  if (recorded?.plan === pipeline.planHash) return;
  throw new MillraceError(
    'SAVEPOINT_REFUSED',
    recorded === undefined
      ? `pipeline ${pipeline.id} has no state there yet.`
      : `the state is of plan ${recorded.plan.slice(0, 8)}, and this is plan ${pipeline.planHash.slice(0, 8)} of pipeline ${pipeline.id}. Take the savepoint with the version that is deployed.`,
  );
}

async function copyWindows({ state, blobs, telemetry }: SavepointSource, pipeline: CompiledPipeline, slot: number) {
  if (blobs === undefined) return undefined;
  const { stage, snapshot } = await restoreSlot({ pipeline, state, blobs, telemetry, owner: 'savepoint' }, slot);
  return snapshot === undefined ? undefined : stage.beginSave('base');
}

/**
 * The checkpoint and its cells, from one moment: the checkpoint, the cells, and the checkpoint again, which must be unchanged. A cell above
 * it was written by an attempt that has not come to its end, and holds what the log would give again.
 */
async function copyCells({ state, clock, pipeline }: SavepointSource, slot: number) {
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const log = await state.readCheckpoint('aggregate', slot);
    const cells = log === undefined ? [] : await readCells(state, slot, log);
    const after = await state.readCheckpoint('aggregate', slot);
    if (after?.position === log?.position && cells.every(({ position }) => position <= (log?.position ?? ''))) {
      if (log === undefined) return undefined;
      return { log, entries: cells.map(entryOfCell) };
    }
    await clock.sleep(pauseMs);
  }
  throw new MillraceError(
    'SAVEPOINT_REFUSED',
    `slot ${slot} of the aggregate stage of pipeline ${pipeline.id} was written to ${triesMax} times while it was copied, or its last batch has not come to its end. Try again, or pause the producers.`,
  );
}

async function readCells(state: StateStore, slot: number, log: Checkpoint): Promise<readonly StoredCell[]> {
  const panes = Object.entries(log.steps).flatMap(([step, { open, since = '' }]) =>
    open.map(async (paneMs) =>
      (await state.listCells({ step, slot, paneMs })).filter(({ position }) => position > since),
    ),
  );
  return (await Promise.all(panes)).flat();
}

function entryOfCell({ id, body }: StoredCell): StateEntry {
  return [id.step, [id.paneMs, id.group, body]];
}

/** Whether every shard that is not left behind was read to its end. */
async function isAtEnd(
  { rawStreams }: SavepointSource,
  pipeline: CompiledPipeline,
  log: Checkpoint | undefined,
): Promise<boolean> {
  for (const source of pipeline.sources.keys()) {
    const origins = log?.sources[source]?.origins ?? {};
    for (const shard of await rawStreams.shards(source)) {
      const origin = origins[shard];
      if (origin?.retired === true) continue;
      // In the middle of a record there is more to come of it.
      if (origin?.mark && origin.mark[1] !== subMax) return false;
      if (!(await rawStreams.isAtEnd(source, shard, origin?.mark?.[0]))) return false;
    }
  }
  return true;
}

/** Whether all that the slots have of the raw shards was counted, so that nobody tells it apart anew. */
function isCounted(
  origins: SavepointManifest['origins'],
  pipeline: CompiledPipeline,
  log: Checkpoint | undefined,
): boolean {
  return [...pipeline.sources.keys()].every((source) =>
    Object.entries(log?.sources[source]?.origins ?? {}).every(([shard, { mark, retired }]) => {
      if (mark === null || retired) return true;
      const known = origins.find((origin) => origin.source === source && origin.shard === shard);
      return known !== undefined && compareSequences(known.counts.sequence, mark[0]) >= 0;
    }),
  );
}

function stagesOf(pipeline: CompiledPipeline): readonly Stage[] {
  return (['aggregate', 'window'] as const).filter((stage) => pipeline.steps.some((step) => step.stage === stage));
}
