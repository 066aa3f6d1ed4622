import type { Random } from '#shared/testing/random.ts';

/** Something that runs and may be ended or held up between any two calls of a port: an invocation, or a worker. */
export interface Task {
  readonly name: string;
  /** `parked`: given up by whoever started it, though it is still alive and goes on later. */
  state: 'running' | 'parked' | 'dead' | 'done';
}

/** What befalls one call of a port. */
/** `hang`: it is never answered, and the caller lives on. */
export type CallFault = 'crash-before' | 'crash-after' | 'lost-response' | 'refused' | 'zombie' | 'hang';

interface Call {
  readonly task: Task;
  readonly name: string;
  readonly effect: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Runs when the clock has reached this. */
  readonly dueMs: number;
  readonly sleep: boolean;
}

/** A thing that may happen next, apart from the calls of tasks. */
export interface Choice {
  readonly weight: number;
  readonly act: () => void;
}

/**
 * Virtual time. A task runs until it calls a port; the call then waits here until the schedule's random numbers pick it. Nothing else
 * decides an order, so a seed is a history.
 */
export class Scheduler {
  nowMs: number;
  steps = 0;
  readonly #random: Random;
  readonly #stepMsMax: number;
  #calls: Call[] = [];
  /** Decides what befalls a call; gives undefined for nothing. */
  fault: (task: Task, call: string) => CallFault | undefined = () => undefined;
  /** What the fault raises in the caller. */
  failure: (call: string) => Error = (call) => new Error(call);
  onCrash: (task: Task) => void = () => undefined;
  onZombie: (task: Task) => void = () => undefined;
  trace: ((line: () => string) => void) | undefined;

  constructor(random: Random, options: { readonly startMs: number; readonly stepMsMax: number }) {
    this.#random = random;
    this.nowMs = options.startMs;
    this.#stepMsMax = options.stepMsMax;
  }

  /** A yield point: the effect happens when the schedule says so, or never. */
  call<T>(task: Task, name: string, effect: () => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (task.state === 'dead') return;
      this.#calls.push({
        task,
        name,
        effect,
        resolve: resolve as (value: unknown) => void,
        reject,
        dueMs: this.nowMs,
        sleep: false,
      });
    });
  }

  sleep(task: Task, ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (task.state === 'dead') return;
      this.#calls.push({
        task,
        name: 'sleep',
        effect: () => undefined,
        resolve: resolve as (value: unknown) => void,
        reject,
        dueMs: this.nowMs + ms,
        sleep: true,
      });
    });
  }

  /** Ends a task for good: none of its calls is answered any more. */
  kill(task: Task): void {
    task.state = 'dead';
    this.#calls = this.#calls.filter((call) => call.task !== task);
    this.onCrash(task);
  }

  /** Whether a task waits for anything that will be answered. */
  waits(task: Task): boolean {
    return this.#calls.some((call) => call.task === task);
  }

  /** Does one thing; false when there is nothing to do at all. */
  async step(choices: readonly Choice[]): Promise<boolean> {
    this.steps += 1;
    if (this.#stepMsMax > 0) this.nowMs += this.#random.below(this.#stepMsMax + 1);
    const ready = this.#calls.filter((call) => call.task.state !== 'parked' && call.dueMs <= this.nowMs);
    const sleeper = this.#firstSleeper();
    const sleeperWeight = sleeper === undefined ? 0 : ready.length === 0 ? 1 : 0.02;
    let weight = ready.length + sleeperWeight;
    for (const choice of choices) weight += choice.weight;
    if (weight === 0) return false;
    let at = this.#random.below(1_000_000) * weight * 0.000_001;
    if (at < ready.length) {
      const call = ready[Math.floor(at)];
      if (call !== undefined) await this.#run(call);
      return true;
    }
    at -= ready.length;
    if (sleeper !== undefined && at < sleeperWeight) {
      this.nowMs = sleeper.dueMs;
      return true;
    }
    at -= sleeperWeight;
    for (const choice of choices) {
      at -= choice.weight;
      if (at >= 0) continue;
      choice.act();
      await quiet();
      return true;
    }
    return true;
  }

  /** Lets every task go on to its next call. */
  async settle(): Promise<void> {
    await quiet();
  }

  /** The call that waits for the least time that has not come. */
  #firstSleeper(): Call | undefined {
    let first: Call | undefined;
    for (const call of this.#calls) {
      if (call.task.state === 'parked' || call.dueMs <= this.nowMs) continue;
      if (first === undefined || call.dueMs < first.dueMs) first = call;
    }
    return first;
  }

  async #run(call: Call): Promise<void> {
    const { task, name } = call;
    const fault = call.sleep ? undefined : this.fault(task, name);
    if (fault !== 'zombie') this.#calls.splice(this.#calls.indexOf(call), 1);
    this.trace?.(() => `${task.name}: ${name}${fault === undefined ? '' : `  <<< ${fault}`}`);
    switch (fault) {
      case 'crash-before':
        this.kill(task);
        break;
      case 'zombie':
        task.state = 'parked';
        this.onZombie(task);
        break;
      case 'hang':
        break;
      case 'refused':
        call.reject(this.failure(name));
        break;
      case 'crash-after':
        await call.effect();
        this.kill(task);
        break;
      case 'lost-response':
        await call.effect();
        call.reject(this.failure(name));
        break;
      case undefined:
        try {
          call.resolve(await call.effect());
        } catch (error) {
          call.reject(error);
        }
        break;
    }
    await quiet();
  }
}

/** Resolves when no task can go on by itself: between two turns of the event loop all promises that can settle have settled. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
