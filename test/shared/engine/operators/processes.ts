import { expect } from 'vitest';
import { type CompiledProcess, compile } from '#shared/engine/compile/compile.ts';
import { KeyedProcess } from '#shared/engine/operators/process.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { milliseconds, type ProcessContext } from '#shared/pipeline/index.ts';
import { logStart } from '#shared/schemas/position.ts';
import type { Row } from '#shared/schemas/row.ts';
import { pipelineOf, readings, sink } from '../../readings.ts';
import { inputOf, keyAs, shownBy } from './operators.ts';

/** Behind everything. */
export const end = Number.MAX_SAFE_INTEGER;

export type State = readonly number[];
export type Context = ProcessContext<{ readonly key: string }, State, { readonly what: string }>;

export interface Functions {
  readonly ttl?: number;
  readonly onEvent?: (amount: number, context: Context) => void;
  readonly onTimer?: (timeMs: number, context: Context) => void;
}
export interface Shape extends Functions {
  readonly lateness?: number;
  /** The state of a key that has none. */
  readonly first?: State;
}

/** Without a function of its own, a step remembers the amounts and shows them. */
export const remember: Functions = {
  onEvent: (amount, { state, emit }) => {
    state.set([...state.get(), amount]);
    emit({ what: state.get().join(' ') });
  },
};

function stepOf({ lateness = 0, ttl = 100, first = [], onEvent, onTimer }: Shape): CompiledProcess {
  const output = readings()
    .keyBy((reading) => ({ key: reading.key }))
    .process('step', {
      columns: { amount: (reading) => reading.amount },
      emits: { what: 'string' },
      state: (): State => first,
      onEvent: ({ amount }, context) => onEvent?.(amount, context),
      ...(onTimer === undefined ? {} : { onTimer }),
      ttl: milliseconds(ttl),
      allowedLateness: milliseconds(lateness),
    })
    .to(sink);
  const [step] = compile(pipelineOf([output])).steps;
  return step as CompiledProcess;
}

/** A step with a watermark that the test moves. Each record's amount is its position. */
export class TestProcess {
  readonly #step: CompiledProcess;
  operator: KeyedProcess;
  readonly rows: Row[] = [];
  #watermarkMs = Number.NEGATIVE_INFINITY;
  #chain: readonly (readonly Json[])[] = [];

  constructor(shape: Shape = remember) {
    this.#step = stepOf(shape);
    this.operator = new KeyedProcess(this.#step);
  }

  /** False: it was late. */
  add(timeMs: number, amount: number, key = 'k'): boolean {
    const [{ route, inputs }] = this.#step.inputs as [CompiledProcess['inputs'][number]];
    const values: unknown[] = [];
    for (const input of inputs) values[input] = amount;
    const from = { route, origin: 'shard', sequence: String(amount), sub: 0 };
    return this.operator.add(
      inputOf({ key: keyAs(`key=${key}`), timeMs, values, watermarkMs: this.#watermarkMs, ...from }),
    );
  }

  /** Moves the watermark and gives what happened as `key time: what`, and what threw as `time! message`. */
  advance(watermarkMs: number, clockMs = 0): readonly string[] {
    this.#watermarkMs = Math.max(this.#watermarkMs, watermarkMs);
    const context = { slot: 0, position: logStart, clockMs };
    const emission = shownBy((into) => this.operator.advance(this.#watermarkMs, context, into));
    this.rows.push(...emission.rows);
    return [
      ...emission.rows.map(({ key, windowStartMs, columns }) => `${key.slice(4)} ${windowStartMs}: ${columns['what']}`),
      ...emission.failures.map(({ timeMs, message, sequence }) => `${timeMs}! ${sequence} ${message}`),
    ];
  }

  /** As in the tests of the other operators: a base or a delta, and every other time what the chain restores goes on. */
  restart(deltasMax = 0): void {
    const isDelta = this.#chain.length > 0 && this.#chain.length <= deltasMax;
    const entries = isDelta ? this.operator.saveChanges() : this.operator.save();
    const saved = JSON.parse(JSON.stringify([...entries])) as readonly Json[];
    this.#chain = isDelta ? [...this.#chain, saved] : [saved];
    if (!isDelta) this.operator.endSave(true);
    const restored = new KeyedProcess(this.#step);
    for (const entry of this.#chain.flat()) restored.restore(entry);
    restored.endRestore();
    expect([restored.keyCount, restored.openCount]).toEqual([this.operator.keyCount, this.operator.openCount]);
    if (this.#chain.length % 2 === 1) this.operator = restored;
    this.operator.markSaved();
  }
}
