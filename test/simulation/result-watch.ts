import type { ResultStore } from '#shared/ports/result-store.ts';
import { type PrintedRow, type Row, rowOrder, type TotalPartial } from '#shared/schemas/row.ts';

interface Seen {
  readonly order: string;
  readonly final: boolean;
  readonly text: string;
  readonly ids: readonly string[];
}

/** More rows of one key with the same start than ever are. */
const rowsOfStartMax = 100;

/** Looks at every stored row after every write: none goes backwards, none changes once it is final. */
export class ResultWatch {
  readonly #store: ResultStore;
  readonly #views: ReadonlySet<string>;
  readonly #complain: (complaint: string) => void;
  readonly #seen = new Map<string, Seen>();

  /** `store` is what is looked at; what the hosts write to may be broken. Rows of views that are not in `views` may be lost. */
  constructor(store: ResultStore, views: ReadonlySet<string>, complain: (complaint: string) => void) {
    this.#store = store;
    this.#views = views;
    this.#complain = complain;
  }

  over(given: ResultStore): ResultStore {
    return {
      ...given,
      writeRows: async (rows) => {
        const outcome = await given.writeRows(rows);
        for (const { view, key, windowStartMs } of rows) {
          if (!this.#views.has(view)) continue;
          const window = { fromMs: windowStartMs, toMs: windowStartMs + 1, rowsMax: rowsOfStartMax };
          for (const row of await this.#store.rowsOfKey({ view, key, ...window }))
            this.#look(`row ${view} ${key} ${windowStartMs} to ${row.windowEndMs} ${row.id ?? ''}`, row);
        }
        return outcome;
      },
      writeTotals: async (totals) => {
        const outcome = await given.writeTotals(totals);
        for (const { view, slot, windowStartMs, windowEndMs } of totals) {
          if (!this.#views.has(view)) continue;
          const total = (await this.#store.readTotals(view, windowStartMs)).find(
            (partial) => partial.slot === slot && partial.windowEndMs === windowEndMs,
          );
          if (total !== undefined) this.#look(`total ${view} slot ${slot} ${windowStartMs} to ${windowEndMs}`, total);
        }
        return outcome;
      },
    };
  }

  #look(name: string, stored: Row | TotalPartial): void {
    const now: Seen = {
      order: rowOrder(stored),
      final: stored.final,
      text: JSON.stringify([stored.windowEndMs, stored.columns]),
      ids: idsOf(stored.columns),
    };
    const before = this.#seen.get(name);
    if (before !== undefined) {
      if (before.final && (!now.final || before.text !== now.text))
        this.#complain(`${name} was final and changed: ${before.text} became ${now.text}`);
      if (now.order < before.order) this.#complain(`${name} went back from ${before.order} to ${now.order}`);
      if (!before.ids.every((id) => now.ids.includes(id)))
        this.#complain(`${name} lost records: ${before.text} became ${now.text}`);
    }
    this.#seen.set(name, now);
  }
}

/** The column that names the records; a total keeps only what is shared. */
function idsOf({ ids }: Readonly<Record<string, unknown>>): readonly string[] {
  return typeof ids === 'string' && ids !== '' ? ids.split(',') : [];
}

/** What makes a printed row this row and no other. */
export function nameOfRow(row: PrintedRow): string {
  // Rows of a process step, and those of records, have nothing that no other has but all of their columns.
  if (!('windowStart' in row || 'leftTime' in row)) return JSON.stringify(row);
  const { view, windowStart, windowEnd, rank, key, tag, odd, leftId, rightId } = row as PrintedRow &
    Readonly<Record<string, unknown>>;
  // Several windows of so many records may lie in one millisecond; what they hold never changes.
  if (view === 'threes' || view === 'fours') return JSON.stringify([view, windowStart, windowEnd, key, row['ids']]);
  return JSON.stringify([view, windowStart, windowEnd, rank ?? key, tag, odd, leftId, rightId]);
}
