import type { AnyAggregator, Json } from '#shared/pipeline/aggregator.ts';
import { canonicalJson } from '#shared/pipeline/plan-hash.ts';
import type { Values } from '#shared/sql/expressions/compiled.ts';
import { orderIn } from '#shared/sql/expressions/operators.ts';

export interface TopOrder {
  readonly field: string;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  /** The column whose total it is divided by. */
  readonly share?: string;
}

/** A row that is kept: what it is ordered by, its values, and what tells apart rows that are alike in order. */
type Entry = readonly [order: readonly Json[], values: readonly Json[], tie: string];

export interface TopRows {
  readonly kind: 'ROW_NUMBER' | 'RANK' | 'DENSE_RANK';
  readonly count: number;
  readonly order: readonly TopOrder[];
  readonly fields: readonly string[];
}

/** A group's rows wait in one memory, and with ties there may be more of them than are wanted. */
const topRowsMax = 10_000;

/**
 * Keeps the first rows of a group by an order: the state holds no row that has too many before it. Rows alike in order go by their values,
 * so which are kept does not depend on the order of arrival.
 */
export function topRows(top: TopRows): AnyAggregator<Values> {
  const { kind, count, order, fields } = top;
  const compare = compareEntries(order);
  const add = (entries: Entry[], entry: Entry): Entry[] => {
    if (entries.length >= count && kind === 'ROW_NUMBER' && compare(entry, entries.at(-1) as Entry) >= 0)
      return entries;
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(entries[middle] as Entry, entry) <= 0) low = middle + 1;
      else high = middle;
    }
    entries.splice(low, 0, entry);
    cut(entries, top);
    return entries;
  };
  return {
    kind: 'top-rows',
    config: { rank: kind, count, order: order.map(({ descending, nullsFirst }) => [descending, nullsFirst]), fields },
    select: (values: Values): Entry => {
      const kept = fields.map((field) => (values[field] ?? null) as Json);
      return [order.map(({ field }) => (values[field] ?? null) as Json), kept, canonicalJson(kept)];
    },
    create: () => [],
    add,
    merge: (into: Entry[], from: readonly Entry[]) => from.reduce(add, into),
    result: (entries: readonly Entry[]): Json => entries.map(([by, values]) => [by, values]),
    encode: (entries: readonly Entry[]): Json => entries.map(([by, values]) => [by, values]),
    decode: (encoded) => {
      if (!Array.isArray(encoded))
        throw new Error(`the state of top-rows must be a list, and is ${JSON.stringify(encoded)}`);
      return (encoded as readonly [readonly Json[], readonly Json[]][]).map(
        ([by, values]): Entry => [by, values, canonicalJson(values)],
      );
    },
  };
}

/** Drops what has too many before it. */
function cut(entries: Entry[], { kind, count, order }: TopRows): void {
  if (kind === 'ROW_NUMBER') {
    if (entries.length > count) entries.length = count;
    return;
  }
  if (entries.length <= count) return;
  const numbers = numbersOf(
    entries.map(([by]) => by),
    kind,
    order,
  );
  const end = numbers.findIndex((number) => number > count);
  if (end !== -1) entries.length = end;
  if (entries.length > topRowsMax)
    throw new Error(`${kind} keeps more than ${topRowsMax} rows that are alike in order; use ROW_NUMBER`);
}

/** The number of each row in its order, by the kind of number. */
export function numbersOf(
  rows: readonly (readonly Json[])[],
  kind: TopRows['kind'],
  order: readonly TopOrder[],
): readonly number[] {
  const numbers: number[] = [];
  for (const [index, by] of rows.entries()) {
    const before = rows[index - 1];
    const isAlike = before !== undefined && compareBy(before, by, order) === 0;
    const last = numbers.at(-1) ?? 0;
    numbers.push(kind === 'ROW_NUMBER' ? index + 1 : isAlike ? last : kind === 'RANK' ? index + 1 : last + 1);
  }
  return numbers;
}

function compareEntries(order: readonly TopOrder[]): (a: Entry, b: Entry) => number {
  return (a, b) => compareBy(a[0], b[0], order) || (a[2] < b[2] ? -1 : a[2] === b[2] ? 0 : 1);
}

function compareBy(a: readonly Json[], b: readonly Json[], order: readonly TopOrder[]): number {
  for (const [index, direction] of order.entries()) {
    const found = orderIn(a[index] ?? null, b[index] ?? null, direction);
    if (found !== 0) return found;
  }
  return 0;
}
