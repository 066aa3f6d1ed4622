import type { ExchangeEntry } from '#shared/ports/exchange.ts';
import type { Random } from '#shared/testing/random.ts';
import type { SimStream } from './stream.ts';
import type { FaultKind } from './workload.ts';

/** The way into the exchange, on which entries are refused, doubled, held up, and given up for lost though they arrive. */
export class Network {
  readonly exchange: SimStream;
  readonly #now: () => number;
  readonly #isFault: (kind: FaultKind) => boolean;
  /** Entries that the network still holds although their sender was told that they failed. */
  readonly delayed: ExchangeEntry[];

  constructor(options: {
    readonly exchange: SimStream;
    readonly delayed?: ExchangeEntry[];
    readonly now: () => number;
    readonly isFault: (kind: FaultKind) => boolean;
  }) {
    this.exchange = options.exchange;
    this.delayed = options.delayed ?? [];
    this.#now = options.now;
    this.#isFault = options.isFault;
  }

  get hasDelayed(): boolean {
    return this.delayed.length > 0;
  }

  /** Gives the indexes of the entries that the sender is told to put again. */
  put(entries: readonly ExchangeEntry[]): readonly number[] {
    if (this.#isFault('put-throttled')) return entries.map((_, index) => index);
    const refused: number[] = [];
    for (const [index, entry] of entries.entries()) {
      if (this.#isFault('put-refused')) {
        refused.push(index);
      } else if (this.#isFault('put-delayed')) {
        this.delayed.push(entry);
        refused.push(index);
      } else {
        this.#append(entry);
        if (this.#isFault('put-doubled')) refused.push(index);
      }
    }
    return refused;
  }

  /** An entry that was given up for lost comes through; gives its slot. */
  land(random: Random): number | undefined {
    const [entry] = this.delayed.splice(random.below(this.delayed.length), 1);
    if (entry !== undefined) this.#append(entry);
    return entry?.slot;
  }

  #append(entry: ExchangeEntry): void {
    this.exchange.put(BigInt(entry.explicitHashKey), {
      partitionKey: String(entry.slot),
      bytes: entry.bytes,
      arrivalMs: this.#now(),
    });
  }
}
