import type { CompiledPipeline, CompiledStep } from '#shared/engine/compile/compile.ts';
import { WindowedAggregate } from '#shared/engine/operators/aggregate.ts';
import {
  createEmission,
  type Emission,
  type EmissionContext,
  emitMore,
  emitRest,
} from '#shared/engine/operators/emit.ts';
import { IntervalJoin } from '#shared/engine/operators/join.ts';
import { keysPerEntry, type Operator } from '#shared/engine/operators/operator.ts';
import { OrderedAggregate } from '#shared/engine/operators/ordered.ts';
import { KeyedProcess } from '#shared/engine/operators/process.ts';
import { RunningAggregate } from '#shared/engine/operators/running.ts';
import { SelectedRows } from '#shared/engine/operators/select.ts';
import { SessionAggregate } from '#shared/engine/operators/session.ts';
import { TopRows } from '#shared/engine/operators/top.ts';
import { Outlet, type OutletMark } from '#shared/engine/rows/outlet.ts';
import { compareRows, watermarkOfRows } from '#shared/engine/rows/rows.ts';
import type { Holder, Overflow } from '#shared/engine/state/overflow.ts';
import { type ChunkLimits, chunkLimits } from '#shared/engine/transform/exchange.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { isAligned, isOrdered } from '#shared/pipeline/window.ts';
import type { Block } from '#shared/schemas/block.ts';
import { assert } from '#shared/schemas/error.ts';
import { type LogPosition, logStart } from '#shared/schemas/position.ts';
import type { Checkpoint, RowProgress } from '#shared/schemas/state.ts';
import { RowOrigin } from './row-origin.ts';
import { type PlacedBlock, SlotReader } from './slot.ts';

/** The operator of a step, empty. Without `overflow` all of its state is in memory. */
export function createOperator(step: CompiledStep, overflow?: Overflow): Operator {
  if (step.op === 'join') return new IntervalJoin(step, overflow);
  if (step.op === 'process') return new KeyedProcess(step, overflow);
  if (step.op === 'top') return new TopRows(step);
  if (step.op === 'running') return new RunningAggregate(step, overflow);
  if (step.op === 'select') return new SelectedRows(step);
  const { window } = step.plan;
  if (isOrdered(window)) return new OrderedAggregate(step, window, overflow);
  return isAligned(window)
    ? new WindowedAggregate(step, window, overflow)
    : new SessionAggregate(step, window, overflow);
}

/** What a save is: all of the state, or what has changed since the save before. */
export type SaveKind = 'base' | 'delta';

/** A save that has begun. */
export interface Save {
  readonly kind: SaveKind;
  /** No other save of the stage has it. */
  readonly number: number;
  /** The log up to P, which with the entries makes up all of the stage, as it was when the save began. */
  readonly log: Checkpoint;
  /** Made as they are asked for. */
  readonly entries: Iterable<StateEntry>;
}

/** A slot that has put no rows yet. */
const unheard: RowProgress = { toldMs: null, toldAt: logStart, madeAt: logStart };

/** Behind a step's name, which has no such character: the rows that wait in its outlet. */
const outletSuffix = '/outlet';

/** The step that an entry is of, or of its outlet. */
export function stepOf(id: string): string {
  return id.endsWith(outletSuffix) ? id.slice(0, -outletSuffix.length) : id;
}

/** Some of what a save holds: entries of the steps' operators and, in its first part, the log up to P. */
export interface StatePart {
  readonly log?: Checkpoint;
  readonly entries: readonly StateEntry[];
}

export type StateEntry = readonly [step: string, entry: Json];

export interface StageOptions {
  /** Without it all state is in memory. */
  readonly overflow?: Overflow | undefined;
  /** Of what the rows of steps are put in that are a stream again. */
  readonly chunkLimits?: ChunkLimits | undefined;
  /** Of what a block closes or shows: looked at in one go. */
  readonly keysAtOnceMax?: number | undefined;
}

/** The window stage of one slot: block by block, with its state, which is always exactly at P (rule 15), at hand. */
export class MemoryStage implements Holder {
  reader: SlotReader;
  readonly #pipeline: CompiledPipeline;
  readonly #overflow: Overflow | undefined;
  readonly #operators = new Map<CompiledStep, Operator>();
  readonly #outlets = new Map<CompiledStep, Outlet>();
  /** The steps whose rows are a stream again. */
  readonly #origins = new Map<CompiledStep, RowOrigin>();
  readonly #keysAtOnceMax: number | undefined;
  #emission: Emission;
  /** Rows since then that went somewhere else. */
  #handedOnCount = 0;
  /** What was taken last: it may have more to show, which is made from the state. */
  #taken = createEmission();
  #saveCount = 0;
  #saving: SaveKind | undefined;
  /** How the last base has ended, if the operators do not know yet. */
  #endedBase: { readonly isStored: boolean } | undefined;
  #mustSaveAll = false;
  /** What each outlet had when the save began. */
  #outletMarks: readonly (readonly [Outlet, OutletMark | undefined])[] = [];

  /** Before every block; `restore` takes it further. */
  constructor(
    pipeline: CompiledPipeline,
    slot: number,
    { overflow, chunkLimits: limits = chunkLimits, keysAtOnceMax }: StageOptions = {},
  ) {
    this.#pipeline = pipeline;
    this.#overflow = overflow;
    this.#keysAtOnceMax = keysAtOnceMax;
    this.#emission = createEmission(keysAtOnceMax);
    this.reader = new SlotReader(pipeline, 'window', slot, undefined);
    for (const step of pipeline.steps) {
      if (step.stage !== 'window') continue;
      this.#operators.set(step, createOperator(step, overflow));
      this.#outlets.set(step, new Outlet(step));
    }
    for (const source of pipeline.rowSources.values())
      this.#origins.set(source.step, new RowOrigin(pipeline, source, slot, limits));
    overflow?.add(this);
  }

  /** Applies one block: its outputs first, then what its watermark closes. False: it was applied before. */
  apply(placed: PlacedBlock): boolean {
    this.#prepare();
    let addedCount = 0;
    const applied = this.reader.apply(placed, (step, output) => {
      addedCount += 1;
      return this.#operators.get(step)?.add(output) ?? false;
    });
    if (!applied) return false;
    this.#makeRoom(addedCount);
    const context = { slot: this.reader.slot, position: placed.position, clockMs: this.reader.log.clockMs };
    for (const [step, operator] of this.#operators) {
      const takesRows = this.#outletOf(step).takesRows || this.#origins.has(step);
      const emission = takesRows ? createEmission(this.#keysAtOnceMax) : this.#emission;
      operator.advance(this.reader.log.watermarkOfStep(step), context, emission);
      operator.refresh(context, emission);
      if (takesRows) this.#emission.rest.push(this.#handOn(step, context, emission, this.#emission));
    }
    emitRest(this.#emission);
    this.#noteFailures(this.#emission);
    return true;
  }

  /** Files, streams and other steps want all rows of a block in their order: these are given on when all are made. */
  *#handOn(step: CompiledStep, context: EmissionContext, made: Emission, into: Emission): Generator<number> {
    for (const steps of made.rest) yield* steps;
    const watermarkMs = this.reader.log.watermarkOfStep(step);
    const count = made.rows.length;
    const wanted = step.op === 'running' ? made.changes : made.rows.filter((row) => row.final);
    const rowOrigin = this.#origins.get(step);
    const totals = made.totals.filter((total) => total.final);
    rowOrigin?.take(context.position, wanted.sort(compareRows), watermarkOfRows(step, watermarkMs), totals);
    // Without a table, only those who rank the rows ask for them.
    if (step.sinks.table === undefined) made.totals.length = 0;
    this.#outletOf(step).take(made, watermarkMs, context);
    append(into, made);
    this.#handedOnCount += count - made.rows.length;
  }

  /** Before what was shown is written, so that no save is without them. */
  #noteFailures({ failures }: Emission): void {
    for (const failure of failures.splice(0)) this.reader.fail(failure);
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
    this.#prepare();
    if (position > this.reader.log.position) this.reader.log.position = position;
  }

  /** Whether it must be taken, and shown to its end, before anything else. */
  get hasMoreToShow(): boolean {
    return this.#emission.rest.length > 0;
  }

  /** What was emitted since the last call. Before the next block it must be shown to its end, with `showMore`. */
  takeEmission(): Emission {
    this.#taken = this.#emission;
    this.#emission = createEmission(this.#keysAtOnceMax);
    this.#handedOnCount = 0;
    return this.#taken;
  }

  /** Puts the next part of what was taken in the place of what was shown; false when there was none. */
  showMore(): boolean {
    const isMore = emitMore(this.#taken);
    this.#noteFailures(this.#taken);
    this.#handedOnCount = 0;
    return isMore;
  }

  /** Nothing that could be told as changes of what is stored: the next save is a base. */
  get mustSaveAll(): boolean {
    return this.#mustSaveAll;
  }

  /** Rows that were emitted since then, wherever they go. */
  get emittedCount(): number {
    return this.#emission.rows.length + this.#handedOnCount;
  }

  /**
   * Begins a save, however long its entries take to be stored. While a base is stored the state goes on; while a delta is, it stands still.
   * One save at a time.
   */
  beginSave(kind: SaveKind): Save {
    assert(this.#saving === undefined, `slot ${this.reader.slot} is saved once at a time`);
    this.#prepare();
    this.#saving = kind;
    this.#saveCount += 1;
    // Made now: a base is of this moment.
    const states = [...this.#operators].map(([{ plan }, operator]) => ({
      id: plan.id,
      entries: kind === 'base' ? operator.save() : operator.saveChanges(),
    }));
    for (const [{ plan }, outlet] of this.#outlets)
      states.push({ id: `${plan.id}${outletSuffix}`, entries: [...outlet.save(kind)] });
    this.#outletMarks = [...this.#outlets.values()].map((outlet) => [outlet, outlet.mark] as const);
    function* entries(): Iterable<StateEntry> {
      for (const state of states) for (const entry of state.entries) yield [state.id, entry];
    }
    return { kind, number: this.#saveCount, log: this.checkpoint(), entries: entries() };
  }

  /** `isStored`: what was saved can be restored from now on. After a base that is not, changes count from the save before it. */
  endSave(isStored: boolean): void {
    if (this.#saving === 'base') {
      this.#endedBase = { isStored };
      if (isStored) this.#mustSaveAll = false;
    } else if (isStored) {
      for (const operator of this.#operators.values()) operator.markSaved();
    }
    if (isStored) for (const [outlet, mark] of this.#outletMarks) outlet.markSaved(mark);
    this.#saving = undefined;
  }

  /** The log up to P, which with the operators' state makes up all of the stage. */
  checkpoint(): Checkpoint {
    return {
      version: 1,
      plan: this.#pipeline.planHash,
      slots: this.#pipeline.slots,
      ...this.reader.log.save(),
      counts: { ...this.reader.counts },
      ...(this.#origins.size === 0 ? {} : { rows: this.#rowProgress() }),
      steps: Object.fromEntries(
        [...this.#operators.keys()].map((step) => [
          step.plan.id,
          {
            ...this.reader.savedProgressOf(step),
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
      for (const [step, origin] of this.#origins) {
        const { toldMs, toldAt, madeAt } = log.rows?.[step.plan.id] ?? unheard;
        origin.toldMs = toldMs ?? Number.NEGATIVE_INFINITY;
        origin.toldAt = toldAt;
        origin.madeAt = madeAt;
      }
    }
    for (const [id, entry] of entries) {
      // What is not of a step that goes on was named as a loss.
      if (this.reader.progressOf(stepOf(id)) !== undefined) this.#holderOf(id).restore(entry);
    }
    this.#makeRoom(entries.length * keysPerEntry);
  }

  /** The restored state is whole, and stored as it is. */
  endRestore(): void {
    for (const operator of this.#operators.values()) if (!operator.endRestore()) this.#mustSaveAll = true;
    for (const outlet of this.#outlets.values()) outlet.markSaved(outlet.mark);
  }

  /** Goes no further. */
  close(): void {
    this.#overflow?.remove(this);
    for (const operator of this.#operators.values()) operator.close();
  }

  get bytesHeld(): number {
    return this.#isReadFrom ? 0 : this.#sum((operator) => operator.bytesHeld);
  }

  get bytesLeaving(): number {
    return this.#isReadFrom ? 0 : this.#sum((operator) => operator.bytesLeaving);
  }

  spill(): void {
    let largest: Operator | undefined;
    for (const operator of this.#operators.values())
      if (largest === undefined || operator.bytesHeld > largest.bytesHeld) largest = operator;
    largest?.spill();
  }

  work(entryCount: number): void {
    if (this.#isReadFrom) return;
    for (const operator of this.#operators.values()) operator.work(entryCount);
  }

  get keyCount(): number {
    return this.#sum((operator) => operator.keyCount);
  }

  get openCount(): number {
    return this.#sum((operator) => operator.openCount);
  }

  /** A delta or rows are being made from the state, between two answers of the outside world. */
  get #isReadFrom(): boolean {
    return this.#saving === 'delta' || this.hasMoreToShow || this.#taken.rest.length > 0;
  }

  /** Before the state changes. */
  #prepare(): void {
    assert(!this.#isReadFrom, `slot ${this.reader.slot} stands still while a delta is stored or rows are made of it`);
    if (this.#endedBase === undefined) return;
    const { isStored } = this.#endedBase;
    this.#endedBase = undefined;
    for (const operator of this.#operators.values()) operator.endSave(isStored);
  }

  #makeRoom(addedCount: number): void {
    if (this.#overflow === undefined) return;
    // What fills memory is written faster than it came, with what is merged on the disk.
    this.work(addedCount * entriesPerRecord);
    this.#overflow.relieve(addedCount);
  }

  #rowProgress(): Readonly<Record<string, RowProgress>> {
    return Object.fromEntries(
      [...this.#origins].map(([step, { toldMs, toldAt, madeAt }]) => [
        step.plan.id,
        { toldMs: Number.isFinite(toldMs) ? toldMs : null, toldAt, madeAt },
      ]),
    );
  }

  #outletOf(step: CompiledStep): Outlet {
    return this.#outlets.get(step) as Outlet;
  }

  #holderOf(id: string): Operator | Outlet {
    for (const [step, operator] of this.#operators) if (step.plan.id === id) return operator;
    for (const [step, outlet] of this.#outlets) if (`${step.plan.id}${outletSuffix}` === id) return outlet;
    throw new Error(`Bug in Millrace: state of plan ${this.#pipeline.planHash} is of its steps, and ${id} is none`);
  }

  #sum(of: (operator: Operator) => number): number {
    let sum = 0;
    for (const operator of this.#operators.values()) sum += of(operator);
    return sum;
  }
}

/** Each record adds a key to memory at most. The merges of a run take as much again for each power that the state has grown by. */
const entriesPerRecord = 4;

function append(into: Emission, from: Emission): void {
  for (const row of from.rows) into.rows.push(row);
  for (const total of from.totals) into.totals.push(total);
  for (const file of from.files) into.files.push(file);
  for (const batch of from.batches) into.batches.push(batch);
  for (const failure of from.failures) into.failures.push(failure);
}
