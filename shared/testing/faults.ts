import { givenOptions } from '#shared/pipeline/refuse.ts';
import type { Exchange, ExchangeEntry } from '#shared/ports/exchange.ts';
import { givenShare, givenWhole } from './given.ts';
import { createRandom, type Random } from './random.ts';

/** What goes wrong. Each value is a chance in [0, 1]: of a call, of an entry that is put, or of a batch that is taken. */
export interface FaultRates {
  /** A host dies before or after a call of the outside world, and what it did is done again by another one. */
  readonly kill: number;
  /** A batch that was taken is delivered once more. */
  readonly redelivery: number;
  /** A block that was put is put once more, since its sender was not told. */
  readonly doubledPut: number;
  /** A block that was given up for lost comes much later, beside the one that was put in its place. */
  readonly latePut: number;
  readonly splitExchange: number;
  readonly mergeExchange: number;
  /** Of the raw streams. Which records are late follows the shards, so by default these stay as they are. */
  readonly splitRaw: number;
  readonly mergeRaw: number;
}

export type FaultKind = keyof FaultRates;

/** The same seed gives the same faults for the same calls. */
export interface FaultOptions extends Partial<FaultRates> {
  readonly seed: number;
}

const ratesDefault: FaultRates = {
  kill: 0.02,
  redelivery: 0.1,
  doubledPut: 0.05,
  latePut: 0.05,
  splitExchange: 0.05,
  mergeExchange: 0.05,
  splitRaw: 0,
  mergeRaw: 0,
};

const faultNames = [
  'seed',
  'kill',
  'redelivery',
  'doubledPut',
  'latePut',
  'splitExchange',
  'mergeExchange',
  'splitRaw',
  'mergeRaw',
] as const;

/** The chances that are given. */
function checkedRates({ seed, ...rates }: FaultOptions): Partial<FaultRates> {
  givenWhole('faults: seed', seed, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  for (const [kind, rate] of Object.entries(rates)) if (rate !== undefined) givenShare(`faults: ${kind}`, rate);
  return rates;
}

/** Draws faults from a seed, and counts them. */
export class Faults {
  readonly #rates: FaultRates;
  readonly #counts = new Map<FaultKind, number>();
  readonly random: Random;

  constructor(options: FaultOptions | undefined) {
    this.#rates =
      options === undefined
        ? noFaults
        : { ...ratesDefault, ...checkedRates(givenOptions('faults', options, faultNames, '{ seed: 1 }')) };
    this.random = createRandom(options?.seed ?? 0, 'faults');
  }

  isFault(kind: FaultKind): boolean {
    const rate = this.#rates[kind];
    if (rate === 0 || !this.random.chance(rate)) return false;
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    return true;
  }

  get canKill(): boolean {
    return this.#rates.kill > 0;
  }

  /** How often each kind has happened. */
  get counts(): Readonly<Partial<Record<FaultKind, number>>> {
    return Object.fromEntries(this.#counts);
  }
}

const noFaults = Object.fromEntries(Object.keys(ratesDefault).map((kind) => [kind, 0])) as unknown as FaultRates;

/** A way into a stream on which entries are doubled, and given up for lost though they arrive. */
export class FaultyExchange implements Exchange {
  readonly #exchange: Exchange;
  readonly #faults: Faults;
  #underWay: ExchangeEntry[] = [];

  constructor(exchange: Exchange, faults: Faults) {
    this.#exchange = exchange;
    this.#faults = faults;
  }

  readonly put = async (entries: readonly ExchangeEntry[]): Promise<readonly number[]> => {
    const refused: number[] = [];
    const taken: ExchangeEntry[] = [];
    for (const [index, entry] of entries.entries()) {
      const isLate = this.#faults.isFault('latePut');
      if (isLate) this.#underWay.push(entry);
      else taken.push(entry);
      if (isLate || this.#faults.isFault('doubledPut')) refused.push(index);
    }
    await this.#exchange.put(taken);
    return refused;
  };

  /** What was given up for lost comes through. */
  async land(): Promise<void> {
    const landed = this.#underWay;
    this.#underWay = [];
    await this.#exchange.put(landed);
  }
}

/** A host died; whoever started it starts another one. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

/** One process: its calls go through until a fault kills it. From then on it does nothing any more. */
export class HostProcess {
  readonly #faults: Faults;
  readonly #isMortal: boolean;
  #isDead = false;
  #die: (reason: Killed) => void = () => {};
  readonly #death: Promise<never>;

  constructor(faults: Faults, isMortal: boolean) {
    this.#faults = faults;
    this.#isMortal = isMortal;
    this.#death = new Promise((_, reject) => {
      this.#die = reject;
    });
    // Whether or not somebody is at work then.
    this.#death.catch(() => {});
  }

  /** Rejects with `Killed` when the process dies on the way. */
  run<T>(work: () => Promise<T>): Promise<T> {
    return Promise.race([work(), this.#death]);
  }

  /** The port as this process has it. `isSafe`: no call of it kills. */
  port<Port extends object>(port: Port, isSafe = false): Port {
    if (!this.#isMortal) return port;
    const guarded: Record<string, unknown> = {};
    for (const [name, method] of Object.entries(port)) {
      guarded[name] =
        typeof method === 'function' && name !== 'now'
          ? (...given: readonly unknown[]) => this.#call(() => method(...given), isSafe)
          : method;
    }
    return guarded as Port;
  }

  async #call(call: () => unknown, isSafe: boolean): Promise<unknown> {
    if (this.#isDead || this.#isKilled(isSafe)) return never;
    const answer = await call();
    // What it did is done; nobody hears of it.
    return this.#isDead || this.#isKilled(isSafe) ? never : answer;
  }

  #isKilled(isSafe: boolean): boolean {
    if (isSafe || !this.#isMortal || !this.#faults.isFault('kill')) return false;
    this.#isDead = true;
    this.#die(new Killed());
    return true;
  }
}

/** What a dead process waits for. */
const never = new Promise<never>(() => {});
