import type { ResultStore } from '#shared/ports/result-store.ts';
import { type Row, rowOrder, type TotalPartial } from '#shared/schemas/row.ts';

/** All that a memory result store holds, as plain values: for a test to look at, and to start another store from. */
export interface ResultDump {
  /** By view, then window start, then key, then window end, then id. Those that are gone are there too. */
  readonly rows: readonly Row[];
  /** By view, then window start, then slot, then window end. */
  readonly totals: readonly TotalPartial[];
}

export type MemoryResultStore = ResultStore & { readonly dump: () => ResultDump };

/** Results in memory. Nothing expires. `createMemoryResultStore(other.dump())` is a copy of `other`. */
export function createMemoryResultStore(from?: ResultDump): MemoryResultStore {
  const rows: Views<string, Row> = new Map();
  const totals: Views<string, TotalPartial> = new Map();
  for (const row of from?.rows ?? []) writeNewer(rows, idOf(row), row);
  for (const total of from?.totals ?? []) writeNewer(totals, idOfTotal(total), total);

  const rowsOfView: ResultStore['rowsOfView'] = async ({ view, fromMs, toMs, rowsMax }) => {
    const found: Row[] = [];
    for (const [, ofWindow] of windowsOf(rows, view, fromMs, toMs)) {
      if (found.length >= rowsMax) break;
      found.push(...[...ofWindow.values()].filter(isThere).sort(byKeyAndEnd));
    }
    return found.slice(0, rowsMax);
  };

  return {
    writeRows: async (written) => ({ fenced: countOf(written, (row) => !writeNewer(rows, idOf(row), row)) }),
    writeTotals: async (written) => ({
      fenced: countOf(written, (total) => !writeNewer(totals, idOfTotal(total), total)),
    }),

    rowsOfKey: async ({ view, key, fromMs, toMs, rowsMax }) => {
      const found = windowsOf(rows, view, fromMs, toMs).flatMap(([, ofWindow]) =>
        [...ofWindow.values()].filter((row) => row.key === key && isThere(row)).sort(byKeyAndEnd),
      );
      return found.slice(0, rowsMax);
    },
    rowsOfView,
    newestWindow: async (view) => {
      let newest: number | undefined;
      for (const [startMs, ofWindow] of rows.get(view) ?? []) {
        if ((newest === undefined || startMs > newest) && [...ofWindow.values()].some(isThere)) newest = startMs;
      }
      return newest;
    },
    readTotals: async (view, windowStartMs) =>
      [...(totals.get(view)?.get(windowStartMs)?.values() ?? [])].sort(bySlotAndEnd),

    dump: () => ({
      rows: all(rows).sort(
        (a, b) => compareKeys(a.view, b.view) || a.windowStartMs - b.windowStartMs || byKeyAndEnd(a, b),
      ),
      totals: all(totals).sort(
        (a, b) => compareKeys(a.view, b.view) || a.windowStartMs - b.windowStartMs || bySlotAndEnd(a, b),
      ),
    }),
  };
}

/** What tells the rows of a view that start at the same time apart. */
function idOf(row: Row): string {
  return `${row.provisional === undefined ? row.windowEndMs : '..'} ${row.id ?? ''} ${row.key}`;
}

function isThere({ provisional }: Row): boolean {
  return provisional !== 'gone';
}

function idOfTotal(total: TotalPartial): string {
  return `${total.slot} ${total.windowEndMs}`;
}

function bySlotAndEnd(a: TotalPartial, b: TotalPartial): number {
  return a.slot - b.slot || a.windowEndMs - b.windowEndMs;
}

/** What has no end yet comes first. */
function byKeyAndEnd(a: Row, b: Row): number {
  const isEnded = (row: Row): number => (row.provisional === undefined ? 1 : 0);
  return (
    compareKeys(a.key, b.key) ||
    isEnded(a) - isEnded(b) ||
    a.windowEndMs - b.windowEndMs ||
    compareKeys(a.id ?? '', b.id ?? '')
  );
}

/** By view, window start, and row or slot. */
type Views<Id, Stored> = Map<string, Map<number, Map<Id, Stored>>>;

/** Only the strictly greater order wins (rule 14). */
function writeNewer<Id, Stored extends Row | TotalPartial>(views: Views<Id, Stored>, id: Id, written: Stored): boolean {
  const windows = getOrAdd(views, written.view);
  const stored = getOrAdd(windows, written.windowStartMs);
  const before = stored.get(id);
  if (before !== undefined && rowOrder(written) <= rowOrder(before)) return false;
  const kept: Stored = {
    ...written,
    columns: copyColumns(written.columns),
    expiresMs: Math.ceil(written.expiresMs / 1_000) * 1_000,
  };
  stored.set(id, Object.freeze(kept));
  return true;
}

function getOrAdd<Id, InnerId, Stored>(outer: Map<Id, Map<InnerId, Stored>>, id: Id): Map<InnerId, Stored> {
  let inner = outer.get(id);
  if (inner === undefined) {
    inner = new Map();
    outer.set(id, inner);
  }
  return inner;
}

/** What is stored shares nothing with what the writer keeps. Columns without a value are left out, as in a table. */
function copyColumns(columns: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const copy: Record<string, unknown> = {};
  for (const name in columns) {
    const value = columns[name];
    if (value !== undefined) copy[name] = copyJson(value);
  }
  return Object.freeze(copy);
}

function copyJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyJson);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copyJson(member)]));
}

function windowsOf<Id, Stored>(
  views: Views<Id, Stored>,
  view: string,
  fromMs: number,
  toMs: number,
): readonly (readonly [number, Map<Id, Stored>])[] {
  const windows = [...(views.get(view) ?? [])].filter(([startMs]) => startMs >= fromMs && startMs < toMs);
  return windows.sort(([a], [b]) => a - b);
}

function all<Id, Stored>(views: Views<Id, Stored>): Stored[] {
  return [...views.values()].flatMap((windows) => [...windows.values()].flatMap((stored) => [...stored.values()]));
}

function countOf<Value>(values: readonly Value[], claim: (value: Value) => boolean): number {
  let count = 0;
  for (const value of values) if (claim(value)) count += 1;
  return count;
}

/** By code point, as a table sorts: characters beyond the first plane come last, though their surrogates do not. */
function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
