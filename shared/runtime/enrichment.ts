import { createHash } from 'node:crypto';
import type { Lookups } from '#shared/engine/transform/lookups.ts';
import type { Preprocessor } from '#shared/engine/transform/preprocess.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { LookupTables } from '#shared/ports/lookup-tables.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { assert, MillraceError } from '#shared/schemas/error.ts';
import type { NotedLookups } from '#shared/schemas/lookup.ts';
import { compareSequences } from '#shared/schemas/position.ts';
import { BatchLookups, type BatchTable } from './batch-lookups.ts';
import type { LoneRecord } from './lone-record.ts';
import { LookupCache } from './lookup-cache.ts';
import { type RawRecord, readRaw, visitNothing } from './raw-record.ts';

export interface LookupLimits {
  /** Of what is found for one batch and noted at once, as text: of a batch that finds more, fewer records are taken at a time. */
  readonly noteCharsMax: number;
  /** How many items are asked for at once: all of them, up to 400 KB each, are in memory before anybody knows how large they are. */
  readonly keysPerRead: number;
}

export const lookupLimits: LookupLimits = { noteCharsMax: 8_000_000, keysPerRead: 400 };
/** As long as a stream can keep the records that a note is about, and a margin. */
const noteKeptMs = 400 * 86_400_000;

export interface EnrichmentOptions {
  readonly pipeline: Pipeline;
  readonly source: string;
  readonly state: StateStore;
  readonly tables: LookupTables | undefined;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly limits?: LookupLimits | undefined;
}

/** Records of a batch that follow one another, and what an earlier attempt has noted for them. */
export interface BatchPart {
  readonly records: readonly RawRecord[];
  /** How many records in front of them need not be put again. */
  readonly skipped: number;
  /** What was noted for these very records. */
  readonly noted: NotedLookups | undefined;
  /** The note that the next one takes the place of. */
  readonly read: string | undefined;
}

/**
 * The lookups of one source. A table may have something else in the next attempt, and then a record would have other outputs, in other slots,
 * where no mark drops those that were counted: so what was looked up is noted before the first block is put, and whoever takes up the same
 * records finds the note (docs/decisions/0024).
 *
 * A shard has one note, of records from `from` to `to` that follow one another. It is taken the place of, on condition that it is still the one
 * that was read, by whoever goes on behind it, and nobody does before all up to `to` was accepted and counted.
 */
export class Enrichment {
  readonly #options: EnrichmentOptions;
  readonly #tables: LookupTables;
  readonly #caches: ReadonlyMap<string, BatchTable>;
  /** The note of each shard that this process has written or read last. */
  readonly #known = new Map<string, Pick<NotedLookups, 'id' | 'to'>>();

  constructor(options: EnrichmentOptions) {
    const { pipeline, tables } = options;
    assert(tables !== undefined, 'a host of a pipeline that looks records up has the tables');
    this.#options = options;
    this.#tables = tables;
    this.#caches = new Map(
      lookupTablesOf(pipeline.plan, options.source).map((table) => [
        table.spec.name,
        { table, cache: new LookupCache(table) },
      ]),
    );
  }

  /** The first records of a batch that are to be put, up to where a note ends. There are none when all of them were put and counted. */
  async firstPart(shardId: string, records: readonly RawRecord[]): Promise<BatchPart> {
    const [first] = records;
    const known = this.#known.get(shardId);
    // Nobody can have noted something for these records without taking the place of the note that we know, which we shall see.
    if (known !== undefined && first !== undefined && compareSequences(first.sequence, known.to) > 0)
      return { records, skipped: 0, noted: undefined, read: known.id };
    const noted = await this.#options.state.readLookups(this.#options.source, shardId);
    if (noted === undefined) return { records, skipped: 0, noted, read: undefined };
    this.#known.set(shardId, noted);
    // What stands before a note was accepted and counted before it was written.
    const left = records.filter(({ sequence }) => compareSequences(sequence, noted.from) >= 0);
    const skipped = records.length - left.length;
    const covered = left.filter(({ sequence }) => compareSequences(sequence, noted.to) <= 0);
    return covered.length === 0
      ? { records: left, skipped, noted: undefined, read: noted.id }
      : { records: covered, skipped, noted, read: noted.id };
  }

  /** Looks up what the part's records need, and notes it. The lookups are those of the records that are given with them, which may be fewer. */
  async lookUp(
    shardId: string,
    part: BatchPart,
    { preprocessor, lone }: { readonly preprocessor: Preprocessor; readonly lone: LoneRecord | undefined },
  ): Promise<{ readonly records: readonly RawRecord[]; readonly lookups: Lookups }> {
    const outside: LoneRecord['outside'] = (work) => (lone === undefined ? work() : lone.outside(work));
    const { clock, telemetry, limits = lookupLimits } = this.#options;
    const lookups = new BatchLookups({
      tables: this.#caches,
      now: clock.now,
      charsMax: limits.noteCharsMax,
      noted: part.noted?.body,
    });
    let { records } = part;
    for (;;) {
      preprocessor.lookups = lookups;
      for (const record of records) readRaw(preprocessor, record, visitNothing);
      const isMissing = lookups.missing().length > 0;
      if (lookups.isFull && records.length > 1) {
        records = records.slice(0, Math.ceil(records.length / 2));
        lookups.startAgain();
      } else if (!isMissing) break;
      else if (lookups.isFull) lookups.refuseMissing();
      else await outside(() => this.#fetch(lookups, limits.keysPerRead));
    }
    if (lookups.hasNew) await outside(() => this.#note(shardId, { ...part, records }, lookups.note()));
    const labels = { stage: 'preprocess', shard: shardId };
    telemetry.metric('lookups_total', lookups.asked, labels);
    telemetry.metric('lookup_hits_total', lookups.kept, labels);
    return { records, lookups };
  }

  /** Asks for what is missing, as long as there is room for it. */
  async #fetch(lookups: BatchLookups, keysPerRead: number): Promise<void> {
    const { clock, telemetry } = this.#options;
    for (const { table, keys } of lookups.missing()) {
      for (let from = 0; from < keys.length && !lookups.isFull; from += keysPerRead) {
        const wanted = keys.slice(from, from + keysPerRead);
        const askedMs = clock.now();
        const items = await this.#tables.read(table.spec, wanted);
        for (const [at, key] of wanted.entries()) lookups.answer(table, key, items[at], askedMs);
        telemetry.metric('lookup_reads_total', wanted.length, { stage: 'preprocess', table: table.spec.name });
      }
    }
  }

  async #note(shardId: string, { records, noted, read }: BatchPart, body: string): Promise<void> {
    const { state, source, clock } = this.#options;
    const from = noted?.from ?? (records[0] as RawRecord).sequence;
    const to = noted?.to ?? (records.at(-1) as RawRecord).sequence;
    const id = createHash('sha256')
      .update(JSON.stringify([from, to, body]))
      .digest('hex')
      .slice(0, 32);
    const expiresMs = clock.now() + noteKeptMs;
    const lookups = { id, from, to, body };
    for (let before = read; ; ) {
      const outcome = await state.writeLookups({ source, shard: shardId, lookups, read: before, expiresMs });
      const found = outcome === 'written' ? lookups : await state.readLookups(source, shardId);
      // Whoever has written the very same note has the same items for the same records.
      if (found?.id === id) {
        this.#known.set(shardId, { id, to });
        return;
      }
      // What a process knows of a shard that others have read meanwhile is old: these records may be noted by nobody for all that.
      if (noted !== undefined || found === undefined || compareSequences(found.to, from) >= 0) break;
      before = found.id;
    }
    this.#known.delete(shardId);
    throw new MillraceError(
      'STORE_CONFLICT',
      `another attempt has noted what it has looked up for records of ${shardId} meanwhile; the batch will be sent again.`,
    );
  }
}
