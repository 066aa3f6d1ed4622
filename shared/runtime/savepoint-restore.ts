import { type CompiledAggregate, type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import { type Accumulators, createAccumulators, encodeTotal } from '#shared/engine/operators/accumulate.ts';
import { gridOf } from '#shared/engine/operators/window.ts';
import { cellKeptMs } from '#shared/engine/slots/cells.ts';
import { MemoryStage, type StateEntry } from '#shared/engine/slots/memory-stage.ts';
import {
  beginLog,
  leaveOrigins,
  moveCells,
  moveEntries,
  moveLog,
  parentsOf,
  totalsOfWindows,
  ttlMsOf,
} from '#shared/engine/slots/reslot.ts';
import { showAnew } from '#shared/engine/slots/show-anew.ts';
import { SlotReader } from '#shared/engine/slots/slot.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { contractOf, type StateContract } from '#shared/pipeline/contract.ts';
import { diffContracts, refuseLosses } from '#shared/pipeline/contract-diff.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { isAligned } from '#shared/pipeline/window.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import type { RawStreams } from '#shared/ports/raw-streams.ts';
import type { ResultStore } from '#shared/ports/result-store.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import { assert, MillraceError } from '#shared/schemas/error.ts';
import { compareSequences, type LogPosition, logEnd } from '#shared/schemas/position.ts';
import type { TotalPartial } from '#shared/schemas/row.ts';
import type { SavepointManifest } from '#shared/schemas/savepoint.ts';
import {
  type Checkpoint,
  type RecordedContract,
  type Stage,
  type StoredCell,
  stateVersion,
  totalGroup,
} from '#shared/schemas/state.ts';
import { restoringPlan } from './admission.ts';
import { generationsBehindMax, restoredShard } from './generations.ts';
import { readContents, type SlotContents } from './savepoint.ts';
import { partCharsMaxDefault } from './snapshot-codec.ts';
import { putPiece } from './snapshot-pieces.ts';

export interface SavepointTarget {
  readonly pipeline: Pipeline;
  readonly state: StateStore;
  readonly results: ResultStore;
  readonly blobs: BlobStore | undefined;
  readonly rawStreams: RawStreams;
}

/**
 * Puts a savepoint's state into a deployment that has none, of as many slots and key groups as its plan has. The hosts wait meanwhile.
 * Then they read the raw streams from their start, and the marks pass over what is in the state.
 *
 * Everything that is restored stands at the end of a generation of shards that the deployment before has never come to, and the shards that
 * are read from then on are of later ones: where the table of results was kept, what is written is above all that was written before.
 *
 * Rejects with `SAVEPOINT_REFUSED` when there is state, or when raw records between savepoint and restore are gone; with
 * `STATE_WOULD_BE_LOST` when a step of the savepoint has no heir whose loss was not named.
 */
export async function restoreSavepoint(
  to: SavepointTarget,
  from: BlobStore,
  manifest: SavepointManifest,
): Promise<void> {
  const contract = JSON.parse(manifest.contract) as StateContract;
  const differences = diffContracts(contract, contractOf(to.pipeline.plan)).filter(({ kind }) => kind !== 'migratable');
  refuseLosses(differences, to.pipeline.dropped ?? [], `state of savepoint ${manifest.id}`);
  const pipeline = compile(to.pipeline);
  refuseMove(pipeline, contract, manifest);
  await checkEmpty(to, pipeline);
  const isNew = await checkRawStreams(to, manifest, await readLogs(from, manifest));
  const marker: RecordedContract = { plan: restoringPlan, body: JSON.stringify({ savepoint: manifest.id }) };
  if ((await to.state.writeContract({ contract: marker, read: undefined })) === 'conflict')
    throw notEmpty(to.pipeline.id);
  await to.state.recordGeneration(restoredShard, generationOfRestore(manifest));
  const restore = new Restore(to, from, manifest, { pipeline, contract, isNew });
  for (const stage of ['aggregate', 'window'] as const)
    for (let slot = 0; slot < pipeline.slots; slot += 1) await restore.slot(stage, slot);
  await restore.totals();
  await restore.counts();
  const recorded = { plan: to.pipeline.planHash, body: JSON.stringify(contractOf(to.pipeline.plan)) };
  if ((await to.state.writeContract({ contract: recorded, read: marker })) === 'conflict')
    throw notEmpty(to.pipeline.id);
}

/** A total has a partial for each slot: those of windows that one slot has closed and another has not would count keys twice. */
function refuseMove(pipeline: CompiledPipeline, before: StateContract, { id, isAligned }: SavepointManifest): void {
  if (before.slots === pipeline.slots || isAligned) return;
  const hasTotals = pipeline.steps.some((step) => step.op === 'aggregate' && step.totals.length > 0);
  if (pipeline.slots > before.slots && !hasTotals) return;
  throw new MillraceError(
    'SAVEPOINT_REFUSED',
    `savepoint ${id} has ${before.slots} slots that have not all seen the same, and pipeline ${pipeline.id} has ${pipeline.slots}: slots become one, and totals over all keys go on, only where they have. Pause the producers and take a savepoint with --drained.`,
  );
}

/**
 * Above every generation that the deployment of the savepoint has come to, also behind it: it may have gone on for days, and what it has
 * written must not stand above what is written again.
 */
export function generationOfRestore({ generation }: Pick<SavepointManifest, 'generation'>): number {
  return generation + generationsBehindMax;
}

async function readLogs(from: BlobStore, { slots }: SavepointManifest): Promise<readonly Checkpoint[]> {
  const logs: Checkpoint[] = [];
  for (const { piece } of slots) logs.push((await readContents(from, piece)).log);
  return logs;
}

async function checkEmpty({ state, pipeline: { id } }: SavepointTarget, { slots }: CompiledPipeline): Promise<void> {
  const contract = await state.readContract();
  if (contract?.plan === restoringPlan)
    throw new MillraceError(
      'SAVEPOINT_REFUSED',
      `a savepoint is being put into the deployment of pipeline ${id}, ${contract.body}, or was and did not come to its end. If it was broken off, empty the deployment and restore again: ${emptied}.`,
    );
  const stages: readonly Stage[] = ['aggregate', 'window'];
  const checkpoints = await Promise.all(
    stages.flatMap((stage) => Array.from({ length: slots }, (_, slot) => state.readCheckpoint(stage, slot))),
  );
  const isEmpty =
    checkpoints.every((checkpoint) => checkpoint === undefined) &&
    contract === undefined &&
    (await state.readGenerations()).size === 0 &&
    (await state.listOrigins()).length === 0;
  if (!isEmpty) throw notEmpty(id);
}

function notEmpty(id: string): MillraceError {
  return new MillraceError(
    'SAVEPOINT_REFUSED',
    `the deployment of pipeline ${id} has state, which a restore would put another in the place of. Restore into one that has none and whose hosts have not begun: ${emptied}.`,
  );
}

/** Raw records that a savepoint does not have are in the raw streams alone. */
const emptied =
  'on AWS one with new tables, on this machine a stack whose folder has no dynamodb and no mappings, while its kinesis stays';

/**
 * Whether the raw streams are others than those of the savepoint. If they are the same, every record behind a mark must still be there: the
 * record at the mark is, then so are all behind it.
 */
async function checkRawStreams(
  { rawStreams }: SavepointTarget,
  { id, sources, isDrained }: SavepointManifest,
  logs: readonly Checkpoint[],
): Promise<boolean> {
  const isSame = await Promise.all(
    sources.map(async ({ source, stream }) => (await rawStreams.identityOf(source)) === stream),
  );
  if (isSame.every((same) => !same) && sources.length > 0) {
    if (isDrained) return true;
    throw new MillraceError(
      'SAVEPOINT_REFUSED',
      `the raw streams are others than those of savepoint ${id}, which does not have all of their records: those would be lost. Restore where the streams are, or take the savepoint with --drained.`,
    );
  }
  if (!isSame.every((same) => same))
    throw new MillraceError(
      'SAVEPOINT_REFUSED',
      `some raw streams are those of savepoint ${id} and others are not. Restore where all of them are, or none.`,
    );
  for (const { source } of sources) {
    for (const [shard, sequence] of leastMarks(logs, source)) {
      if (await rawStreams.holds(source, shard, sequence)) continue;
      throw new MillraceError(
        'SAVEPOINT_REFUSED',
        `shard ${shard} of source ${source} does not hold record ${sequence} any more, up to which savepoint ${id} has its records: what came behind it may be gone, and would be missing without a sign. Restore a newer savepoint.`,
      );
    }
  }
  return false;
}

/** The least mark of each shard over all slots; of a shard that its children have followed everything was read. */
function leastMarks(logs: readonly Checkpoint[], source: string): ReadonlyMap<string, string> {
  const marks = new Map<string, string>();
  for (const { sources } of logs) {
    for (const [shard, { mark, retired }] of Object.entries(sources[source]?.origins ?? {})) {
      if (mark === null || retired) continue;
      const known = marks.get(shard);
      if (known === undefined || compareSequences(mark[0], known) < 0) marks.set(shard, mark[0]);
    }
  }
  return marks;
}

class Restore {
  readonly #to: SavepointTarget;
  readonly #from: BlobStore;
  readonly #manifest: SavepointManifest;
  readonly #pipeline: CompiledPipeline;
  readonly #before: StateContract;
  readonly #isNew: boolean;
  readonly #position: LogPosition;
  /** Of each step and open window, by slot. */
  readonly #totals: TotalPartial[] = [];

  constructor(
    to: SavepointTarget,
    from: BlobStore,
    manifest: SavepointManifest,
    {
      pipeline,
      contract,
      isNew,
    }: { readonly pipeline: CompiledPipeline; readonly contract: StateContract; readonly isNew: boolean },
  ) {
    this.#to = to;
    this.#from = from;
    this.#manifest = manifest;
    this.#pipeline = pipeline;
    this.#before = contract;
    this.#isNew = isNew;
    this.#position = logEnd(generationOfRestore(manifest));
  }

  get #isMoved(): boolean {
    return this.#before.slots !== this.#pipeline.slots;
  }

  async slot(stage: Stage, slot: number): Promise<void> {
    const parents = await this.#parentsOf(stage, slot);
    if (parents.length === 0) {
      const { planHash: plan } = this.#to.pipeline;
      const log = beginLog(this.#pipeline, { stage, plan, position: this.#position });
      if (log !== undefined) await this.#put(stage, slot, log, []);
      return;
    }
    const isFirst =
      slot === 0 ||
      parentsOf(slot - 1, this.#before.slots, this.#pipeline.slots)[0] !==
        parentsOf(slot, this.#before.slots, this.#pipeline.slots)[0];
    const moved = moveLog(
      this.#pipeline,
      parents.map(({ log }) => log),
      { slot, position: this.#position, isFirst, rawSources: this.#manifest.sources.map(({ source }) => source) },
    );
    const entries = parents.flatMap((parent) => parent.entries);
    await this.#put(stage, slot, this.#isNew ? leaveOrigins(moved) : moved, entries);
  }

  async #put(stage: Stage, slot: number, log: Checkpoint, entries: readonly StateEntry[]): Promise<void> {
    if (stage === 'aggregate') await this.#putCells(slot, log, entries);
    else await this.#putWindows(slot, log, this.#isMoved ? moveEntries(this.#pipeline, slot, entries) : entries);
  }

  /** Slots that became several or one have other partials of the windows that are open: the old ones are written over, all of them. */
  async totals(): Promise<void> {
    if (!this.#isMoved) return;
    // Windows may begin together, so one is told by its end too.
    const nameOf = ({ view, windowStartMs, windowEndMs }: TotalPartial): string =>
      `${view}/${windowStartMs}/${windowEndMs}`;
    const windows = new Map(this.#totals.map((total) => [nameOf(total), total]));
    const known = new Set(this.#totals.map((total) => `${nameOf(total)}/${total.slot}`));
    const empty = [...windows.values()].flatMap((total) =>
      Array.from({ length: this.#before.slots }, (_, slot) => ({
        ...total,
        slot,
        // Nobody writes the partial of a slot that is no more.
        final: slot >= this.#pipeline.slots,
        columns: this.#emptyOf(total.view),
      })),
    );
    const left = empty.filter((total) => !known.has(`${nameOf(total)}/${total.slot}`));
    await this.#to.results.writeTotals([...this.#totals, ...left]);
  }

  async counts(): Promise<void> {
    const { state } = this.#to;
    const { origins, lateMarks, id } = this.#manifest;
    // Shards of streams that were made anew have the names of others.
    const nameOf = (shard: string): string => (this.#isNew ? `${shard}@${id}` : shard);
    for (const { source, shard, counts } of origins) {
      const { attempt: _, ...settled } = counts;
      await state.writeOrigin({ source, shard: nameOf(shard), counts: settled, read: undefined });
    }
    await state.addLateMarks(lateMarks.map((mark) => ({ ...mark, origin: nameOf(mark.origin) })));
  }

  async #parentsOf(stage: Stage, slot: number): Promise<readonly SlotContents[]> {
    const parents = parentsOf(slot, this.#before.slots, this.#pipeline.slots);
    const saved = this.#manifest.slots.filter((each) => each.stage === stage && parents.includes(each.slot));
    if (saved.length > 0 && saved.length < parents.length)
      throw new MillraceError(
        'SAVEPOINT_REFUSED',
        `of the slots ${parents.join(', ')}, which would become one, some have no state yet. Take a savepoint with --drained.`,
      );
    return Promise.all(saved.map(({ piece }) => readContents(this.#from, piece)));
  }

  async #putWindows(slot: number, log: Checkpoint, entries: readonly StateEntry[]): Promise<void> {
    const { blobs } = this.#to;
    const { id } = this.#manifest;
    if (blobs === undefined)
      throw new MillraceError(
        'SAVEPOINT_REFUSED',
        `savepoint ${id} has state of the worker, and pipeline ${this.#pipeline.id} has none.`,
      );
    const stage = new MemoryStage(this.#pipeline, slot);
    stage.restore({ log, entries: showAnew(this.#pipeline, entries) });
    stage.endRestore();
    const owner = `restore-${id}`;
    const revision = `0000000001.${owner}.1`;
    const name = `${this.#pipeline.id}/slot-${slot}/${revision}.base`;
    const isCutShort = () => false;
    const base = await putPiece({ blobs }, stage.beginSave('base'), {
      name,
      partCharsMax: partCharsMaxDefault,
      isCutShort,
    });
    assert(base !== undefined, 'a base that nobody cuts short is whole');
    const snapshot = { version: stateVersion, epoch: 1, owner, chain: { base, deltas: [] } };
    await this.#putCheckpoint('window', slot, { ...stage.checkpoint(), revision, snapshot });
    for (const step of this.#pipeline.steps) {
      if (step.stage !== 'window' || step.op !== 'aggregate') continue;
      const ofStep = entries.flatMap(([of, entry]): readonly Json[] => (of === step.plan.id ? [entry] : []));
      for (const [nameMs, total] of totalsOfWindows(step, ofStep))
        this.#noteTotal(step, slot, nameMs, log.clockMs, total);
    }
  }

  async #putCells(slot: number, log: Checkpoint, entries: readonly StateEntry[]): Promise<void> {
    const { state } = this.#to;
    const reader = new SlotReader(this.#pipeline, 'aggregate', slot, log);
    const saved = entries.flatMap(([step, entry]): readonly StoredCell[] => {
      if (reader.progressOf(step) === undefined) return [];
      const [paneMs, group, body] = entry as unknown as readonly [number, number, string];
      return [{ id: { step, slot, paneMs, group }, position: this.#position, body }];
    });
    const cells = moveCells(this.#pipeline, slot, saved, this.#position);
    for (const cell of cells) {
      const outcome = await state.writeCell({ cell, read: undefined, expiresMs: log.clockMs + cellKeptMs });
      if (outcome === 'conflict') throw notEmpty(this.#pipeline.id);
      if (cell.id.group === totalGroup) this.#noteCellTotal(cell, log.clockMs);
    }
    const steps = this.#pipeline.steps.flatMap(({ plan, contract, stage }) => {
      const progress = reader.progressOf(plan.id);
      if (stage !== 'aggregate' || progress === undefined) return [];
      const ofStep = cells.filter(({ id }) => id.step === plan.id);
      const pending = ofStep.map(({ id }) => `${id.paneMs}/${id.group}`);
      // The table of results may be a new one, so all that is open is shown again.
      return [[plan.id, { ...progress, contract, emittedMs: 0, pending }] as const];
    });
    await this.#putCheckpoint('aggregate', slot, {
      ...log,
      plan: this.#pipeline.planHash,
      steps: Object.fromEntries(steps),
    });
  }

  async #putCheckpoint(stage: Stage, slot: number, checkpoint: Checkpoint): Promise<void> {
    const condition = { kind: 'unchanged', position: undefined } as const;
    const outcome = await this.#to.state.writeCheckpoint({ stage, slot, checkpoint, condition });
    if (outcome === 'conflict') throw notEmpty(this.#pipeline.id);
  }

  #noteCellTotal(cell: StoredCell, clockMs: number): void {
    const step = this.#aggregateOf(cell.id.step);
    const [, [, , encoded]] = JSON.parse(cell.body) as readonly [string, readonly [string, number, readonly Json[]]];
    const total = step.aggregators.map((aggregator, index) => aggregator.decode(encoded[index] as Json));
    this.#noteTotal(step, cell.id.slot, cell.id.paneMs, clockMs, total);
  }

  #noteTotal(step: CompiledAggregate, slot: number, nameMs: number, clockMs: number, total: Accumulators): void {
    const { window } = step.plan;
    const ttlMs = ttlMsOf(step);
    if (step.totals.length === 0 || !isAligned(window) || ttlMs === undefined) return;
    const { startMs, endMs } = gridOf(window).rangeOf(nameMs);
    this.#totals.push({
      view: step.plan.id,
      slot,
      windowStartMs: startMs,
      windowEndMs: endMs,
      final: false,
      position: this.#position,
      columns: encodeTotal(step, total),
      expiresMs: clockMs + ttlMs,
    });
  }

  #emptyOf(view: string): TotalPartial['columns'] {
    const step = this.#aggregateOf(view);
    return encodeTotal(step, createAccumulators(step));
  }

  #aggregateOf(id: string): CompiledAggregate {
    const step = this.#pipeline.steps.find(({ plan }) => plan.id === id);
    if (step?.op !== 'aggregate') throw new Error(`Bug in Millrace: ${id} is a step with totals`);
    return step;
  }
}
