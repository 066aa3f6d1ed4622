import { expect } from 'vitest';
import { type CompiledAggregate, compile } from '#shared/engine/compile/compile.ts';
import type { KeySpace, RecordKey } from '#shared/engine/keys/key.ts';
import { createEmission, type Emission, emitRest } from '#shared/engine/operators/emit.ts';
import type { Operator, StepInput } from '#shared/engine/operators/operator.ts';
import { createOperator } from '#shared/engine/slots/memory-stage.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { milliseconds, shareOfTotal, sum, type WindowSpec } from '#shared/pipeline/index.ts';
import { type CountWindow, isAligned } from '#shared/pipeline/window.ts';
import { logStart } from '#shared/schemas/position.ts';
import type { Row } from '#shared/schemas/row.ts';
import { amounts, amountsThatLeave, columns, pipelineOf, type Reading, readings, sink } from '../../readings.ts';

/** A step on the worker, with the amounts that each row holds. */
export function stepOf(
  window: WindowSpec,
  options: {
    readonly lateness?: number;
    readonly refresh?: number;
    readonly totals?: boolean;
    readonly leaves?: boolean;
  } = {},
): CompiledAggregate {
  const keyed = readings().keyBy((reading) => ({ key: reading.key }));
  const common = { allowedLateness: milliseconds(options.lateness ?? 0), placement: 'fargate' } as const;
  const windowed = !isAligned(window)
    ? keyed.window(window as CountWindow, common)
    : keyed.window(window, { ...common, refresh: milliseconds(options.refresh ?? 5) });
  const output =
    options.totals === true
      ? windowed
          .aggregate('step', { amounts, total: sum((reading: Reading) => reading.amount) })
          .derive({ share: shareOfTotal('total') })
          .to(sink)
      : windowed
          .aggregate('step', options.leaves === true ? { ...columns, amounts: amountsThatLeave } : columns)
          .to(sink);
  const [step] = compile(pipelineOf([output])).steps;
  return step as CompiledAggregate;
}

/** `key [start, end) amounts`, in the order of text. */
export function textsOf(rows: readonly Row[]): readonly string[] {
  return rows
    .map(
      (row) => `${row.key.slice('key='.length)} [${row.windowStartMs}, ${row.windowEndMs}) ${row.columns['amounts']}`,
    )
    .sort();
}

/** A key with a number that no other one has. */
export function keyAs(text: string): RecordKey {
  return { text, id: 0, space: {} };
}

/** A record from nowhere, before all watermarks, unless it is said otherwise. */
export function inputOf(input: Pick<StepInput, 'key' | 'timeMs' | 'values'> & Partial<StepInput>): StepInput {
  return {
    watermarkMs: Number.NEGATIVE_INFINITY,
    clockMs: 0,
    route: '',
    origin: '',
    sequence: '',
    sub: 0,
    ...input,
  };
}

/** All that an operator shows when it is asked to. */
export function shownBy(show: (emission: Emission) => void, emission = createEmission()): Emission {
  show(emission);
  while (emission.rest.length > 0) emitRest(emission);
  return emission;
}

/** An operator with a watermark and a clock that the test moves. */
export class TestOperator {
  readonly step: CompiledAggregate;
  operator: Operator;
  emission: Emission = createEmission();
  watermarkMs = Number.NEGATIVE_INFINITY;
  readonly #numberings: { readonly space: KeySpace; readonly ids: Map<string, number> }[] = [];
  #chain: readonly (readonly Json[])[] = [];

  constructor(step: CompiledAggregate) {
    this.step = step;
    this.operator = createOperator(step);
  }

  add(timeMs: number, amount: number, key = 'k', clockMs = 0): boolean {
    const values = this.step.aggregators.map((one) => one.select({ at: timeMs, key, amount }, timeMs));
    const row: unknown[] = [];
    // Values stand where the route's columns are.
    for (const [index, input] of this.step.inputs.entries()) row[input] = values[index];
    const { watermarkMs } = this;
    return this.operator.add(inputOf({ key: this.#keyOf(key, amount), timeMs, values: row, watermarkMs, clockMs }));
  }

  /** Keys come from two sides, some at a time, each of which numbers them as it likes, and anew from time to time. */
  #keyOf(key: string, amount: number): RecordKey {
    const side = Math.floor(amount / 6) % 2;
    let numbering = this.#numberings[side];
    if (numbering === undefined || amount % 9 === 0) {
      numbering = { space: { isOneToOne: side === 0 }, ids: new Map([[key, amount % 4]]) };
      this.#numberings[side] = numbering;
    }
    const { space, ids } = numbering;
    const id = ids.get(key) ?? ids.size + 3;
    ids.set(key, id);
    return { text: `key=${key}`, id, space };
  }

  /** Moves the watermark, and gives the rows that this made. */
  advance(watermarkMs: number): readonly string[] {
    this.watermarkMs = Math.max(this.watermarkMs, watermarkMs);
    const context = { slot: 0, position: logStart, clockMs: 0 };
    shownBy((emission) => this.operator.advance(this.watermarkMs, context, emission), this.emission);
    return textsOf(this.#take().rows);
  }

  refresh(clockMs: number): readonly string[] {
    shownBy((emission) => this.operator.refresh({ slot: 0, position: logStart, clockMs }, emission), this.emission);
    return textsOf(this.#take().rows);
  }

  /**
   * Saves the state as JSON, as a delta while the chain has fewer than `deltasMax`. Then goes on as what the chain restores or, every other
   * time of a chain, as it was: it must have noted what the next delta needs.
   */
  restart(deltasMax = 0): void {
    const isDelta = this.#chain.length > 0 && this.#chain.length <= deltasMax;
    const saved = jsonOf(isDelta ? this.operator.saveChanges() : this.operator.save());
    this.#chain = isDelta ? [...this.#chain, saved] : [saved];
    const restored = createOperator(this.step);
    for (const entry of this.#chain.flat()) restored.restore(entry);
    restored.endRestore();
    if (!isDelta) this.operator.endSave(true);
    const { keyCount, openCount } = this.operator;
    expect([restored.keyCount, restored.openCount]).toEqual([keyCount, openCount]);
    if (this.#chain.length % 2 === 1) this.operator = restored;
    this.operator.markSaved();
  }

  #take(): Emission {
    const { emission } = this;
    this.emission = createEmission();
    return emission;
  }
}

function jsonOf(entries: Iterable<Json>): readonly Json[] {
  return JSON.parse(JSON.stringify([...entries])) as readonly Json[];
}
