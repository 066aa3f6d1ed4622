import type { LookedUpTable } from '#shared/pipeline/enrich.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';

/** An item, undefined where there is none, and how much it is as text. */
export interface SizedItem {
  readonly item: LookupItem | undefined;
  readonly chars: number;
}

interface KeptItem extends SizedItem {
  /** When it was asked for; the table had it then, or a little later. */
  readonly askedMs: number;
}

/** Of the items of one table that a process keeps, as text: so few when they are large. */
const keptCharsMax = 50_000_000;

/** Items of one table that a process has read lately, those that are not there included: the ones that were wanted last. */
export class LookupCache {
  readonly #table: LookedUpTable;
  readonly #charsMax: number;
  /** By the text of the key, the one that was wanted longest ago first. */
  readonly #items = new Map<string, KeptItem>();
  #chars = 0;

  constructor(table: LookedUpTable, charsMax = keptCharsMax) {
    this.#table = table;
    this.#charsMax = charsMax;
  }

  /** The item under a key, if one is kept that is no older than the table's freshness. */
  find(key: string, nowMs: number): SizedItem | undefined {
    // Two batches may come in the same millisecond.
    if (this.#table.freshnessMs === 0) return undefined;
    const kept = this.#take(key);
    if (kept === undefined) return undefined;
    const ageMs = nowMs - kept.askedMs;
    // A clock that was set back says nothing of how old it is.
    if (ageMs > this.#table.freshnessMs || ageMs < 0) return undefined;
    this.#put(key, kept);
    return kept;
  }

  keep(key: string, sized: SizedItem, askedMs: number): void {
    this.#take(key);
    this.#put(key, { ...sized, askedMs });
    for (const oldest of this.#items.keys()) {
      if (this.#items.size <= this.#table.itemsMax && this.#chars <= this.#charsMax) return;
      this.#take(oldest);
    }
  }

  #put(key: string, kept: KeptItem): void {
    this.#items.set(key, kept);
    this.#chars += kept.chars;
  }

  #take(key: string): KeptItem | undefined {
    const kept = this.#items.get(key);
    if (kept === undefined) return undefined;
    this.#items.delete(key);
    this.#chars -= kept.chars;
    return kept;
  }
}
