import { Buffer } from 'node:buffer';
import { type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import {
  type DecodedRecord,
  eventTimeMsMax,
  eventTimeMsMin,
  messageOf,
  type Rejection,
} from '#shared/engine/decode/decode.ts';
import { type ChunkLimits, ChunkPacker, chunkLimits } from '#shared/engine/transform/exchange.ts';
import type { Lookups } from '#shared/engine/transform/lookups.ts';
import { Preprocessor } from '#shared/engine/transform/preprocess.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { DeadLetters } from '#shared/ports/dead-letters.ts';
import type { Exchange } from '#shared/ports/exchange.ts';
import type { LookupTables } from '#shared/ports/lookup-tables.ts';
import type { ShardDirectory } from '#shared/ports/shard-directory.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import type { Roster } from '#shared/schemas/block.ts';
import { type DeadLetter, deadLetterPayloadBytesMax } from '#shared/schemas/dead-letter.ts';
import { assert, MillraceError } from '#shared/schemas/error.ts';
import { compareSequences } from '#shared/schemas/position.ts';
import { watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import type { OriginCounts } from '#shared/schemas/state.ts';
import { createAdmission } from './admission.ts';
import { decodeTools } from './decode-tools.ts';
import { type BatchPart, Enrichment, type LookupLimits } from './enrichment.ts';
import { LoneRecord, noCounts } from './lone-record.ts';
import { putBlocks } from './put-blocks.ts';
import { noPlaces, placesIn, type RawRecord, type RawVisitor, readRaw, visitNothing } from './raw-record.ts';

export { attemptsMax } from './lone-record.ts';
export type { RawRecord } from './raw-record.ts';

export interface PreprocessOptions {
  readonly pipeline: Pipeline;
  readonly source: string;
  readonly exchange: Exchange;
  /** The shards of the raw stream. */
  readonly directory: ShardDirectory;
  readonly state: StateStore;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly limits?: ChunkLimits;
  /** Only where the pipeline looks records up. */
  readonly lookupTables?: LookupTables;
  readonly lookupLimits?: LookupLimits;
}

export interface Preprocess {
  /**
   * Takes one batch of one raw shard into the exchange. `failedFrom` is the sequence number from which the batch must be sent
   * again; without it all went well. Throws when nothing of the batch was accepted.
   */
  readonly process: (batch: { readonly shardId: string; readonly records: readonly RawRecord[] }) => Promise<BatchEnd>;
}

interface BatchEnd {
  readonly failedFrom?: string;
}

/** The preprocess stage of one source. Keeps nothing between batches but what is derived from the plan. */
export function createPreprocess(options: PreprocessOptions): Preprocess {
  const pipeline = compile(options.pipeline);
  const source = pipeline.sources.get(options.source);
  if (source === undefined) {
    throw new MillraceError(
      'SETTING_INVALID',
      `pipeline ${pipeline.id} has no source ${options.source}; it has ${[...pipeline.sources.keys()].join(', ')}.`,
    );
  }
  // What it keeps is which text is which key, and how lines are written: the same for every attempt, and warm after the first.
  const preprocessor = new Preprocessor(pipeline, source, decodeTools);
  const roster = createRoster(options.directory);
  const admit = createAdmission(options.pipeline, options.state);
  const isEnriched = lookupTablesOf(options.pipeline.plan, options.source).length > 0;
  const enrichment = isEnriched
    ? new Enrichment({ ...options, tables: options.lookupTables, limits: options.lookupLimits })
    : undefined;

  /** Takes records that follow one another: all that it is given, or those in front that can be noted at once. `isLone`: a batch of one. */
  const processPart = async (
    shardId: string,
    part: BatchPart,
    isLone: boolean,
  ): Promise<{ readonly end: BatchEnd; readonly taken: number }> => {
    const names = await roster(shardId);
    const [first] = part.records;
    const lone =
      first !== undefined && isLone
        ? new LoneRecord(options.state, pipeline.planHash, options.source, shardId, first)
        : undefined;
    const poison =
      lone !== undefined && first !== undefined && (await lone.begin()) ? await poisonIn(lone, first) : noPlaces;
    const isTried = poison === noPlaces;
    const { records, lookups } =
      enrichment === undefined || !isTried
        ? { records: part.records, lookups: undefined }
        : await enrichment.lookUp(shardId, part, { preprocessor, lone });
    const attempt = new Attempt(options, { pipeline, preprocessor, lookups, shardId, roster: names });
    return { end: await attempt.run(records, { lone: isTried ? lone : undefined, poison }), taken: records.length };
  };

  /** The user records that are poison in a raw record that is: one of its own, or some of an aggregate. */
  const poisonIn = async (lone: LoneRecord, record: RawRecord): Promise<ReadonlySet<number>> => {
    const places = placesIn(record);
    // Which of them it is may show itself only behind a lookup.
    if (places.size === 1 || enrichment !== undefined) return places;
    const found = await lone.poisonIn(places.size, (place) => {
      const others = new Set(places);
      others.delete(place);
      readRaw(preprocessor, record, visitNothing, others);
    });
    // None kills alone what all of them kill.
    return found.size === 0 ? places : found;
  };

  const processEnriched = async (enriched: Enrichment, shardId: string, records: readonly RawRecord[]) => {
    let taken = 0;
    while (taken < records.length) {
      const rest = records.slice(taken);
      try {
        const part = await enriched.firstPart(shardId, rest);
        taken += part.skipped;
        if (part.records.length === 0) continue;
        // Rule 4: the next part waits until all of this one was accepted, and counted.
        const done = await processPart(shardId, part, records.length === 1);
        if (done.end.failedFrom !== undefined) return done.end;
        taken += done.taken;
      } catch (error) {
        const next = records[taken];
        if (taken === 0 || next === undefined || !isTransient(error)) throw error;
        return { failedFrom: next.sequence };
      }
    }
    return {};
  };

  return {
    process: async ({ shardId, records }) => {
      await admit();
      if (enrichment !== undefined) return processEnriched(enrichment, shardId, records);
      return (
        await processPart(shardId, { records, skipped: 0, noted: undefined, read: undefined }, records.length === 1)
      ).end;
    },
  };
}

/** The raw stream's shards, asked for again only when a shard turns up that is not listed: its siblings are listed with it. */
function createRoster(directory: ShardDirectory): (shardId: string) => Promise<Roster> {
  let roster: Roster = {};
  return async (shardId) => {
    if (roster[shardId] === undefined) {
      roster = Object.fromEntries((await directory.list()).map((shard) => [shard.shardId, shard.parents]));
    }
    if (roster[shardId] !== undefined) return roster;
    // A list may lag behind the stream. A slot keeps the parents that it hears of first: without them they would be waited for, for ever.
    throw new MillraceError(
      'SOURCE_UNAVAILABLE',
      `shard ${shardId} of the raw stream is not listed yet, so its parents are not known; the batch will be sent again.`,
    );
  };
}

/** What became of one raw record. */
interface Tally {
  readonly sequence: string;
  sent: number;
  filtered: number;
  rejected: number;
}

/** One attempt at one batch. */
class Attempt {
  readonly #options: PreprocessOptions;
  readonly #pipeline: CompiledPipeline;
  readonly #preprocessor: Preprocessor;
  readonly #lookups: Lookups | undefined;
  readonly #packer: ChunkPacker;
  readonly #shardId: string;
  readonly #limits: ChunkLimits;
  readonly #tallies: Tally[] = [];
  readonly #letters: DeadLetter[] = [];
  /** Everything of the batch up to here was accepted by the exchange. */
  #accepted: string | undefined;

  constructor(
    options: PreprocessOptions,
    {
      pipeline,
      preprocessor,
      lookups,
      shardId,
      roster,
    }: {
      readonly pipeline: CompiledPipeline;
      readonly preprocessor: Preprocessor;
      readonly lookups: Lookups | undefined;
      readonly shardId: string;
      readonly roster: Roster;
    },
  ) {
    this.#options = options;
    this.#pipeline = pipeline;
    this.#shardId = shardId;
    this.#limits = options.limits ?? chunkLimits;
    this.#preprocessor = preprocessor;
    this.#lookups = lookups;
    this.#packer = new ChunkPacker({ pipeline, source: options.source, shard: shardId, roster, limits: this.#limits });
  }

  /** `lone` is the only record, which is being tried; `poison` are places in it. */
  async run(
    records: readonly RawRecord[],
    { lone, poison }: { readonly lone: LoneRecord | undefined; readonly poison: ReadonlySet<number> },
  ): Promise<BatchEnd> {
    try {
      for (const record of records) {
        this.#take(record, poison);
        await lone?.pass();
        await this.#put(this.#packer.take());
      }
      await this.#put(this.#packer.finish());
      // Rule 5: only now does everything up to the batch's end stand accepted.
      await putBlocks(this.#options, this.#packer.heartbeats());
      this.#accepted = records.at(-1)?.sequence;
    } catch (error) {
      if (this.#accepted === undefined || !isTransient(error)) throw error;
      this.#options.telemetry.log('warn', 'The batch was accepted in part; the rest will be sent again.', {
        shard: this.#shardId,
        accepted: this.#accepted,
        error: messageOf(error),
      });
      await this.#settle();
      return { failedFrom: this.#afterAccepted(records) };
    }
    await this.#settle();
    this.#report(records);
    return {};
  }

  async #put(chunks: ReturnType<ChunkPacker['take']>): Promise<void> {
    for (const chunk of chunks) {
      // Rule 4: one unacknowledged chunk per origin; the next one waits until this one is accepted in every slot.
      await putBlocks(this.#options, chunk.blocks);
      if (chunk.completed !== undefined) this.#accepted = chunk.completed;
    }
  }

  #take(record: RawRecord, poison: ReadonlySet<number>): void {
    const tally = this.#tallyOf(record);
    const preprocessor = this.#preprocessor;
    if (this.#lookups !== undefined) preprocessor.lookups = this.#lookups;
    const visitor: RawVisitor = {
      taken: (part, taken) => this.#takeRecord(tally, part, taken),
      punctuation: (part, index) => this.#takePunctuation(tally, part, index),
      rejected: (part, index, rejection) => this.#reject(tally, part, index, part.bytes, rejection),
    };
    readRaw(preprocessor, record, visitor, poison);
    this.#packer.complete(record.sequence);
  }

  #takeRecord(tally: Tally, record: RawRecord, taken: DecodedRecord | Rejection): void {
    const { outputs, outputCount, shares, reader, isWaiting } = this.#preprocessor;
    assert(!isWaiting, 'what a record looks up was looked up before it is taken');
    if (taken.kind === 'rejected') {
      this.#reject(tally, record, reader.index, reader.payload, taken);
      return;
    }
    for (let output = 0; output < outputCount; output += 1) {
      const bytes = ChunkPacker.sizeOf(outputs[output] as (typeof outputs)[number]);
      if (bytes <= this.#limits.blockBytesMax) continue;
      const message = `an output of the record may take ${bytes} bytes, and a block holds ${this.#limits.blockBytesMax}; shorten its key or the values it selects`;
      this.#reject(tally, record, reader.index, reader.payload, { kind: 'rejected', reason: 'too-large', message });
      return;
    }
    tally.sent += 1;
    if (outputCount === 0) tally.filtered += 1;
    this.#packer.add(record.sequence, reader.index, taken.timeMs, outputs, outputCount, shares);
  }

  #takePunctuation(tally: Tally, record: RawRecord, index: number): void {
    let watermark: unknown;
    try {
      watermark = (JSON.parse(decodeTools.text(record.bytes) ?? '') as { readonly watermark?: unknown }).watermark;
    } catch {
      watermark = undefined;
    }
    if (typeof watermark === 'number' && watermark >= eventTimeMsMin && watermark <= eventTimeMsMax) {
      this.#packer.promise(watermark);
      return;
    }
    const message = `a record with the partition key ${watermarkPartitionKey} must be {"watermark": <milliseconds since 1970>} within the years 1 to 9999`;
    this.#reject(tally, record, index, record.bytes, { kind: 'rejected', reason: 'undecodable', message });
  }

  #reject(tally: Tally, record: RawRecord, sub: number, payload: string | Uint8Array, rejection: Rejection): void {
    tally.sent += 1;
    tally.rejected += 1;
    this.#letters.push({
      id: `${this.#options.source}/${this.#shardId}/${record.sequence}/${sub}/${rejection.reason}`,
      pipeline: this.#pipeline.id,
      reason: rejection.reason,
      message: rejection.message,
      source: this.#options.source,
      origin: this.#shardId,
      sequence: record.sequence,
      sub,
      partitionKey: record.partitionKey,
      ...(rejection.step === undefined ? {} : { steps: [rejection.step] }),
      ...(rejection.eventTimeMs === undefined ? {} : { eventTimeMs: rejection.eventTimeMs }),
      payload: Buffer.from(payload as Uint8Array)
        .subarray(0, deadLetterPayloadBytesMax)
        .toString('base64'),
    });
  }

  #tallyOf(record: RawRecord): Tally {
    const tally: Tally = { sequence: record.sequence, sent: 0, filtered: 0, rejected: 0 };
    this.#tallies.push(tally);
    return tally;
  }

  /** The letters, then the counts, of all raw records that are accepted whole. Done last: an attempt that died was not counted. */
  async #settle(): Promise<void> {
    const accepted = this.#accepted as string;
    for (;;) {
      const read = await this.#readOrigin();
      const before = read ?? noCounts;
      // Whoever counted them had sent their letters before.
      if (compareSequences(before.sequence, accepted) >= 0) return;
      const letters = this.#letters.filter(
        ({ sequence }) => compareSequences(sequence, before.sequence) > 0 && compareSequences(sequence, accepted) <= 0,
      );
      if (letters.length > 0) await this.#options.deadLetters.send(letters);
      const next = { sequence: accepted, sent: before.sent, filtered: before.filtered, rejected: before.rejected };
      for (const tally of this.#tallies) {
        // The same fence as everywhere: what is at or below the stored position was counted by an earlier attempt.
        if (compareSequences(tally.sequence, before.sequence) <= 0 || compareSequences(tally.sequence, accepted) > 0)
          continue;
        next.sent += tally.sent;
        next.filtered += tally.filtered;
        next.rejected += tally.rejected;
      }
      if ((await this.#writeOrigin(next, read)) === 'written') return;
    }
  }

  #readOrigin(): Promise<OriginCounts | undefined> {
    return this.#options.state.readOrigin(this.#options.source, this.#shardId);
  }

  #writeOrigin(counts: OriginCounts, read: OriginCounts | undefined): Promise<'written' | 'conflict'> {
    return this.#options.state.writeOrigin({ source: this.#options.source, shard: this.#shardId, counts, read });
  }

  #afterAccepted(records: readonly RawRecord[]): string {
    const accepted = this.#accepted as string;
    const next = records.find((record) => compareSequences(record.sequence, accepted) > 0) ?? records.at(-1);
    return (next as RawRecord).sequence;
  }

  #report(records: readonly RawRecord[]): void {
    const { telemetry } = this.#options;
    const labels = { stage: 'preprocess', shard: this.#shardId };
    const total = (name: 'sent' | 'rejected'): number => this.#tallies.reduce((sum, tally) => sum + tally[name], 0);
    telemetry.metric('records_in_total', total('sent'), labels);
    telemetry.metric(
      'bytes_in_total',
      records.reduce((sum, record) => sum + record.bytes.length, 0),
      labels,
    );
    if (total('rejected') === 0) return;
    telemetry.metric('rejected_records_total', total('rejected'), labels);
    telemetry.metric('dead_letters_total', this.#letters.length, labels);
  }
}

function isTransient(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retry' in error && error.retry === true;
}
