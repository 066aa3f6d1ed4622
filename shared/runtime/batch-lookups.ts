import { LookedUp, type Lookups } from '#shared/engine/transform/lookups.ts';
import type { LookedUpTable } from '#shared/pipeline/enrich.ts';
import { type LookupItem, type LookupKey, type LookupTableSpec, textOfLookupKey } from '#shared/schemas/lookup.ts';
import type { LookupCache, SizedItem } from './lookup-cache.ts';

/** A table, and what is kept of it. */
export interface BatchTable {
  readonly table: LookedUpTable;
  readonly cache: LookupCache;
}

interface TableLookups extends BatchTable {
  /** What an attempt before has noted, by the text of the key; other records of the note may need it. */
  readonly noted: Map<string, LookedUp>;
  /** What was found besides. */
  readonly found: Map<string, LookedUp>;
  readonly missing: Map<string, LookupKey>;
}

export interface BatchLookupsOptions {
  readonly tables: ReadonlyMap<string, BatchTable>;
  readonly now: () => number;
  /** How much more than this may be found, as text, only if it comes with what was asked for at once. */
  readonly charsMax: number;
  readonly noted: string | undefined;
}

/** What the records of one batch look up: first what was noted for them, then what is kept and fresh, and what is left to be asked for. */
export class BatchLookups implements Lookups {
  readonly #tables: ReadonlyMap<string, TableLookups>;
  /** What another plan has noted and this one does not read: that plan may come back. */
  readonly #others: (readonly [table: string, entries: readonly Entry[]])[] = [];
  readonly #now: () => number;
  readonly #charsMax: number;
  /** Of all that was not noted. */
  #chars = 0;
  asked = 0;
  kept = 0;

  constructor({ tables, now, charsMax, noted }: BatchLookupsOptions) {
    this.#now = now;
    this.#charsMax = charsMax;
    this.#tables = new Map(
      [...tables].map(([name, table]) => [
        name,
        {
          ...table,
          noted: new Map<string, LookedUp>(),
          found: new Map<string, LookedUp>(),
          missing: new Map<string, LookupKey>(),
        },
      ]),
    );
    if (noted !== undefined) this.#takeNoted(noted);
  }

  /** Something was found that is not noted. */
  get hasNew(): boolean {
    return [...this.#tables.values()].some(({ found }) => found.size > 0);
  }

  get isFull(): boolean {
    return this.#chars > this.#charsMax;
  }

  find({ name }: LookupTableSpec, key: LookupKey): LookedUp | undefined {
    const table = this.#tables.get(name);
    if (table === undefined) return undefined;
    const text = textOfLookupKey(key);
    const known = table.noted.get(text) ?? table.found.get(text);
    if (known !== undefined || table.missing.has(text)) return known;
    this.asked += 1;
    const kept = table.cache.find(text, this.#now());
    if (kept === undefined) {
      table.missing.set(text, key);
      return undefined;
    }
    this.kept += 1;
    return this.#found(table, text, kept);
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
    const sized = { item, chars: text.length + (item === undefined ? 0 : JSON.stringify(item).length) };
    table.missing.delete(text);
    table.cache.keep(text, sized, askedMs);
    this.#found(table, text, sized);
  }

  /** What is missing finds no room any more. The note says so, and so it holds for every attempt. */
  refuseMissing(): void {
    for (const { found, missing } of this.#tables.values()) {
      for (const text of missing.keys()) found.set(text, new LookedUp('too-large'));
      missing.clear();
    }
  }

  /** Forgets all but what was noted: fewer records are taken. */
  startAgain(): void {
    for (const { found, missing } of this.#tables.values()) {
      found.clear();
      missing.clear();
    }
    this.#chars = 0;
  }

  /** What was noted, and what was found besides, as a text. */
  note(): string {
    const tables = [...this.#tables.values()].map(({ table, noted, found }): [string, readonly Entry[]] => [
      nameInNote(table.spec),
      inOrderOfKeys([...noted, ...found]).map(([text, { item }]) => entryOf(text, item)),
    ]);
    return JSON.stringify(Object.fromEntries([...this.#others, ...tables.filter(([, entries]) => entries.length > 0)]));
  }

  #found(table: TableLookups, text: string, { item, chars }: SizedItem): LookedUp {
    const found = new LookedUp(item);
    table.found.set(text, found);
    this.#chars += chars;
    return found;
  }

  #takeNoted(noted: string): void {
    for (const [name, entries] of Object.entries(JSON.parse(noted) as Readonly<Record<string, readonly Entry[]>>)) {
      const table = [...this.#tables.values()].find((one) => nameInNote(one.table.spec) === name);
      if (table === undefined) this.#others.push([name, entries]);
      else for (const entry of entries) table.noted.set(entry[0], new LookedUp(itemOf(entry)));
    }
  }
}

/** Of the items of one table those that have other columns, as another plan reads them, are other items. */
function nameInNote({ name, columns }: LookupTableSpec): string {
  return columns === undefined ? name : `${name} ${JSON.stringify([...new Set(columns)].sort())}`;
}

/** What was kept is found before what is asked for: without an order two processes would note the same items as two notes. */
function inOrderOfKeys(entries: readonly (readonly [text: string, LookedUp])[]): typeof entries {
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
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
