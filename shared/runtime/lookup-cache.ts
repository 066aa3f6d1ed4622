import type { LookedUpTable } from '#shared/pipeline/enrich.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';

interface KeptItem {
  readonly item: LookupItem | undefined;
  /** When it was asked for; the table had it then, or a little later. */
  readonly askedMs: number;
}

/** Items of one table that a process has read lately, those that are not there included: the ones that were wanted last. */
export class LookupCache {
  readonly #table: LookedUpTable;
  /** By the text of the key, the one that was wanted longest ago first. */
  readonly #items = new Map<string, KeptItem>();

  constructor(table: LookedUpTable) {
    this.#table = table;
  }

  /** The item under a key, if one is kept that is no older than the table's freshness. */
  find(key: string, nowMs: number): { readonly item: LookupItem | undefined } | undefined {
    // Two batches may come in the same millisecond.
    if (this.#table.freshnessMs === 0) return undefined;
    const kept = this.#items.get(key);
    if (kept === undefined) return undefined;
    this.#items.delete(key);
    const ageMs = nowMs - kept.askedMs;
    // A clock that was set back says nothing of how old it is.
    if (ageMs > this.#table.freshnessMs || ageMs < 0) return undefined;
    this.#items.set(key, kept);
    return kept;
  }

  keep(key: string, item: LookupItem | undefined, askedMs: number): void {
    this.#items.delete(key);
    this.#items.set(key, { item, askedMs });
    if (this.#items.size <= this.#table.itemsMax) return;
    for (const oldest of this.#items.keys()) {
      this.#items.delete(oldest);
      return;
    }
  }
}
