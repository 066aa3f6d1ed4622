import { LookedUp, type Lookups } from '#shared/engine/lookups.ts';
import type { LookedUpTable } from '#shared/pipeline/enrich.ts';
import { type LookupItem, type LookupKey, type LookupTableSpec, textOfLookupKey } from '#shared/schemas/lookup.ts';
import type { LookupCache } from './lookup-cache.ts';

/** A table, what is kept of it, and its part in a batch. */
export interface BatchTable {
  readonly table: LookedUpTable;
  readonly cache: LookupCache;
}

interface TableLookups extends BatchTable {
  /** All that was found in this attempt or noted by one before, by the text of the key. */
  readonly found: Map<string, LookedUp>;
  /** Those that were noted before; other records of the note may need them. */
  readonly noted: Set<string>;
  readonly used: Set<string>;
  readonly missing: Map<string, LookupKey>;
}

/** What the records of one batch look up: first what was noted for them, then what is kept and fresh, and what is left to be asked for. */
export class BatchLookups implements Lookups {
  readonly #tables: ReadonlyMap<string, TableLookups>;
  readonly #nowMs: () => number;
  /** What another plan has noted and this one does not read: that plan may come back. */
  readonly #others: string[] = [];
  /** Something is used that was not noted. */
  #hasNew = false;
  asked = 0;
  kept = 0;

  constructor(tables: ReadonlyMap<string, BatchTable>, nowMs: () => number, noted?: string) {
    this.#nowMs = nowMs;
    this.#tables = new Map(
      [...tables].map(([name, table]) => [
        name,
        {
          ...table,
          found: new Map<string, LookedUp>(),
          noted: new Set<string>(),
          used: new Set<string>(),
          missing: new Map<string, LookupKey>(),
        },
      ]),
    );
    if (noted !== undefined) this.#takeNoted(noted);
  }

  get hasNew(): boolean {
    return this.#hasNew;
  }

  find({ name }: LookupTableSpec, key: LookupKey): LookedUp | undefined {
    const table = this.#tables.get(name);
    if (table === undefined) return undefined;
    const text = textOfLookupKey(key);
    const known = table.found.get(text);
    if (known !== undefined) {
      table.used.add(text);
      return known;
    }
    if (table.missing.has(text)) return undefined;
    this.asked += 1;
    const kept = table.cache.find(text, this.#nowMs());
    if (kept === undefined) {
      table.missing.set(text, key);
      return undefined;
    }
    this.kept += 1;
    this.#hasNew = true;
    const found = new LookedUp(kept.item);
    table.found.set(text, found);
    table.used.add(text);
    return found;
  }

  /** The keys that were asked for and are neither noted nor kept, by table. */
  missing(): readonly { readonly table: LookedUpTable; readonly keys: readonly LookupKey[] }[] {
    return [...this.#tables.values()].flatMap(({ table, missing }) =>
      missing.size === 0 ? [] : [{ table, keys: [...missing.values()] }],
    );
  }

  answer({ spec }: LookedUpTable, key: LookupKey, item: LookupItem | undefined, askedMs: number): void {
    const table = this.#tables.get(spec.name);
    if (table === undefined) return;
    const text = textOfLookupKey(key);
    table.missing.delete(text);
    table.found.set(text, new LookedUp(item));
    table.cache.keep(text, item, askedMs);
    this.#hasNew = true;
  }

  /** Forgets what was used, but not what was found: fewer records are taken again. */
  startAgain(): void {
    for (const { used } of this.#tables.values()) used.clear();
  }

  /**
   * What was used, as a text; undefined when it has more than `charsMax` characters. With `force` items that find no more room are too large, in
   * the order in which they were asked for: for every attempt, since the note says so.
   */
  note(charsMax: number, force: boolean): string | undefined {
    let chars = 0;
    const tables: string[] = [...this.#others];
    for (const { table, found, noted, used } of this.#tables.values()) {
      const entries: string[] = [];
      for (const text of new Set([...noted, ...used])) {
        const { item } = found.get(text) as LookedUp;
        let entry = JSON.stringify(entryOf(text, item));
        if (chars + entry.length > charsMax) {
          if (!force) return undefined;
          entry = JSON.stringify(entryOf(text, 'too-large'));
          found.set(text, new LookedUp('too-large'));
        }
        chars += entry.length;
        entries.push(entry);
      }
      if (entries.length > 0) tables.push(`${JSON.stringify(nameInNote(table.spec))}:[${entries.join(',')}]`);
    }
    return `{${tables.join(',')}}`;
  }

  #takeNoted(noted: string): void {
    for (const [name, entries] of Object.entries(JSON.parse(noted) as Readonly<Record<string, readonly Entry[]>>)) {
      const table = [...this.#tables.values()].find((one) => nameInNote(one.table.spec) === name);
      if (table === undefined) {
        this.#others.push(`${JSON.stringify(name)}:${JSON.stringify(entries)}`);
        continue;
      }
      for (const entry of entries) {
        table.found.set(entry[0], new LookedUp(itemOf(entry)));
        table.noted.add(entry[0]);
      }
    }
  }
}

/** Of the items of one table those that have other columns, as another plan reads them, are other items. */
function nameInNote({ name, columns }: LookupTableSpec): string {
  return columns === undefined ? name : `${name} ${JSON.stringify([...new Set(columns)].sort())}`;
}

/** A key without an item, with one, or with one that is too large. */
type Entry = readonly [key: string, item?: LookupItem | null];

function entryOf(key: string, item: LookedUp['item']): Entry {
  if (item === undefined) return [key];
  return item === 'too-large' ? [key, null] : [key, item];
}

function itemOf([, item]: Entry): LookedUp['item'] {
  return item === null ? 'too-large' : item;
}
