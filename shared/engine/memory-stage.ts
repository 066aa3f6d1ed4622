import type { Json } from '#shared/pipeline/aggregator.ts';
import type { Block } from '#shared/schemas/block.ts';
import { assert } from '#shared/schemas/error.ts';
import type { LogPosition } from '#shared/schemas/position.ts';
import type { Checkpoint } from '#shared/schemas/state.ts';
import { WindowedAggregate } from './aggregate.ts';
import type { CompiledPipeline, CompiledStep } from './compile.ts';
import { createEmission, type Emission } from './emit.ts';
import { type ChunkLimits, chunkLimits } from './exchange.ts';
import { IntervalJoin } from './join.ts';
import type { Operator } from './operator.ts';
import { Outlet } from './outlet.ts';
import { KeyedProcess } from './process.ts';
import { RowOrigin } from './row-origin.ts';
import { compareRows, watermarkOfRows } from './rows.ts';
import { SessionAggregate } from './session.ts';
import { type PlacedBlock, SlotReader } from './slot.ts';
import { TopRows } from './top.ts';

/** The operator of a step, empty. */
export function createOperator(step: CompiledStep): Operator {
  if (step.op === 'join') return new IntervalJoin(step);
  if (step.op === 'process') return new KeyedProcess(step);
  if (step.op === 'top') return new TopRows(step);
  const { window } = step.plan;
  return window.kind === 'session' ? new SessionAggregate(step, window) : new WindowedAggregate(step, window);
}

/** Behind a step's name, which has no such character: the rows that wait in its outlet. */
const outletMark = '/outlet';

/** The step that an entry is of, or of its outlet. */
export function stepOf(id: string): string {
  return id.endsWith(outletMark) ? id.slice(0, -outletMark.length) : id;
}

/** Some of what a save holds: entries of the steps' operators and, in its first part, the log up to P. */
export interface StatePart {
  readonly log?: Checkpoint;
  readonly entries: readonly StateEntry[];
}

export type StateEntry = readonly [step: string, entry: Json];

/** The window stage of one slot: block by block, with all state in memory, which is always exactly at P (rule 15). */
export class MemoryStage {
  reader: SlotReader;
  readonly #pipeline: CompiledPipeline;
  readonly #operators = new Map<CompiledStep, Operator>();
  readonly #outlets = new Map<CompiledStep, Outlet>();
  /** The steps whose rows are a stream again. */
  readonly #origins = new Map<CompiledStep, RowOrigin>();
  #emission = createEmission();
  #emittedCount = 0;
  #saveCount = 0;
  #isSaving = false;

  /** Before every block; `restore` takes it further. */
  constructor(pipeline: CompiledPipeline, slot: number, limits: ChunkLimits = chunkLimits) {
    this.#pipeline = pipeline;
    this.reader = new SlotReader(pipeline, 'window', slot, undefined);
    for (const step of pipeline.steps) {
      if (step.stage !== 'window') continue;
      this.#operators.set(step, createOperator(step));
      this.#outlets.set(step, new Outlet(step));
    }
    for (const source of pipeline.rowSources.values())
      this.#origins.set(source.step, new RowOrigin(pipeline, source, slot, limits));
  }

  /** Applies one block: its outputs first, then what its watermark closes. False: it was applied before. */
  apply(placed: PlacedBlock): boolean {
    this.#assertNotSaving();
    const applied = this.reader.apply(
      placed,
      (step, output) =>
        this.#operators
          .get(step)
          ?.add(
            output.key,
            output.keyId,
            output.timeMs,
            output.values,
            output.watermarkMs,
            this.reader.log.clockMs,
            output,
          ) ?? false,
    );
    if (!applied) return false;
    const context = { slot: this.reader.slot, position: placed.position, clockMs: this.reader.log.clockMs };
    for (const [step, operator] of this.#operators) {
      const first = this.#emission.rows.length;
      const watermarkMs = this.reader.log.watermarkOfStep(step);
      operator.advance(watermarkMs, context, this.#emission);
      operator.refresh(context, this.#emission);
      this.#emittedCount += this.#emission.rows.length - first;
      const origin = this.#origins.get(step);
      if (origin !== undefined) {
        const made = this.#emission.rows.slice(first).sort(compareRows);
        origin.take(placed.position, made, watermarkOfRows(step, watermarkMs));
      }
      this.#outlets.get(step)?.take(this.#emission, first, watermarkMs, context);
    }
    for (const failure of this.#emission.failures.splice(0)) this.reader.fail(failure);
    return true;
  }

  /** The steps' rows on their way to the exchange again, each an origin of its own. */
  get origins(): Iterable<RowOrigin> {
    return this.#origins.values();
  }

  /** Rule 5: what tells all slots how far the watermarks of the steps' rows are, where one has moved. Put only when all chunks are accepted. */
  heartbeats(): readonly Block[] {
    const { log } = this.reader;
    return [...this.#origins].flatMap(([step, origin]) =>
      origin.heartbeats(log.position, watermarkOfRows(step, log.watermarkOfStep(step))),
    );
  }

  /** The slot's shard has ended, and everything in it was applied: P moves behind its last block (rule 15). */
  endShard(position: LogPosition): void {
    this.#assertNotSaving();
    if (position > this.reader.log.position) this.reader.log.position = position;
  }

  /** What was emitted since the last call. */
  takeEmission(): Emission {
    const emission = this.#emission;
    this.#emission = createEmission();
    this.#emittedCount = 0;
    return emission;
  }

  /** Rows that were emitted since then, wherever they go. */
  get emittedCount(): number {
    return this.#emittedCount;
  }

  /**
   * Begins a save: the state stands still until `endSave`, however long the entries take to be stored. Gives a number that no other save
   * of this stage has.
   */
  beginSave(): number {
    this.#assertNotSaving();
    this.#isSaving = true;
    this.#saveCount += 1;
    return this.#saveCount;
  }

  /** The operators' whole state, or what of it has changed since the last save that was stored. */
  *entries(kind: 'base' | 'delta'): Iterable<StateEntry> {
    for (const [{ plan }, operator] of this.#operators) {
      for (const entry of kind === 'base' ? operator.save() : operator.saveChanges()) yield [plan.id, entry];
    }
    for (const [{ plan }, outlet] of this.#outlets) {
      for (const entry of outlet.save(kind)) yield [`${plan.id}${outletMark}`, entry];
    }
  }

  /** `isStored`: what was saved can be restored from now on, so changes count from here. */
  endSave(isStored: boolean): void {
    this.#isSaving = false;
    if (isStored) this.#markSaved();
  }

  /** The log up to P, which with the operators' state makes up all of the stage. */
  checkpoint(): Checkpoint {
    return {
      version: 1,
      plan: this.#pipeline.planHash,
      slots: this.#pipeline.slots,
      ...this.reader.log.save(),
      counts: { ...this.reader.counts },
      ...(this.#origins.size === 0 ? {} : { told: this.#told() }),
      steps: Object.fromEntries(
        [...this.#operators.keys()].map((step) => [
          step.plan.id,
          {
            contract: step.contract,
            ...this.reader.countsOf(step),
            open: [],
            emittedMs: 0,
            pending: [],
            waiting: this.#outlets.get(step)?.waitingCount ?? 0,
          },
        ]),
      ),
    };
  }

  /** Takes a part of a base into an empty stage, or of a delta into what the saves before it made. */
  restore({ log, entries }: StatePart): void {
    if (log !== undefined) {
      this.reader = new SlotReader(this.#pipeline, 'window', this.reader.slot, log);
      for (const [step, origin] of this.#origins) origin.toldMs = log.told?.[step.plan.id] ?? Number.NEGATIVE_INFINITY;
    }
    for (const [id, entry] of entries) {
      // What is not of a step that goes on was named as a loss.
      if (this.reader.progressOf(stepOf(id)) !== undefined) this.#holderOf(id).restore(entry);
    }
  }

  /** The restored state is whole, and stored as it is. */
  endRestore(): void {
    this.#markSaved();
  }

  #told(): Readonly<Record<string, number | null>> {
    return Object.fromEntries(
      [...this.#origins].map(([step, { toldMs }]) => [step.plan.id, Number.isFinite(toldMs) ? toldMs : null]),
    );
  }

  #holderOf(id: string): Operator | Outlet {
    for (const [step, operator] of this.#operators) if (step.plan.id === id) return operator;
    for (const [step, outlet] of this.#outlets) if (`${step.plan.id}${outletMark}` === id) return outlet;
    throw new Error(`Bug in Millrace: state of plan ${this.#pipeline.planHash} is of its steps, and ${id} is none`);
  }

  #markSaved(): void {
    for (const operator of this.#operators.values()) operator.markSaved();
    for (const outlet of this.#outlets.values()) outlet.markSaved();
  }

  #assertNotSaving(): void {
    assert(!this.#isSaving, `slot ${this.reader.slot} stands still while it is saved`);
  }

  get keyCount(): number {
    return [...this.#operators.values()].reduce((sum, operator) => sum + operator.keyCount, 0);
  }

  get openCount(): number {
    return [...this.#operators.values()].reduce((sum, operator) => sum + operator.openCount, 0);
  }
}
