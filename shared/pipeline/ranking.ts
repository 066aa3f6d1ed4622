import { columnOfPath, type Derived, type DerivedInput, evaluateDerived } from './derive.ts';
import type { TopPlan } from './plan.ts';

type Ranks = Pick<TopPlan, 'by' | 'derived'>;
type Columns = Readonly<Record<string, unknown>>;

/** What a row ranks by; undefined where it has no value, and so no rank. */
export function rankedBy(top: Ranks, columns: Columns): unknown {
  const path = rankPathOf(top);
  if (path !== undefined) return valueAt(columns, path) ?? undefined;
  return rankedColumnsOf(top, { row: columns, totals: {}, windowMs: 0 }, [top.by])[top.by] ?? undefined;
}

/**
 * The path of the number in a row that it ranks by; undefined where that is computed of several. Shares of one total, and rates over one
 * time, rank as what they are of: by the number itself, of which no digit was rounded away.
 */
export function rankPathOf(top: Ranks): string | undefined {
  const derived = derivedBy(top);
  if (derived === undefined) return top.by;
  return derived.kind === 'share-of-total' || derived.kind === 'rate' ? derived.columns[0] : undefined;
}

/** What turns the value that a row ranks by into one of which the highest ranks first; undefined: it has no rank. */
export type RankOrder = (value: number) => number | undefined;

const highestFirst: RankOrder = (value) => value;
const lowestFirst: RankOrder = (value) => -value;
const onlyZeros: RankOrder = (value) => (value === 0 ? 0 : undefined);

/**
 * The orders in which rows may come to rank. Whether the highest or the lowest number has the greatest share depends on the sign of the
 * total, and of a total of 0 only 0 has a share: until all of the window has met, each may be the one.
 */
export function rankOrdersOf(top: Ranks): readonly RankOrder[] {
  return derivedBy(top)?.kind === 'share-of-total' ? [highestFirst, lowestFirst, onlyZeros] : [highestFirst];
}

/** Which of the orders it is; undefined where there is no total to have a share of. */
export function rankOrderOf(top: Ranks, totals: Columns): number | undefined {
  if (rankOrdersOf(top).length === 1) return 0;
  const total = valueAt(totals, rankPathOf(top) as string);
  if (typeof total !== 'number') return undefined;
  if (total === 0) return 2;
  return total > 0 ? 0 : total < 0 ? 1 : undefined;
}

/** Columns of a ranked row, by default all, that are computed of its others and of its window's totals. */
export function rankedColumnsOf(
  { derived = {} }: Ranks,
  { row, ...input }: DerivedInput,
  names = Object.keys(derived),
): Readonly<Record<string, number | null>> {
  return Object.fromEntries(
    names.map((name) => {
      const one = derived[name] as Derived<string>;
      // An aggregator may give nothing.
      const own = Object.fromEntries(one.columns.map(columnOfPath).map((column) => [column, row[column] ?? null]));
      return [name, evaluateDerived(one, { ...input, row: own })];
    }),
  );
}

function derivedBy({ by, derived = {} }: Ranks): Derived<string> | undefined {
  return Object.hasOwn(derived, by) ? derived[by] : undefined;
}

function valueAt(columns: Columns, path: string): unknown {
  let value: unknown = columns;
  for (const name of path.split('.')) value = (value as Columns | null | undefined)?.[name];
  return value;
}
