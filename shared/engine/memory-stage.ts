import type { Json } from '#shared/pipeline/aggregator.ts';
import type { LogPosition } from '#shared/schemas/position.ts';
import type { Checkpoint } from '#shared/schemas/state.ts';
import { type Operator, WindowedAggregate } from './aggregate.ts';
import type { CompiledPipeline, CompiledStep } from './compile.ts';
import { createEmission, type Emission } from './emit.ts';
import { SessionAggregate } from './session.ts';
import { type PlacedBlock, SlotReader } from './slot.ts';

/** The operator of a step, empty or as it was saved. */
export function createOperator(step: CompiledStep, saved?: Json): Operator {
  const { window } = step.plan;
  return window.kind === 'session'
    ? new SessionAggregate(step, window, saved)
    : new WindowedAggregate(step, window, saved);
}

/** The window stage of one slot: block by block, with all state in memory, which is always exactly at P (rule 15). */
export class MemoryStage {
  readonly reader: SlotReader;
  readonly #pipeline: CompiledPipeline;
  readonly #operators = new Map<CompiledStep, Operator>();
  #emission = createEmission();

  constructor(
    pipeline: CompiledPipeline,
    slot: number,
    saved?: { readonly checkpoint: Checkpoint; readonly operators: string },
  ) {
    this.#pipeline = pipeline;
    this.reader = new SlotReader(pipeline, 'window', slot, saved?.checkpoint);
    const operators = saved === undefined ? {} : (JSON.parse(saved.operators) as Readonly<Record<string, Json>>);
    for (const step of pipeline.steps) {
      if (step.stage === 'window') this.#operators.set(step, createOperator(step, operators[step.plan.id]));
    }
  }

  /** Applies one block: its outputs first, then what its watermark closes. False: it was applied before. */
  apply(placed: PlacedBlock): boolean {
    const applied = this.reader.apply(
      placed,
      (step, output) =>
        this.#operators
          .get(step)
          ?.add(output.key, output.keyId, output.timeMs, output.values, output.watermarkMs, this.reader.log.clockMs) ??
        false,
    );
    if (!applied) return false;
    const context = { slot: this.reader.slot, position: placed.position, clockMs: this.reader.log.clockMs };
    for (const [step, operator] of this.#operators) {
      operator.advance(this.reader.log.watermarkOf(step.plan.source), context, this.#emission);
      operator.refresh(context, this.#emission);
    }
    return true;
  }

  /** The slot's shard has ended, and everything in it was applied: P moves behind its last block (rule 15). */
  endShard(position: LogPosition): void {
    if (position > this.reader.log.position) this.reader.log.position = position;
  }

  /** What was emitted since the last call. */
  takeEmission(): Emission {
    const emission = this.#emission;
    this.#emission = createEmission();
    return emission;
  }

  /** The operators' state, as JSON. */
  saveOperators(): string {
    return JSON.stringify(
      Object.fromEntries([...this.#operators].map(([step, operator]) => [step.plan.id, operator.save()])),
    );
  }

  checkpoint(snapshot: string): Checkpoint {
    return {
      version: 1,
      plan: this.#pipeline.planHash,
      slots: this.#pipeline.slots,
      ...this.reader.log.save(),
      counts: { ...this.reader.counts },
      steps: Object.fromEntries(
        [...this.#operators.keys()].map((step) => [
          step.plan.id,
          { ...this.reader.countsOf(step), open: [], emittedMs: 0, pending: [] },
        ]),
      ),
      snapshot,
    };
  }

  get keyCount(): number {
    return [...this.#operators.values()].reduce((sum, operator) => sum + operator.keyCount, 0);
  }

  get openCount(): number {
    return [...this.#operators.values()].reduce((sum, operator) => sum + operator.openCount, 0);
  }
}
