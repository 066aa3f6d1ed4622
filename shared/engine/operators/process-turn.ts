import type { CompiledProcess } from '#shared/engine/compile/compile.ts';
import { messageOf } from '#shared/engine/decode/decode.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { refuseJson } from '#shared/pipeline/join.ts';
import { type AnyProcessContext, refuseRow, stateCharactersMax, timersMax } from '#shared/pipeline/process.ts';
import { isPromise } from '#shared/pipeline/refuse.ts';
import { decodeKey, type KeyColumns } from '#shared/schemas/key.ts';

/** What a process step keeps of a key between its records. */
export interface KeptOfKey {
  /** The event time of the last record that was taken. */
  lastMs: number;
  /** As JSON text: what was restored is what was kept, and nobody else holds a part of it. */
  state: string | undefined;
  /** In the order of their times. Never changed in place. */
  timers: readonly Timer[];
}

/** A call that is due: of a timer or, with values, of a record that waits for its turn. */
export interface Timer {
  readonly timeMs: number;
  /** Which of the step's inputs the record, or the one that led to the timer, came by. */
  readonly input: number;
  /** That record's position, by which a dead letter finds it: `origin/sequence/sub`. */
  readonly at: string;
}

export interface Waiting extends Timer {
  readonly values: readonly unknown[];
}

type Rows = readonly Readonly<Record<string, unknown>>[];

/** Calls the callbacks of a step, one at a time: all that one does happens when it returns, and nothing of it when it throws. */
export class ProcessTurn {
  /** What the last call has emitted. */
  rows: Rows = [];
  readonly #step: CompiledProcess;
  readonly #context: AnyProcessContext;
  #emitted: Readonly<Record<string, unknown>>[] = [];
  /** Undefined between two calls. */
  #kept: KeptOfKey | undefined;
  #keyText = '';
  #key: KeyColumns | undefined;
  /** What it is called for. */
  #by: Timer = { timeMs: 0, input: 0, at: '' };
  #isTimer = false;

  constructor(step: CompiledProcess) {
    this.#step = step;
    this.#context = this.#createContext();
  }

  /** Takes a record. Gives why it failed; then nothing has changed. */
  take(key: string, kept: KeptOfKey, record: Waiting): string | undefined {
    return this.#call(key, kept, record, false, () =>
      this.#step.callbacks.onEvent(record.input, record.values, this.#context),
    );
  }

  /** Fires a timer, which is off already. Gives why it failed; then nothing else has changed. */
  fire(key: string, kept: KeptOfKey, timer: Timer): string | undefined {
    return this.#call(key, kept, timer, true, () => this.#step.callbacks.onTimer?.(this.#context));
  }

  #call(key: string, kept: KeptOfKey, by: Timer, isTimer: boolean, callback: () => unknown): string | undefined {
    const { lastMs, state, timers } = kept;
    if (key !== this.#keyText) this.#key = undefined;
    this.#keyText = key;
    this.#kept = kept;
    this.#by = by;
    this.#isTimer = isTimer;
    this.#emitted = [];
    if (!isTimer) kept.lastMs = by.timeMs;
    try {
      // What a promise would do comes after the turn, when another key may have its own.
      if (isPromise(callback())) throw new Error('it returned a promise; callbacks are synchronous');
      this.rows = this.#emitted;
      return undefined;
    } catch (error) {
      kept.lastMs = lastMs;
      kept.state = state;
      kept.timers = timers;
      this.rows = [];
      return `${isTimer ? 'onTimer' : 'onEvent'} threw: ${messageOf(error)}`;
    } finally {
      this.#kept = undefined;
    }
  }

  #createContext(): AnyProcessContext {
    const self = this;
    return {
      get key() {
        self.#now();
        self.#key ??= Object.freeze(decodeKey(self.#keyText));
        return self.#key;
      },
      get timeMs() {
        return self.#by.timeMs;
      },
      state: {
        get: () => {
          const { state } = self.#now();
          // A copy of the first one too: it may be the same object for every key.
          return JSON.parse(state ?? encodeState(self.#step.callbacks.initial())) as Json;
        },
        set: (state) => {
          self.#now().state = encodeState(state);
        },
        clear: () => {
          self.#now().state = undefined;
        },
      },
      setTimer: (timeMs) => self.#setTimer(timeMs),
      deleteTimer: (timeMs) => {
        const kept = self.#now();
        kept.timers = kept.timers.filter((timer) => timer.timeMs !== timeMs);
      },
      emit: (row) => {
        self.#now();
        const refusal = refuseRow(row, self.#step.plan.row);
        if (refusal !== undefined) throw new Error(`the emitted row cannot be one: ${refusal}`);
        self.#emitted.push(JSON.parse(JSON.stringify(row)) as Readonly<Record<string, unknown>>);
      },
    };
  }

  /** What is kept of the key whose turn it is. */
  #now(): KeptOfKey {
    if (this.#kept === undefined) throw new Error('the context is of a callback that has returned');
    return this.#kept;
  }

  #setTimer(timeMs: number): void {
    const kept = this.#now();
    const { callbacks, plan } = this.#step;
    if (callbacks.onTimer === undefined) throw new Error('a timer was set, and there is no onTimer');
    if (!Number.isSafeInteger(timeMs) || timeMs <= this.#by.timeMs)
      throw new Error(
        `a timer was set for ${timeMs} ms; it must be a whole number after the event time, ${this.#by.timeMs}`,
      );
    const expiryMs = kept.lastMs + (plan.ttlMs ?? Number.POSITIVE_INFINITY);
    // One that a timer sets ends with the state: so what goes on from timer to timer comes to an end when the records do.
    if (timeMs > expiryMs && !this.#isTimer)
      throw new Error(
        `a timer was set for ${timeMs} ms, and the state is dropped at ${expiryMs} unless another record comes; raise ttl`,
      );
    const others = kept.timers.filter((timer) => timer.timeMs !== timeMs);
    if (others.length >= timersMax) throw new Error(`the key has ${timersMax} timers; no more are allowed`);
    const place = others.findIndex((timer) => timer.timeMs > timeMs);
    const timer = { timeMs, input: this.#by.input, at: this.#by.at };
    kept.timers = others.toSpliced(place === -1 ? others.length : place, 0, timer);
  }
}

function encodeState(state: Json): string {
  const text = JSON.stringify(state) as string | undefined;
  if (text === undefined) throw new Error('the state is nothing that JSON can hold; clear it instead');
  const mayMiss = true;
  const refusal = refuseJson(state, mayMiss);
  if (refusal !== undefined) throw new Error(`the state, or a part of it, ${refusal}`);
  if (text.length > stateCharactersMax)
    throw new Error(`the state has ${text.length} characters as JSON; at most ${stateCharactersMax} are allowed`);
  return text;
}
