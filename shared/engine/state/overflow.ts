import type { Json } from '#shared/pipeline/aggregator.ts';
import type { RunStore } from '#shared/ports/run-store.ts';

/** What takes memory and can give it back. */
export interface Holder {
  /** Of what changes, estimated. */
  readonly bytesHeld: number;
  /** Of what is being written to the disk, estimated. */
  readonly bytesLeaving: number;
  /** Begins to write a large part of what changes. */
  spill(): void;
  /** Goes on with writing, about `entryCount` entries. */
  work(entryCount: number): void;
}

export interface OverflowLimits {
  /** Of memory, estimated, that the state of the process may take. */
  readonly bytesMax: number;
  readonly timersInMemoryMax?: number;
}

/** How much memory the state of a process may take, all its slots together, and where the rest goes. */
export class Overflow {
  readonly store: RunStore;
  /** Of an operator. */
  readonly timersInMemoryMax: number;
  /** Of an operator, estimated: what it has brought to memory, key by key, without a record between. */
  readonly bytesAtOnceMax: number;
  readonly #bytesMax: number;
  readonly #holders = new Set<Holder>();
  #recordsSince = 0;

  constructor(store: RunStore, limits: OverflowLimits) {
    this.store = store;
    this.#bytesMax = limits.bytesMax;
    this.bytesAtOnceMax = limits.bytesMax * shareAtOnce;
    this.timersInMemoryMax = limits.timersInMemoryMax ?? timersInMemoryMaxDefault;
  }

  add(holder: Holder): void {
    this.#holders.add(holder);
  }

  remove(holder: Holder): void {
    this.#holders.delete(holder);
  }

  /**
   * Called when `recordCount` records have been added; it looks around when they may matter. While that which changes takes half of the memory, the largest holder begins to write; the other
   * half is for what is being written meanwhile, and when it is not enough, everybody waits.
   */
  relieve(recordCount: number): void {
    this.#recordsSince += recordCount;
    if (this.#recordsSince * bytesPerRecordMax < this.#bytesMax) return;
    this.#recordsSince = 0;
    let held = 0;
    let leaving = 0;
    let largest: Holder | undefined;
    for (const holder of this.#holders) {
      held += holder.bytesHeld;
      leaving += holder.bytesLeaving;
      if (largest === undefined || holder.bytesHeld > largest.bytesHeld) largest = holder;
    }
    if (held > this.#bytesMax / 2) largest?.spill();
    if (held + leaving <= this.#bytesMax) return;
    for (const holder of this.#holders) while (holder.bytesLeaving > 0) holder.work(entriesPerWait);
  }
}

/** By which a record may make state grow, or nearly so: some are larger, but not all. */
const bytesPerRecordMax = 65_536;
export const entriesPerWait = 10_000;
/** Several slots may do it at a time, beside what records bring. */
const shareAtOnce = 1 / 8;
/** Some 20 MB. */
const timersInMemoryMaxDefault = 200_000;

/** What a key's state takes in memory, judged from some that change. */
export class SizeEstimate {
  readonly #bytesPerKey: number;
  #bytes: number | undefined;
  #countdown = 1;

  /** `bytesPerKey`: of the key and the structures around its state. */
  constructor(bytesPerKey: number) {
    this.#bytesPerKey = bytesPerKey;
  }

  get bytes(): number {
    return this.#bytesPerKey + (this.#bytes ?? 0);
  }

  /** Whether this change is one of those that are looked at. */
  isDue(): boolean {
    this.#countdown -= 1;
    return this.#countdown === 0;
  }

  take(encoded: Json): void {
    const bytes = bytesOf(encoded);
    this.#bytes = this.#bytes === undefined ? bytes : this.#bytes + (bytes - this.#bytes) * weight;
    this.#countdown = changesPerLook;
  }
}

const weight = 0.02;
const changesPerLook = 128;

/** About what V8 needs for what is saved in this form. */
function bytesOf(value: Json): number {
  if (typeof value === 'string') return 24 + value.length;
  if (typeof value !== 'object' || value === null) return 16;
  const items = Array.isArray(value) ? value : Object.values(value);
  return items.reduce((sum: number, item: Json) => sum + 8 + bytesOf(item), 48);
}
