import type { CompiledRunning } from '#shared/engine/compile/compile.ts';
import { type Codec, readStored, type Stored } from '#shared/engine/state/layers.ts';
import type { Overflow } from '#shared/engine/state/overflow.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { canonicalJson } from '#shared/pipeline/plan-hash.ts';
import { changeColumn } from '#shared/pipeline/running.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { Row } from '#shared/schemas/row.ts';
import {
  type Accumulators,
  addValues,
  createAccumulators,
  decodeAccumulators,
  encodeAccumulators,
  resultsOf,
} from './accumulate.ts';
import { type Emission, type EmissionContext, expiryOf } from './emit.ts';
import { KeyedOperator } from './keyed-operator.ts';
import { perEntry, type StepInput } from './operator.ts';

type Columns = Readonly<Record<string, unknown>>;

interface Entry {
  /** Undefined when nothing is kept. */
  accumulators: Accumulators | undefined;
  newestMs: number;
  /** The row in the table is not of this state yet. */
  isPending: boolean;
}

/**
 * Aggregates over all records of each key: nothing closes, so nothing is late and no row is final. Rows are refreshed as records come. Where
 * others read it, each block gives the rows that it has changed, as they were and as they are.
 */
export class RunningAggregate extends KeyedOperator<Entry> {
  readonly #step: CompiledRunning;
  /** Keys whose rows are to be written again. */
  readonly #pending = new Set<string>();
  /** What the keys that the block at hand touches had before it; only where others read the changes. */
  readonly #before = new Map<string, Columns | undefined>();
  /** Not kept: a row may be written sooner. */
  #emittedMs = Number.NEGATIVE_INFINITY;

  constructor(step: CompiledRunning, overflow?: Overflow) {
    super({ codec: codecOf(step), overflow, bytesPerKey, gone });
    this.#step = step;
  }

  get openCount(): number {
    return this.keys.count;
  }

  add({ key: { text: key }, timeMs, values }: StepInput): boolean {
    const step = this.#step;
    const entry = this.keys.take(key);
    if (step.feeds && !this.#before.has(key))
      this.#before.set(key, entry.accumulators && resultsOf(step, entry.accumulators));
    entry.accumulators ??= createAccumulators(step);
    addValues(step, entry.accumulators, values);
    entry.newestMs = Math.max(entry.newestMs, timeMs);
    if (step.sinks.table !== undefined) {
      entry.isPending = true;
      this.#pending.add(key);
    }
    this.keys.noteChange(key);
    this.keys.noteSize(entry);
    return true;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    if (this.#before.size > 0) emission.rest.push(this.#emitChanges(context, emission));
    // Nothing follows that would bring the rows up to date.
    if (watermarkMs >= endOfStreamMs) emission.rest.push(this.#emitPending(context, emission));
  }

  refresh(context: EmissionContext, emission: Emission): void {
    if (context.clockMs < this.#emittedMs + this.#step.plan.refreshMs) return;
    this.#emittedMs = context.clockMs;
    if (this.#pending.size > 0) emission.rest.push(this.#emitPending(context, emission));
  }

  save(): Iterable<Json> {
    return saveEntries(this.keys.codec, this.keys.hold());
  }

  *saveChanges(): Iterable<Json> {
    for (const [, entries] of this.keys.changes()) yield* saveEntries(this.keys.codec, entries);
  }

  protected restoreEntry(saved: Json): void {
    for (const [key, encoded] of saved as unknown as readonly Saved[]) {
      const entry = this.keys.codec.decode(encoded);
      this.keys.set(key, entry);
      if (entry.isPending) this.#pending.add(key);
      else this.#pending.delete(key);
    }
  }

  *#emitPending(context: EmissionContext, emission: Emission): Generator<number> {
    for (const key of this.#pending) {
      const entry = this.keys.load(key);
      if (entry?.accumulators !== undefined) {
        entry.isPending = false;
        this.keys.noteChange(key);
        // A row has no time of its own: it is the same one for ever.
        emission.rows.push(this.#rowOf(key, 0, runningId, context, resultsOf(this.#step, entry.accumulators)));
      }
      if (this.keys.isCrowded) yield* this.keys.makeRoom();
      yield 1;
    }
    this.#pending.clear();
  }

  *#emitChanges(context: EmissionContext, emission: Emission): Generator<number> {
    for (const [key, before] of this.#before) {
      this.#emitChange(key, before, context, emission);
      yield 1;
    }
    this.#before.clear();
  }

  #emitChange(key: string, before: Columns | undefined, context: EmissionContext, emission: Emission): void {
    const entry = this.keys.read(key);
    if (entry?.accumulators === undefined) return;
    const after = resultsOf(this.#step, entry.accumulators);
    if (before !== undefined && canonicalJson(before as Json) === canonicalJson(after as Json)) return;
    const show = (columns: Columns, change: number): void => {
      // What was goes before what is.
      const id = change < 0 ? '0' : '1';
      const changed = { ...columns, [changeColumn]: change };
      emission.changes.push(this.#rowOf(key, entry.newestMs, id, context, changed));
    };
    if (before !== undefined) show(before, -1);
    show(after, 1);
  }

  #rowOf(key: string, timeMs: number, id: string, context: EmissionContext, columns: Columns): Row {
    return {
      view: this.#step.plan.id,
      key,
      windowStartMs: timeMs,
      windowEndMs: timeMs,
      id,
      final: false,
      position: context.position,
      columns,
      expiresMs: expiryOf(this.#step, context.clockMs),
    };
  }
}

/** Tells the row of a key from others of its time, of which there are none. */
const runningId = 'now';
/** Of the structures around what is kept. */
const bytesPerKey = 300;

function gone(): Entry {
  return { accumulators: undefined, newestMs: Number.MIN_SAFE_INTEGER, isPending: false };
}

function codecOf(step: CompiledRunning): Codec<Entry> {
  return {
    encode: ({ accumulators, newestMs, isPending }) =>
      accumulators === undefined ? null : [newestMs, isPending, encodeAccumulators(step, accumulators)],
    decode: (encoded) => {
      if (encoded === null) return gone();
      const [newestMs, isPending, accumulators] = encoded as unknown as readonly [number, boolean, Json];
      return { accumulators: decodeAccumulators(step, accumulators), newestMs, isPending };
    },
    isGone: ({ accumulators }) => accumulators === undefined,
  };
}

/** What `save` gave, with rows that are all to be written again. */
export function notShown(saved: Json): Json {
  return (saved as unknown as readonly Saved[]).map(([key, encoded]) => {
    if (encoded === null) return [key, null];
    const [newestMs, , accumulators] = encoded as readonly Json[];
    return [key, [newestMs as number, true, accumulators as Json]];
  });
}

function* saveEntries(
  codec: Codec<Entry>,
  entries: Iterable<readonly [key: string, stored: Stored<Entry> | undefined]>,
): Iterable<Json> {
  for (const some of perEntry(entries))
    yield some.map(([key, stored]) => [key, stored === undefined ? null : codec.encode(readStored(codec, stored))]);
}

type Saved = readonly [key: string, encoded: Json];
