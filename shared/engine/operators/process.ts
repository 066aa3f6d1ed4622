import type { CompiledProcess, ProcessInput } from '#shared/engine/compile/compile.ts';
import type { Overflow } from '#shared/engine/state/overflow.ts';
import { processTimeColumn } from '#shared/pipeline/process.ts';
import { toIso } from '#shared/schemas/time.ts';
import { type CallbackFailure, type Emission, type EmissionContext, expiryOf } from './emit.ts';
import { type KeptKind, KeysInOrder, type ScheduledEntry } from './keys-in-order.ts';
import type { StepInput } from './operator.ts';
import { type KeptOfKey, ProcessTurn, type Timer, type Waiting } from './process-turn.ts';
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

interface KeyEntry extends KeptOfKey, ScheduledEntry {
  /** In the order of event time. */
  waiting: Waiting[];
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
export class KeyedProcess extends KeysInOrder<KeyEntry, Kept> {
  readonly #step: CompiledProcess;
  readonly #turn: ProcessTurn;

  constructor(step: CompiledProcess, overflow?: Overflow) {
    super(kind, { allowedLatenessMs: step.plan.allowedLatenessMs, overflow });
    this.#step = step;
    this.#turn = new ProcessTurn(step);
  }

  /** Of what lies on the disk, one a key. */
  get openCount(): number {
    let count = this.keys.olderCount;
    for (const { waiting, timers } of this.keys.top.values()) count += waiting.length + timers.length;
    return count;
  }

  add({ key: { text: key }, timeMs, values, watermarkMs, route, origin, sequence, sub }: StepInput): boolean {
    const { plan, inputs } = this.#step;
    if (isClosed(timeMs + 1, plan.allowedLatenessMs, watermarkMs)) return false;
    const input = inputs.findIndex((one) => one.route === route);
    const selected = (inputs[input] as ProcessInput).inputs.map((place) => values[place]);
    const entry = this.keys.take(key);
    insertWaiting(entry.waiting, { timeMs, input, at: `${origin}/${sequence}/${sub}`, values: selected });
    this.noteWaiting(key, entry);
    return true;
  }

  refresh(): void {
    // Every row is final when it is made.
  }

  protected take(key: string, entry: KeyEntry, timeMs: number, context: EmissionContext, emission: Emission): void {
    this.#take(key, entry, timeMs, context, emission);
    // The time to live is event time: the slot's clock would drop the state of a key whose records come late in one run only.
    if (this.#expiryOf(entry) <= timeMs) {
      entry.state = undefined;
      entry.timers = [];
    }
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

  protected dueOf(entry: KeyEntry): number {
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
}

function createEntry(): KeyEntry {
  return { lastMs: Number.NEGATIVE_INFINITY, state: undefined, timers: [], waiting: [], scheduled: [] };
}

const kind: KeptKind<KeyEntry, Kept> = { create: createEntry, isEmpty, save: keptOf, restore: setKept };

function keptOf(entry: KeyEntry): Kept {
  return [
    Number.isFinite(entry.lastMs) ? entry.lastMs : null,
    entry.state ?? null,
    entry.timers.map(({ timeMs, input, at }) => [timeMs, input, at]),
    entry.waiting.map(({ timeMs, input, at, values }) => [timeMs, input, at, values]),
  ];
}

function setKept(entry: KeyEntry, kept: Kept | null): void {
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

/** What is saved of a key. */
type Kept = readonly [
  lastMs: number | null,
  state: string | null,
  timers: readonly (readonly [timeMs: number, input: number, at: string])[],
  waiting: readonly (readonly [timeMs: number, input: number, at: string, values: readonly unknown[]])[],
];
