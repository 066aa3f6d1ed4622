import type { TopPlan } from '#shared/pipeline/plan.ts';
import { type RankOrder, rankOrdersOf } from '#shared/pipeline/ranking.ts';

/** One of those that are ranked. */
export interface Ranked<One> {
  /** The higher one ranks first. */
  readonly by: number;
  /** Canonical key. */
  readonly key: string;
  readonly one: One;
}

/** Those of a window that may rank, the best first: in each of the orders that it may come to be. What may in none is forgotten at once. */
export class Contest<One> {
  readonly #top: TopPlan;
  readonly #orders: readonly RankOrder[];
  readonly #ranked: readonly Ranked<One>[][];

  constructor(top: TopPlan) {
    this.#top = top;
    this.#orders = rankOrdersOf(top);
    this.#ranked = this.#orders.map(() => []);
  }

  add(value: number, key: string, one: One): void {
    for (let index = 0; index < this.#orders.length; index += 1) {
      const by = this.#orders[index]?.(value);
      const ranked = this.#ranked[index] as Ranked<One>[];
      // Nearly all of them are below the last rank, and need no object.
      if (by === undefined || by < (ranked[this.#top.count - 1]?.by ?? by)) continue;
      insertRanked(ranked, { by, key, one }, this.#top);
    }
  }

  /** In one of the orders, if there is one. */
  ranked(order: number | undefined): readonly Ranked<One>[] {
    return this.#ranked[order ?? this.#ranked.length] ?? [];
  }

  /** Each once. */
  all(): readonly One[] {
    const [first = [], ...others] = this.#ranked;
    if (others.length === 0) return first.map(({ one }) => one);
    return [...new Map(this.#ranked.flat().map(({ key, one }) => [key, one])).values()];
  }
}

/**
 * Puts a row in its place among the `count` best ones: the higher value first, and of equal ones the lower key. Where ties are kept, those
 * with the last one's value are there too.
 */
export function insertRanked<One extends Pick<Ranked<unknown>, 'by' | 'key'>>(
  ranked: One[],
  row: One,
  { count, ties }: { readonly count: number; readonly ties?: unknown },
): void {
  // What is below the last rank is told without a search.
  const last = ranked[count - 1];
  if (last !== undefined && (ties === undefined ? !isAbove(row, last) : row.by < last.by)) return;
  let low = 0;
  let high = ranked.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAbove(row, ranked[middle] as One)) high = middle;
    else low = middle + 1;
  }
  ranked.splice(low, 0, row);
  const lowest = (ranked[count - 1] as One | undefined)?.by;
  while (ranked.length > count && (ties === undefined || ranked.at(-1)?.by !== lowest)) ranked.pop();
}

function isAbove(row: Pick<Ranked<unknown>, 'by' | 'key'>, other: Pick<Ranked<unknown>, 'by' | 'key'>): boolean {
  return row.by > other.by || (row.by === other.by && row.key < other.key);
}
