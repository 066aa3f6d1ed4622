import type { Json } from '#shared/pipeline/aggregator.ts';
import { processTimeColumn } from '#shared/pipeline/process.ts';
import { assert } from '#shared/schemas/error.ts';
import { toIso } from '#shared/schemas/time.ts';
import type { CompiledProcess, ProcessInput } from './compile.ts';
import { type CallbackFailure, type Emission, type EmissionContext, expiryOf } from './emit.ts';
import { KeyedState } from './keyed-state.ts';
import { type Codec, readStored, type Stored } from './layers.ts';
import { type Operator, perEntry } from './operator.ts';
import type { Overflow } from './overflow.ts';
import { type KeptOfKey, ProcessTurn, type Timer, type Waiting } from './process-turn.ts';
import type { OutputOrigin } from './slot.ts';
import { Timers } from './timers.ts';
import { inOrder, insertWaiting, takeUntil } from './waiting.ts';
import { isClosed } from './window.ts';

/** One key at one time. */
interface Moment {
  readonly key: string;
  readonly timeMs: number;
  readonly context: EmissionContext;
  /** Where its rows begin among those of the emission. */
  readonly firstRow: number;
}

interface KeyEntry extends KeptOfKey {
  /** In the order of event time. */
  waiting: Waiting[];
  /** For when the heap has the key, the least last. One that comes too early is looked at and put back, so there are never many. */
  scheduled: number[];
}

/**
 * A function over the records of each key, with state and timers.
 *
 * The order of a slot's log is not that of event time, and differs from run to run. So records wait until the watermark, less the allowed
 * lateness, has passed them, and then are taken in the order of their event times; at one time by input, then by what they hold. What
 * the function does is therefore a function of the set of records that are not late.
 *
 *     lateness 5:   a record at 20 is late from 26 on, which is when those at 20 are taken, then the timers at 20
 */
export class KeyedProcess implements Operator {
  readonly #step: CompiledProcess;
  readonly #keys: KeyedState<KeyEntry>;
  /** When a key is to be looked at: each of these times is in the key's `scheduled`, and the key stays until they are over. */
  readonly #byDue: Timers;
  readonly #turn: ProcessTurn;
  #isRestoring = false;

  constructor(step: CompiledProcess, overflow?: Overflow) {
    this.#step = step;
    this.#keys = new KeyedState({ codec, overflow, isMerged: false, bytesPerKey });
    this.#byDue = new Timers(overflow);
    this.#turn = new ProcessTurn(step);
  }

  get keyCount(): number {
    let count = this.#keys.olderCount;
    for (const entry of this.#keys.top.values()) if (!isEmpty(entry)) count += 1;
    return count;
  }

  /** Of what lies on the disk, one a key. */
  get openCount(): number {
    let count = this.#keys.olderCount;
    for (const { waiting, timers } of this.#keys.top.values()) count += waiting.length + timers.length;
    return count;
  }

  add(
    key: string,
    _keyId: number,
    timeMs: number,
    values: readonly unknown[],
    watermarkMs: number,
    _clockMs: number,
    { route, origin, sequence, sub }: Readonly<OutputOrigin>,
  ): boolean {
    const { plan, inputs } = this.#step;
    if (isClosed(timeMs + 1, plan.allowedLatenessMs, watermarkMs)) return false;
    const input = inputs.findIndex((one) => one.route === route);
    const selected = (inputs[input] as ProcessInput).inputs.map((place) => values[place]);
    const entry = this.#entryOf(key);
    insertWaiting(entry.waiting, { timeMs, input, at: `${origin}/${sequence}/${sub}`, values: selected });
    this.#keys.noteChange(key);
    this.#keys.noteSize(entry);
    this.#schedule(key, entry);
    return true;
  }

  advance(watermarkMs: number, context: EmissionContext, emission: Emission): void {
    for (;;) {
      const next = this.#byDue.peek();
      if (next === undefined || !this.#isPassed(next.endMs, watermarkMs)) return;
      this.#byDue.pop();
      const entry = this.#keys.load(next.key);
      assert(entry?.scheduled.pop() === next.endMs, `key ${next.key} is scheduled for ${next.endMs}`);
      this.#proceed(next.key, entry, watermarkMs, context, emission);
    }
  }

  refresh(): void {
    // Every row is final when it is made.
  }

  save(): Iterable<Json> {
    return saveEntries(withState(this.#keys.hold(createEntry)));
  }

  endSave(isStored: boolean): void {
    this.#keys.endSave(isStored);
  }

  *saveChanges(): Iterable<Json> {
    for (const [, entries] of this.#keys.changes()) yield* saveEntries(entries);
  }

  markSaved(): void {
    this.#keys.markSaved();
  }

  restore(saved: Json): void {
    this.#isRestoring = true;
    for (const [key, kept] of saved as unknown as readonly SavedKey[]) {
      const entry = this.#entryOf(key);
      setKept(entry, kept);
      this.#schedule(key, entry);
      if (entry.scheduled.length === 0 && isEmpty(entry)) this.#keys.remove(key, createEntry);
    }
  }

  endRestore(): boolean {
    this.#isRestoring = false;
    this.#keys.endRestore();
    return true;
  }

  get bytesHeld(): number {
    return this.#keys.bytesHeld;
  }

  get bytesLeaving(): number {
    return this.#keys.bytesLeaving;
  }

  spill(): void {
    this.#keys.spill(createEntry, this.#isRestoring);
  }

  work(entryCount: number): void {
    this.#keys.work(entryCount);
  }

  close(): void {
    this.#keys.close();
    this.#byDue.close();
  }

  /** Does all that is due for a key, time by time. */
  #proceed(key: string, entry: KeyEntry, watermarkMs: number, context: EmissionContext, emission: Emission): void {
    for (;;) {
      const timeMs = this.#dueOf(entry);
      if (!this.#isPassed(timeMs, watermarkMs)) break;
      this.#keys.noteChange(key);
      this.#take(key, entry, timeMs, context, emission);
      // The time to live is event time: the slot's clock would drop the state of a key whose records come late in one run only.
      if (this.#expiryOf(entry) <= timeMs) {
        entry.state = undefined;
        entry.timers = [];
      }
    }
    this.#schedule(key, entry);
    if (entry.scheduled.length === 0 && isEmpty(entry)) this.#keys.remove(key, createEntry);
  }

  /** Takes the records of one time, then its timer. */
  #take(key: string, entry: KeyEntry, timeMs: number, context: EmissionContext, emission: Emission): void {
    const moment = { key, timeMs, context, firstRow: emission.rows.length };
    for (const record of inOrder(takeUntil(entry.waiting, timeMs)))
      this.#show(moment, record, this.#turn.take(key, entry, record), emission);
    const [timer, ...others] = entry.timers;
    if (timer?.timeMs !== timeMs) return;
    entry.timers = others;
    this.#show(moment, timer, this.#turn.fire(key, entry, timer), emission);
  }

  /** Shows what a turn has led to: its rows, or why there are none. */
  #show(moment: Moment, taken: Waiting | Timer, failure: string | undefined, emission: Emission): void {
    const { key, timeMs, context, firstRow } = moment;
    const { plan, inputs } = this.#step;
    if (failure !== undefined) {
      const isTimer = !('values' in taken);
      const from = { step: this.#step, ...positionOf(inputs[taken.input] as ProcessInput, taken.at) };
      emission.failures.push({ ...from, key, timeMs, isTimer, message: failure });
    }
    for (const row of this.#turn.rows) {
      emission.rows.push({
        view: plan.id,
        key,
        windowStartMs: timeMs,
        windowEndMs: timeMs,
        // All of a key and time is done at once, so its rows are told apart by their number.
        id: idOf(emission.rows.length - firstRow),
        final: true,
        position: context.position,
        columns: { [processTimeColumn]: toIso(timeMs), ...row },
        expiresMs: expiryOf(this.#step, context.clockMs),
      });
    }
  }

  #isPassed(timeMs: number, watermarkMs: number): boolean {
    return timeMs < Number.POSITIVE_INFINITY && isClosed(timeMs + 1, this.#step.plan.allowedLatenessMs, watermarkMs);
  }

  /** When something is to be done next. */
  #dueOf(entry: KeyEntry): number {
    return Math.min(
      entry.waiting[0]?.timeMs ?? Number.POSITIVE_INFINITY,
      entry.timers[0]?.timeMs ?? Number.POSITIVE_INFINITY,
      this.#expiryOf(entry),
    );
  }

  #expiryOf({ state, timers, lastMs }: KeptOfKey): number {
    return state === undefined && timers.length === 0
      ? Number.POSITIVE_INFINITY
      : lastMs + (this.#step.plan.ttlMs ?? Number.POSITIVE_INFINITY);
  }

  #schedule(key: string, entry: KeyEntry): void {
    const dueMs = this.#dueOf(entry);
    if (dueMs >= (entry.scheduled.at(-1) ?? Number.POSITIVE_INFINITY)) return;
    entry.scheduled.push(dueMs);
    this.#byDue.add(dueMs, key);
  }

  #entryOf(key: string): KeyEntry {
    let entry = this.#keys.load(key);
    if (entry === undefined) {
      entry = createEntry();
      this.#keys.set(key, entry);
    }
    return entry;
  }
}

/** Of the structures around what is kept. */
const bytesPerKey = 500;

function createEntry(): KeyEntry {
  return { lastMs: Number.NEGATIVE_INFINITY, state: undefined, timers: [], waiting: [], scheduled: [] };
}

const codec: Codec<KeyEntry> = {
  encode: (entry) => [keptOf(entry), entry.scheduled] as unknown as Json,
  decode: (encoded) => {
    const [kept, scheduled] = encoded as unknown as readonly [SavedKey[1], readonly number[]];
    const entry = createEntry();
    setKept(entry, kept);
    entry.scheduled = [...scheduled];
    return entry;
  },
  merge: () => {
    throw new Error('Bug in Millrace: what is kept of a key is of one part');
  },
  isGone: (entry) => isEmpty(entry) && entry.scheduled.length === 0,
};

function* withState(
  entries: Iterable<readonly [key: string, stored: Stored<KeyEntry>]>,
): Iterable<readonly [key: string, stored: Stored<KeyEntry>]> {
  for (const [key, stored] of entries) {
    const value = readStored(codec, stored);
    if (!isEmpty(value)) yield [key, { value }];
  }
}

function* saveEntries(entries: Iterable<readonly [key: string, stored: Stored<KeyEntry> | undefined]>): Iterable<Json> {
  for (const some of perEntry(entries))
    yield some.map(([key, stored]) => [
      key,
      stored === undefined ? null : keptOf(readStored(codec, stored)),
    ]) as unknown as Json;
}

function keptOf(entry: KeyEntry): SavedKey[1] {
  if (isEmpty(entry)) return null;
  return [
    Number.isFinite(entry.lastMs) ? entry.lastMs : null,
    entry.state ?? null,
    entry.timers.map(({ timeMs, input, at }) => [timeMs, input, at]),
    entry.waiting.map(({ timeMs, input, at, values }) => [timeMs, input, at, values]),
  ];
}

function setKept(entry: KeyEntry, kept: SavedKey[1]): void {
  const [lastMs, state, timers, waiting] = kept ?? [null, null, [], []];
  entry.lastMs = lastMs ?? Number.NEGATIVE_INFINITY;
  entry.state = state ?? undefined;
  entry.timers = timers.map(([timeMs, input, at]) => ({ timeMs, input, at }));
  entry.waiting = waiting.map(([timeMs, input, at, values]) => ({ timeMs, input, at, values }));
}

/** Nothing is kept of it. */
function isEmpty({ waiting, timers, state }: KeyEntry): boolean {
  return waiting.length === 0 && timers.length === 0 && state === undefined;
}

/** Of `origin/sequence/sub`, which begins with the source where there are several; a file's name may have slashes too. */
function positionOf(
  { sources }: ProcessInput,
  at: string,
): Pick<CallbackFailure, 'source' | 'origin' | 'sequence' | 'sub'> {
  const parts = at.split('/');
  const [sequence = '', sub] = parts.splice(-2);
  const source = (sources.length === 1 ? sources[0] : parts.shift()) as string;
  return { source, origin: parts.join('/'), sequence, sub: Number(sub) };
}

/** Sorts as text. */
function idOf(number: number): string {
  return String(number).padStart(6, '0');
}

/** All of a key; null when there is nothing any more. */
type SavedKey = readonly [
  key: string,
  kept:
    | readonly [
        lastMs: number | null,
        state: string | null,
        timers: readonly (readonly [timeMs: number, input: number, at: string])[],
        waiting: readonly (readonly [timeMs: number, input: number, at: string, values: readonly unknown[]])[],
      ]
    | null,
];
