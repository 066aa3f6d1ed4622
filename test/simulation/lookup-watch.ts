import { createMemoryLookupTables, type MemoryLookupTables } from '#shared/adapters/memory/lookup-tables.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';
import { compareSequences } from '#shared/schemas/position.ts';
import type { SavepointManifest } from '#shared/schemas/savepoint.ts';
import type { FindItem } from '#shared/testing/walk.ts';
import { freshnessMs } from './enriched.ts';

/** What was noted for the records from `from` to `to` of a shard. */
export interface SeenNote {
  readonly source: string;
  readonly shard: string;
  readonly from: string;
  readonly to: string;
  /** By table and text of the key; null where there was no item. */
  readonly items: ReadonlyMap<string, LookupItem | null>;
}

interface Version {
  readonly sinceMs: number;
  readonly json: string | undefined;
}

/** The tables of a world, and all that is noted of them: each note must be true, and no two may say different things of one record. */
export class LookupWatch {
  readonly tables: MemoryLookupTables;
  readonly #names: readonly string[];
  /** By table and text of the key, the oldest first. */
  readonly #versions: Map<string, Version[]>;
  readonly #notes: SeenNote[] = [];
  readonly #complain: (complaint: string) => void;

  /** The tables are those of the deployment before, if there was one. */
  constructor(pipeline: Pipeline, complain: (complaint: string) => void, before?: LookupWatch) {
    const specs = lookupTablesOf(pipeline.plan).map(({ spec }) => spec);
    this.tables = before?.tables ?? createMemoryLookupTables(specs);
    this.#versions = before === undefined ? new Map() : before.#versions;
    this.#names = specs.map(({ name }) => name);
    this.#complain = complain;
  }

  /** Of this world; those of the one before come first. */
  get notes(): readonly SeenNote[] {
    return this.#notes;
  }

  /** All tables hold the same. */
  put(key: string, item: LookupItem | undefined, nowMs: number): void {
    for (const table of this.#names) {
      if (item === undefined) this.tables.remove(table, { key });
      else this.tables.put(table, item);
      const name = nameOf(table, [key]);
      const version = { sinceMs: nowMs, json: item && JSON.stringify(item) };
      this.#versions.set(name, [...(this.#versions.get(name) ?? []), version]);
    }
  }

  /** The store, with an eye on the notes. `begunMs` is when the attempt began that writes. */
  over(store: StateStore, begunMs: () => number, now: () => number): StateStore {
    return {
      ...store,
      writeLookups: async (request) => {
        const outcome = await store.writeLookups(request);
        if (outcome === 'written') this.#see(request, begunMs(), now());
        return outcome;
      },
    };
  }

  #see({ source, shard, lookups }: Parameters<StateStore['writeLookups']>[0], begunMs: number, nowMs: number): void {
    const items = new Map<string, LookupItem | null>();
    const body = JSON.parse(lookups.body) as Readonly<Record<string, readonly [key: string, item?: LookupItem][]>>;
    for (const [table, entries] of Object.entries(body))
      for (const [key, item] of entries) items.set(nameOf(table, JSON.parse(key)), item ?? null);
    const { from, to } = lookups;
    const before = this.#notes.filter((note) => note.source === source && note.shard === shard);
    for (const note of before) {
      const isApart = compareSequences(note.to, from) < 0 || compareSequences(to, note.from) < 0;
      for (const [name, item] of isApart ? [] : items)
        if (note.items.has(name) && JSON.stringify(note.items.get(name)) !== JSON.stringify(item))
          this.#complain(`two notes for records ${from} to ${to} of ${shard} have other items under ${name}`);
    }
    const known = new Set(
      before.filter((note) => note.from === from && note.to === to).flatMap((note) => [...note.items.keys()]),
    );
    for (const [name, item] of items) if (!known.has(name)) this.#checkFresh(name, item, begunMs, nowMs);
    this.#notes.push({ source, shard, from, to, items });
  }

  /** Some version that the table had no longer ago than it may be. */
  #checkFresh(name: string, item: LookupItem | null, begunMs: number, nowMs: number): void {
    const json = item === null ? undefined : JSON.stringify(item);
    const versions = [{ sinceMs: Number.NEGATIVE_INFINITY, json: undefined }, ...(this.#versions.get(name) ?? [])];
    const isTrue = versions.some((version, at) => {
      const untilMs = versions[at + 1]?.sinceMs ?? Number.POSITIVE_INFINITY;
      return version.json === json && version.sinceMs <= nowMs && untilMs >= begunMs - freshnessMs;
    });
    if (!isTrue) this.#complain(`${name} is noted as ${json}, which the table has not had for ${freshnessMs} ms`);
  }
}

/** The notes of the records that a savepoint has; what was noted behind it is looked up again. */
export function upTo(notes: readonly SeenNote[], origins: SavepointManifest['origins']): readonly SeenNote[] {
  return notes.flatMap((note) => {
    const origin = origins.find(({ source, shard }) => source === note.source && shard === note.shard);
    if (origin === undefined || compareSequences(note.from, origin.counts.sequence) > 0) return [];
    const isWhole = compareSequences(note.to, origin.counts.sequence) <= 0;
    return [isWhole ? note : { ...note, to: origin.counts.sequence }];
  });
}

/**
 * What was looked up for a record: by the first note that says it, since what was counted by it stays so after a savepoint. Where an earlier plan has
 * counted the record, it `mayLack` what only the later one asks for.
 */
export function findIn(
  notes: readonly SeenNote[],
  { source, shard, sequence }: { readonly source: string; readonly shard: string; readonly sequence: string },
  mayLack: boolean,
): FindItem {
  const ofRecord = notes.filter(
    (note) =>
      note.source === source &&
      note.shard === shard &&
      compareSequences(note.from, sequence) <= 0 &&
      compareSequences(sequence, note.to) <= 0,
  );
  return (table, key) => {
    const name = nameOf(table, key);
    const note = ofRecord.find(({ items }) => items.has(name));
    if (note === undefined && mayLack) return undefined;
    if (note === undefined) throw new Error(`nothing is noted of ${name} for record ${sequence} of ${shard}`);
    return note.items.get(name) ?? undefined;
  };
}

function nameOf(table: string, key: readonly unknown[]): string {
  return `${table} ${JSON.stringify(key)}`;
}
