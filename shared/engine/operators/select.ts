import type { CompiledSelect } from '#shared/engine/compile/compile.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { type Emission, type EmissionContext, expiryOf } from './emit.ts';
import type { Operator, StepInput } from './operator.ts';

/**
 * A row of each record: there is nothing to keep. A record's row is told by its position, so an attempt that is repeated writes the same
 * rows, and no record is ever late: nothing has closed that it would belong to.
 */
export class SelectedRows implements Operator {
  readonly #step: CompiledSelect;
  /** Those of the block at hand. */
  #taken: {
    readonly key: string;
    readonly timeMs: number;
    readonly id: string;
    readonly columns: Readonly<Record<string, unknown>>;
  }[] = [];

  constructor(step: CompiledSelect) {
    this.#step = step;
  }

  readonly keyCount = 0;
  readonly openCount = 0;

  add({ key: { text: key }, timeMs, values, origin, sequence, sub }: StepInput): boolean {
    const columns = values[this.#step.input] as Readonly<Record<string, unknown>>;
    this.#taken.push({ key, timeMs, id: `${origin}/${sequence}/${sub}`, columns });
    return true;
  }

  advance(_watermarkMs: number, context: EmissionContext, emission: Emission): void {
    for (const { key, timeMs, id, columns } of this.#taken) {
      emission.rows.push({
        view: this.#step.plan.id,
        key,
        windowStartMs: timeMs,
        windowEndMs: timeMs,
        id,
        final: true,
        position: context.position,
        columns,
        expiresMs: expiryOf(this.#step, context.clockMs),
      });
    }
    this.#taken = [];
  }

  refresh(): void {
    // Every row is final when it is made.
  }

  save(): Iterable<Json> {
    return [];
  }

  saveChanges(): Iterable<Json> {
    return [];
  }

  endRestore(): boolean {
    return true;
  }

  // There is no state.
  readonly bytesHeld = 0;
  readonly bytesLeaving = 0;
  endSave(): void {}
  markSaved(): void {}
  restore(): void {}
  spill(): void {}
  work(): void {}
  close(): void {}
}
