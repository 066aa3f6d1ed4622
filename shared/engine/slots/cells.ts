import type { CompiledAggregate, CompiledPipeline, CompiledSelect } from '#shared/engine/compile/compile.ts';
import { groupOf } from '#shared/engine/keys/key.ts';
import {
  type Accumulators,
  addToTotal,
  addValues,
  createAccumulators,
  decodeAccumulators,
  encodeAccumulators,
} from '#shared/engine/operators/accumulate.ts';
import {
  createEmission,
  type Emission,
  type EmissionContext,
  emitRow,
  emitTotal,
  isRefreshDue,
} from '#shared/engine/operators/emit.ts';
import { SelectedRows } from '#shared/engine/operators/select.ts';
import { closesAtMs, gridOf, type WindowGrid } from '#shared/engine/operators/window.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { identityOf, nameOfLoss } from '#shared/pipeline/contract.ts';
import { isAligned } from '#shared/pipeline/window.ts';
import { assert, MillraceError } from '#shared/schemas/error.ts';
import type { LogPosition } from '#shared/schemas/position.ts';
import { logStart } from '#shared/schemas/position.ts';
import { type CellId, type Checkpoint, type StepProgress, type StoredCell, totalGroup } from '#shared/schemas/state.ts';
import { type NewOutput, type PlacedBlock, SlotReader } from './slot.ts';

/** What the aggregate stage wants written, in this order: cells, letters, totals, rows, marks, and last the checkpoint. */
export interface CellEffects {
  readonly cells: readonly {
    readonly cell: StoredCell;
    readonly read: LogPosition | undefined;
    readonly expiresMs: number;
  }[];
  readonly emission: Emission;
  readonly checkpoint: Checkpoint;
}

/**
 * The aggregate stage of one slot for one batch. State lives in cells, one a key group and window, which the host loads and
 * stores. First the blocks are judged, which needs the checkpoint alone and says which cells are needed; then the cells are
 * brought up to date. Windows are whole here, not sliced: a cell that an interrupted attempt has written is ahead of the
 * checkpoint, and a slice that is ahead would give its records to windows that were closed before they came.
 */
export class CellStage {
  readonly reader: SlotReader;
  readonly #pipeline: CompiledPipeline;
  readonly #steps = new Map<string, StepWork>();
  readonly #work = new Map<string, CellWork>();
  readonly #closed: { readonly step: CompiledAggregate; readonly paneMs: number }[] = [];
  /** The views of late records, and what they have to show. */
  readonly #late = new Map<CompiledSelect, SelectedRows>();
  readonly #lateRows = createEmission();
  /** Panes that the checkpoint does not know: everything that they hold is in the blocks of this batch. */
  readonly #opened = new Set<string>();

  constructor(pipeline: CompiledPipeline, slot: number, checkpoint: Checkpoint | undefined) {
    this.#pipeline = pipeline;
    this.reader = new SlotReader(pipeline, 'aggregate', slot, checkpoint);
    for (const step of pipeline.steps) {
      if (step.stage !== 'aggregate' || step.op !== 'aggregate') continue;
      const saved = this.reader.progressOf(step.plan.id);
      const { window } = step.plan;
      assert(isAligned(window), 'placement refuses windows that keys do not share on Lambda');
      this.#steps.set(step.plan.id, {
        step,
        grid: gridOf(window),
        since: this.reader.sinceOf(step.plan.id),
        open: new Set(saved?.open),
        emittedMs: saved?.emittedMs ?? 0,
        pending: new Set(saved?.pending),
      });
    }
  }

  /** Judges one block: what of it is new, what is late, and which windows close behind it. False: it was applied before. */
  judge(placed: PlacedBlock): boolean {
    const applied = this.reader.apply(placed, (step, output) => {
      if (step.op === 'select') return this.#show(step, output);
      assert(step.op === 'aggregate', 'placement keeps all other steps in the worker');
      return this.#add(step, output);
    });
    this.#showLate(placed);
    if (applied) for (const work of this.#steps.values()) this.#close(work);
    return applied;
  }

  /**
   * The cells that must be loaded before `finish`: single ones, and whole panes of windows that have closed. A pane that was opened and
   * closed by this batch is neither loaded nor stored: every attempt that gets so far makes it anew from the same blocks.
   */
  needed(): { readonly cells: readonly CellId[]; readonly panes: readonly Omit<CellId, 'group'>[] } {
    const closed = new Set(this.#closed.map(({ step, paneMs }) => paneName(step.plan.id, paneMs)));
    const panes = this.#closed
      .filter(({ step, paneMs }) => !this.#opened.has(paneName(step.plan.id, paneMs)))
      .map(({ step, paneMs }) => ({ step: step.plan.id, slot: this.reader.slot, paneMs }));
    const cells = new Map<string, CellId>();
    for (const [name, { id }] of this.#work) if (!closed.has(paneName(id.step, id.paneMs))) cells.set(name, id);
    for (const { step, emittedMs, pending } of this.#steps.values()) {
      if (!isRefreshDue(step, emittedMs, this.reader.log.clockMs)) continue;
      for (const name of pending) {
        const id = this.#cellOf(step, name);
        if (!closed.has(paneName(id.step, id.paneMs))) cells.set(cellName(id), id);
      }
    }
    return { cells: [...cells.values()], panes };
  }

  /** Brings the loaded cells up to date and says what is to be written. */
  finish(loaded: readonly StoredCell[]): CellEffects {
    const { log } = this.reader;
    const cells = new Map<string, Cell>();
    for (const stored of loaded) cells.set(cellName(stored.id), this.#decode(stored));
    for (const [name, work] of this.#work) {
      const cell = cells.get(name) ?? this.#create(work.id);
      cells.set(name, cell);
      this.#addAll(cell, work);
    }
    const emission = createEmission();
    emission.rows.push(...this.#lateRows.rows);
    for (const work of this.#steps.values()) {
      if (isRefreshDue(work.step, work.emittedMs, log.clockMs)) this.#refresh(work, cells, emission);
    }
    const byPane = groupByPane(cells.values());
    const passing = new Set<string>();
    for (const { step, paneMs } of this.#closed) {
      const pane = paneName(step.plan.id, paneMs);
      if (this.#opened.has(pane)) passing.add(pane);
      for (const cell of byPane.get(pane) ?? []) this.#emit(step, cell, true, 0, emission);
    }
    const kept = [...cells.values()].filter(({ id, changed }) => changed && !passing.has(paneName(id.step, id.paneMs)));
    return { cells: kept.map((cell) => this.#encode(cell)), emission, checkpoint: this.#checkpoint() };
  }

  #show(step: CompiledSelect, output: NewOutput): boolean {
    const rows = this.#late.get(step) ?? new SelectedRows(step);
    this.#late.set(step, rows);
    return rows.add(output);
  }

  /** The rows of late records have the place of their block, in whatever batch it is read. */
  #showLate({ position }: PlacedBlock): void {
    const context = { slot: this.reader.slot, position, clockMs: this.reader.log.clockMs };
    for (const rows of this.#late.values()) rows.advance(Number.NaN, context, this.#lateRows);
  }

  #add(step: CompiledAggregate, output: NewOutput): boolean {
    const { open, grid } = this.#stepWork(step);
    let counted = false;
    for (const paneMs of grid.namesAt(output.timeMs)) {
      if (output.watermarkMs >= closesAtMs(grid.rangeOf(paneMs).endMs, step.plan.allowedLatenessMs)) continue;
      counted = true;
      if (!open.has(paneMs)) {
        open.add(paneMs);
        this.#opened.add(paneName(step.plan.id, paneMs));
      }
      this.#note(step, paneMs, groupOf(output.key.text, this.#pipeline.groups), output);
      if (step.totals.length > 0) this.#note(step, paneMs, totalGroup, output);
    }
    return counted;
  }

  /** Rule 14: every cell that a block touches is emitted, even if the stored cell turns out to have the block already. */
  #note(step: CompiledAggregate, paneMs: number, group: number, output: NewOutput): void {
    const id = { step: step.plan.id, slot: this.reader.slot, paneMs, group };
    const name = cellName(id);
    let work = this.#work.get(name);
    if (work === undefined) {
      work = { id, step, adds: [] };
      this.#work.set(name, work);
    }
    work.adds.push({
      key: group === totalGroup ? '' : output.key.text,
      values: [...output.values],
      position: output.position,
      clockMs: this.reader.log.clockMs,
    });
    this.#stepWork(step).pending.add(`${paneMs}/${group}`);
  }

  #close(work: StepWork): void {
    const { allowedLatenessMs } = work.step.plan;
    // As its records are judged: of several sources the lowest.
    const watermarkMs = this.reader.log.watermarkOfStep(work.step);
    for (const paneMs of work.open) {
      if (watermarkMs < closesAtMs(work.grid.rangeOf(paneMs).endMs, allowedLatenessMs)) continue;
      work.open.delete(paneMs);
      this.#closed.push({ step: work.step, paneMs });
    }
  }

  #addAll(cell: Cell, work: CellWork): void {
    const read = cell.position;
    for (const { key, values, position, clockMs } of work.adds) {
      // Rule 12: what is at or below the cell's own position is in it already.
      if (position <= read) continue;
      let state = cell.keys.get(key);
      if (state === undefined) {
        state = { accumulators: createAccumulators(work.step), touchedMs: clockMs };
        cell.keys.set(key, state);
      }
      if (cell.id.group === totalGroup) addToTotal(work.step, state.accumulators, values);
      else addValues(work.step, state.accumulators, values);
      state.touchedMs = clockMs;
      cell.changed = true;
    }
    // Rule 12: P is the slot's last of the batch.
    if (cell.changed) cell.position = this.reader.log.position;
  }

  #refresh(work: StepWork, cells: ReadonlyMap<string, Cell>, emission: Emission): void {
    for (const name of work.pending) {
      const cell = cells.get(cellName(this.#cellOf(work.step, name)));
      if (cell !== undefined && work.open.has(cell.id.paneMs))
        this.#emit(work.step, cell, false, work.emittedMs, emission);
    }
    work.pending.clear();
    work.emittedMs = this.reader.log.clockMs;
  }

  #emit(step: CompiledAggregate, cell: Cell, final: boolean, sinceMs: number, emission: Emission): void {
    const window = this.#stepWork(step).grid.rangeOf(cell.id.paneMs);
    const context: EmissionContext = {
      slot: this.reader.slot,
      position: cell.position,
      clockMs: this.reader.log.clockMs,
    };
    for (const [key, state] of cell.keys) {
      if (state.touchedMs < sinceMs) continue;
      if (cell.id.group === totalGroup)
        emitTotal(emission, step, context, { window, final, accumulators: state.accumulators });
      else emitRow(emission, step, context, { key, window, final, accumulators: state.accumulators });
    }
  }

  #checkpoint(): Checkpoint {
    const steps: Record<string, StepProgress> = {};
    // Views of late records have numbers and no state.
    for (const step of this.#pipeline.steps)
      if (step.stage === 'aggregate' && step.op === 'select') steps[step.plan.id] = this.reader.savedProgressOf(step);
    for (const [name, { step, since, open, emittedMs, pending }] of this.#steps) {
      steps[name] = {
        ...this.reader.savedProgressOf(step),
        ...(since === logStart ? {} : { since }),
        open: [...open].sort((a, b) => a - b),
        emittedMs,
        pending: [...pending].filter((cell) => open.has(Number(cell.slice(0, cell.indexOf('/'))))),
      };
    }
    return {
      version: 1,
      plan: this.#pipeline.planHash,
      slots: this.#pipeline.slots,
      groups: this.#pipeline.groups,
      ...this.reader.log.save(),
      counts: { ...this.reader.counts },
      steps,
    };
  }

  #create(id: CellId): Cell {
    return { id, position: logStart, read: undefined, keys: new Map(), changed: false };
  }

  #decode(stored: StoredCell): Cell {
    const { step, since } = this.#stepWork(stored.id.step);
    const { made, keys } = decodeCell(stored.body);
    // The state of an earlier step of this name, whose loss was named, is not there; it is written over.
    if (stored.position <= since || this.#isLost(step, made))
      return { ...this.#create(stored.id), read: stored.position };
    return {
      id: stored.id,
      position: stored.position,
      read: stored.position,
      keys: new Map(
        keys.map(([key, touchedMs, encoded]) => [key, { touchedMs, accumulators: decodeAccumulators(step, encoded) }]),
      ),
      changed: false,
    };
  }

  #encode(cell: Cell): CellEffects['cells'][number] {
    const { step } = this.#stepWork(cell.id.step);
    const entries = [...cell.keys].map(([key, { touchedMs, accumulators }]) => [
      key,
      touchedMs,
      encodeAccumulators(step, accumulators),
    ]);
    return {
      cell: { id: cell.id, position: cell.position, body: JSON.stringify([identityOf(step.contract), ...entries]) },
      read: cell.read,
      expiresMs: this.reader.log.clockMs + cellKeptMs,
    };
  }

  /** A host of the plan from before may write its cell when the plan has changed, until it meets a checkpoint of the new one. */
  #isLost(step: CompiledAggregate, made: string | undefined): boolean {
    if (made === undefined || made === identityOf(step.contract)) return false;
    const { id } = step.plan;
    if ([...this.#pipeline.dropped].some((loss) => loss.startsWith(nameOfLoss(id, made)))) return true;
    throw new MillraceError(
      'STATE_WOULD_BE_LOST',
      `a state item of step ${id}, slot ${this.reader.slot}, was made by another plan of pipeline ${this.#pipeline.id}, in which the step's state has another form. If this host is the older one, end it; if not, allow the loss by its name: --drop-state ${id}.`,
    );
  }

  #stepWork(step: CompiledAggregate | string): StepWork {
    const name = typeof step === 'string' ? step : step.plan.id;
    const work = this.#steps.get(name);
    assert(work !== undefined, `step ${name} is placed on Lambda`);
    return work;
  }

  #cellOf(step: CompiledAggregate, pending: string): CellId {
    const at = pending.indexOf('/');
    return {
      step: step.plan.id,
      slot: this.reader.slot,
      paneMs: Number(pending.slice(0, at)),
      group: Number(pending.slice(at + 1)),
    };
  }
}

/** Longer than a stream may keep its records (365 days): while a record can come back, its cell is still there (rule 12). */
export const cellKeptMs = 400 * 86_400_000;

/** A cell's keys, with the identity of the contract by which they were made; none before there were contracts. */
export function decodeCell(body: string): {
  readonly made: string | undefined;
  readonly keys: readonly SavedCellKey[];
} {
  const [first, ...others] = JSON.parse(body) as readonly [string | SavedCellKey, ...SavedCellKey[]];
  if (typeof first === 'string') return { made: first, keys: others };
  return { made: undefined, keys: first === undefined ? [] : [first, ...others] };
}

export type SavedCellKey = readonly [key: string, touchedMs: number, encoded: Json];

interface StepWork {
  readonly step: CompiledAggregate;
  readonly grid: WindowGrid;
  /** Cells at or below this are of an earlier step of its name. */
  readonly since: LogPosition;
  readonly open: Set<number>;
  emittedMs: number;
  readonly pending: Set<string>;
}

interface CellWork {
  readonly id: CellId;
  readonly step: CompiledAggregate;
  readonly adds: {
    readonly key: string;
    readonly values: readonly unknown[];
    readonly position: LogPosition;
    readonly clockMs: number;
  }[];
}

interface Cell {
  readonly id: CellId;
  position: LogPosition;
  readonly read: LogPosition | undefined;
  readonly keys: Map<string, { readonly accumulators: Accumulators; touchedMs: number }>;
  changed: boolean;
}

function groupByPane(cells: Iterable<Cell>): ReadonlyMap<string, readonly Cell[]> {
  const panes = new Map<string, Cell[]>();
  for (const cell of cells) {
    const name = paneName(cell.id.step, cell.id.paneMs);
    const known = panes.get(name);
    if (known === undefined) panes.set(name, [cell]);
    else known.push(cell);
  }
  return panes;
}

function paneName(step: string, paneMs: number): string {
  return `${step}/${paneMs}`;
}

function cellName({ step, paneMs, group }: CellId): string {
  return `${step}/${paneMs}/${group}`;
}
