import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { ProcessPlan } from '#shared/pipeline/plan.ts';
import type { AnyProcessContext, ProcessCallbacks } from '#shared/pipeline/process.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { compareTuples, isJson, selectorsOf } from './join-oracle.ts';
import type { Evaluation, OracleOutput } from './oracle.ts';

/** What a process step makes of all records at once. */
export interface Processed {
  readonly rows: readonly PrintedRow[];
  /** Each call that threw: the output's id and, for a timer that it led to, ` at ` and its time. */
  readonly threw: readonly string[];
}

/** A record as the step sees it. */
interface Seen extends OracleOutput {
  readonly input: number;
  /** By selector. */
  readonly selected: Readonly<Record<string, unknown>>;
  /** Sorts records of one time. */
  readonly text: string;
}

type Emitted = readonly [key: string, timeMs: number, row: Readonly<Record<string, unknown>>];

/** Every key by itself, its records in the order of event time. Nothing that is late takes part. */
export function processedRowsOf(
  pipeline: Pipeline,
  step: ProcessPlan,
  evaluation: Evaluation,
  late: ReadonlySet<string>,
): Processed {
  const byKey = new Map<string, Seen[]>();
  for (const output of evaluation.outputs.values()) {
    const input = step.inputs.findIndex((one) => one.input === output.route);
    if (input === -1 || late.has(output.id)) continue;
    const selected: Record<string, unknown> = {};
    for (const [name, select] of Object.entries(selectorsOf(pipeline, step, output.route)))
      selected[name] = select(output.value);
    const seen = { ...output, input, selected, text: canonical(Object.values(selected)) };
    byKey.set(output.key, [...(byKey.get(output.key) ?? []), seen]);
  }
  const emitted: Emitted[] = [];
  const threw: string[] = [];
  for (const records of byKey.values()) {
    records.sort((a, b) => a.timeMs - b.timeMs || compareTuples([a.input, a.text, a.id], [b.input, b.text, b.id]));
    const { does } = step;
    if (does.kind === 'dedupe') emitted.push(...firstsOf(records, does.withinMs));
    else if (does.kind === 'table-join') emitted.push(...versionedOf(step, records, does.join));
    else new NaiveProcess(pipeline, step, emitted, threw).run(records);
  }
  const rows = emitted.map(([key, timeMs, columns]) => {
    const row: Record<string, unknown> = { view: step.id, final: true, ...decodeKey(key), time: isoOf(timeMs) };
    for (const name of Object.keys(step.row)) row[name] = columns[name];
    return { order: [timeMs, key, JSON.stringify(row)] as const, row };
  });
  return {
    rows: rows.sort((a, b) => compareTuples(a.order, b.order)).map(({ row }) => row as unknown as PrintedRow),
    threw,
  };
}

/** Those that no record which passed stands before, within the time. */
function firstsOf(records: readonly Seen[], withinMs: number): readonly Emitted[] {
  const passed: Seen[] = [];
  for (const record of records)
    if (!passed.some(({ timeMs }) => record.timeMs - timeMs <= withinMs)) passed.push(record);
  return passed.map(({ key, timeMs, selected }) => [key, timeMs, selected]);
}

/** Each record with the last version at or before its time, unless that was a deletion or has outlived its key. */
function versionedOf(step: ProcessPlan, records: readonly Seen[], join: 'inner' | 'left'): readonly Emitted[] {
  const [versions, others] = [0, 1].map((input) => records.filter((record) => record.input === input));
  const times = records.map(({ timeMs }) => timeMs);
  const isKept = (fromMs: number, toMs: number): boolean => {
    const between = times.filter((timeMs) => timeMs >= fromMs && timeMs <= toMs);
    return between.every((timeMs, at) => timeMs - (between[at - 1] ?? timeMs) <= (step.ttlMs ?? Infinity));
  };
  return (others ?? []).flatMap(({ key, timeMs, selected }): readonly Emitted[] => {
    const last = versions?.findLast((version) => version.timeMs <= timeMs);
    const isValid = last !== undefined && last.selected['#deleted'] !== true && isKept(last.timeMs, timeMs);
    if (!isValid && join === 'inner') return [];
    const nulls = Object.fromEntries(Object.keys(step.row).map((name) => [name, null]));
    const version = isValid ? { ...last.selected, tableTime: isoOf(last.timeMs) } : {};
    return [[key, timeMs, { ...nulls, ...version, ...selected }]];
  });
}

/** A key's function, with everything that it keeps in plain sight. */
class NaiveProcess {
  readonly #callbacks: ProcessCallbacks;
  readonly #step: ProcessPlan;
  readonly #emitted: Emitted[];
  readonly #threw: string[];
  #state: string | undefined;
  /** By time, the record that led to it. */
  #timers = new Map<number, Seen>();
  #lastMs = 0;

  constructor(pipeline: Pipeline, step: ProcessPlan, emitted: Emitted[], threw: string[]) {
    const binding = pipeline.bindings.get(step.id);
    if (binding?.op !== 'process') throw new Error(`the pipeline has no process step ${step.id}`);
    this.#callbacks = binding.callbacks;
    this.#step = step;
    this.#emitted = emitted;
    this.#threw = threw;
  }

  run(records: readonly Seen[]): void {
    for (const record of records) {
      this.#fireBefore(record.timeMs);
      const lastMs = this.#lastMs;
      this.#lastMs = record.timeMs;
      const values = Object.values(record.selected);
      const isDone = this.#call(record, record.timeMs, false, (context) =>
        this.#callbacks.onEvent(record.input, values, context),
      );
      if (isDone) continue;
      this.#lastMs = lastMs;
      this.#threw.push(record.id);
    }
    this.#fireBefore(Infinity);
  }

  /** The timers before a time, least first, while there is a state that they belong to. */
  #fireBefore(endMs: number): void {
    const expiryMs = this.#lastMs + (this.#step.ttlMs ?? Infinity);
    for (;;) {
      const timeMs = Math.min(...this.#timers.keys());
      if (timeMs >= endMs || timeMs > expiryMs) break;
      const by = this.#timers.get(timeMs) as Seen;
      this.#timers.delete(timeMs);
      const isDone = this.#call(by, timeMs, true, (context) => this.#callbacks.onTimer?.(context));
      if (!isDone) this.#threw.push(`${by.id} at ${timeMs}`);
    }
    if (expiryMs >= endMs) return;
    this.#state = undefined;
    this.#timers.clear();
  }

  /** False when it threw, and then nothing has changed. */
  #call(by: Seen, timeMs: number, isTimer: boolean, callback: (context: AnyProcessContext) => unknown): boolean {
    const before = [this.#state, new Map(this.#timers)] as const;
    const rows: Readonly<Record<string, unknown>>[] = [];
    const expiryMs = this.#lastMs + (this.#step.ttlMs ?? Infinity);
    try {
      callback({
        key: decodeKey(by.key),
        timeMs,
        state: {
          get: () => (this.#state === undefined ? this.#callbacks.initial() : JSON.parse(this.#state)),
          set: (state) => {
            this.#state = JSON.stringify(state);
          },
          clear: () => {
            this.#state = undefined;
          },
        },
        setTimer: (at) => {
          if (at <= timeMs || (!isTimer && at > expiryMs)) throw new Error('not a time for a timer');
          this.#timers.set(at, by);
        },
        deleteTimer: (at) => void this.#timers.delete(at),
        emit: (row) => {
          if (!this.#isRow(row)) throw new Error('not a row');
          rows.push(JSON.parse(JSON.stringify(row)));
        },
      });
    } catch {
      [this.#state, this.#timers] = before;
      return false;
    }
    for (const row of rows) this.#emitted.push([by.key, timeMs, row]);
    return true;
  }

  #isRow(row: Readonly<Record<string, unknown>>): boolean {
    const columns = Object.entries(this.#step.row);
    return (
      Object.keys(row).length === columns.length &&
      columns.every(([name, type]) => {
        const value = row[name];
        if (value === null) return type.startsWith('json') || type.endsWith('?');
        return isJson(value) && (type.startsWith('json') || type.startsWith(typeof value));
      })
    );
  }
}

/** JSON with the names of objects sorted. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

function isoOf(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
