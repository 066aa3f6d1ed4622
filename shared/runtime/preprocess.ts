import { Buffer } from 'node:buffer';
import { type CompiledPipeline, compile } from '#shared/engine/compile.ts';
import {
  type DecodedRecord,
  eventTimeMsMax,
  eventTimeMsMin,
  messageOf,
  type Rejection,
} from '#shared/engine/decode.ts';
import { type ChunkLimits, ChunkPacker, chunkLimits } from '#shared/engine/exchange.ts';
import { Preprocessor } from '#shared/engine/preprocess.ts';
import { decompressedBytesMax } from '#shared/pipeline/decoder.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { DeadLetters } from '#shared/ports/dead-letters.ts';
import type { Exchange } from '#shared/ports/exchange.ts';
import type { ShardDirectory } from '#shared/ports/shard-directory.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import type { Roster } from '#shared/schemas/block.ts';
import { type DeadLetter, deadLetterPayloadBytesMax } from '#shared/schemas/dead-letter.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { compareSequences } from '#shared/schemas/position.ts';
import { watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import type { OriginCounts } from '#shared/schemas/state.ts';
import { createAdmission } from './admission.ts';
import { deaggregate, userRecordsMax } from './deaggregate.ts';
import { compressionOf, decodeTools, decompress } from './decode-tools.ts';
import { putBlocks } from './put-blocks.ts';

/** A record of a raw stream. It may be an aggregate of the Kinesis Producer Library; its records are then told apart. */
export interface RawRecord {
  readonly sequence: string;
  readonly partitionKey: string;
  readonly bytes: Uint8Array;
  readonly arrivalMs: number;
}

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
}

export interface Preprocess {
  /**
   * Takes one batch of one raw shard into the exchange. `failedFrom` is the sequence number from which the batch must be sent
   * again; without it all went well. Throws when nothing of the batch was accepted.
   */
  readonly process: (batch: {
    readonly shardId: string;
    readonly records: readonly RawRecord[];
  }) => Promise<{ readonly failedFrom?: string }>;
}

/** A lone record that has killed the process so often is taken for poison (rule 6). */
export const attemptsMax = 3;
/** The count of a lone record whose callbacks have come through once: they are pure, so they always will. */
const cameThrough = 0;

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
  return {
    process: async (batch) => {
      await admit();
      const attempt = new Attempt(options, pipeline, preprocessor, batch.shardId, await roster(batch.shardId));
      return attempt.run(batch.records);
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
  readonly #packer: ChunkPacker;
  readonly #shardId: string;
  readonly #limits: ChunkLimits;
  readonly #tallies: Tally[] = [];
  readonly #letters: DeadLetter[] = [];
  /** What the raw record at hand may still decompress to: all its user records together, so that none of them is a bomb. */
  #roomBytes = 0;
  /** Everything of the batch up to here was accepted by the exchange. */
  #accepted: string | undefined;
  /** What was noted of a lone record before its callbacks were called. */
  #tried: OriginCounts | undefined;

  constructor(
    options: PreprocessOptions,
    pipeline: CompiledPipeline,
    preprocessor: Preprocessor,
    shardId: string,
    roster: Roster,
  ) {
    this.#options = options;
    this.#pipeline = pipeline;
    this.#shardId = shardId;
    this.#limits = options.limits ?? chunkLimits;
    this.#preprocessor = preprocessor;
    this.#packer = new ChunkPacker({ pipeline, source: options.source, shard: shardId, roster, limits: this.#limits });
  }

  async run(records: readonly RawRecord[]): Promise<{ readonly failedFrom?: string }> {
    const poison = records.length === 1 && (await this.#beginLone(records[0] as RawRecord));
    try {
      for (const record of records) {
        if (poison) this.#rejectPoison(record);
        else this.#take(record);
        if (records.length === 1 && !poison) await this.#passLone(record);
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

  #take(record: RawRecord): void {
    const tally = this.#tallyOf(record);
    this.#roomBytes = decompressedBytesMax;
    const userRecords = deaggregate(record.bytes) ?? [record];
    if (userRecords === 'too-many') {
      const message = `the record is an aggregate of more than ${userRecordsMax} records; aggregate fewer`;
      this.#reject(tally, record, 0, record.bytes, { kind: 'rejected', reason: 'too-large', message });
    } else {
      // Rule 2: the lines are counted on from one user record to the next.
      let index = 0;
      for (const userRecord of userRecords) index = this.#takeUserRecord(tally, { ...record, ...userRecord }, index);
    }
    this.#packer.complete(record.sequence);
  }

  /** Takes a record that is no aggregate, whose first line has this index. Gives the index of the line behind its last. */
  #takeUserRecord(tally: Tally, record: RawRecord, first: number): number {
    if (record.partitionKey === watermarkPartitionKey) {
      this.#takePunctuation(tally, record, first);
      return first + 1;
    }
    const { reader } = this.#preprocessor;
    const unpacked = this.#unpack(record);
    if (unpacked instanceof Uint8Array) {
      reader.begin({ arrivalMs: record.arrivalMs }, { index: first });
      this.#preprocessor.takeBytes(unpacked, (taken) => this.#takeRecord(tally, record, taken));
      return reader.index;
    }
    this.#reject(tally, record, first, record.bytes, unpacked);
    return first + 1;
  }

  /** The record's bytes as they were before they were compressed, if they were. */
  #unpack(record: RawRecord): Uint8Array | Rejection {
    const kind = compressionOf(record.bytes);
    if (kind === undefined) return record.bytes;
    const bytes = decompress(record.bytes, { kind, bytesMax: this.#roomBytes });
    if (bytes === 'too-large') {
      const message = `the record holds more than ${decompressedBytesMax} bytes when it is decompressed (${kind}); put less into one`;
      return { kind: 'rejected', reason: 'too-large', message };
    }
    if (bytes instanceof Error) {
      // Numbers of a binary format may look like it, so the format is asked, and no text begins so.
      if (!this.#preprocessor.reader.readsLines(record.bytes)) return record.bytes;
      const message = `the record begins as ${kind} does, and cannot be decompressed: ${bytes.message}`;
      return { kind: 'rejected', reason: 'undecodable', message };
    }
    this.#roomBytes -= bytes.length;
    return bytes;
  }

  #takeRecord(tally: Tally, record: RawRecord, taken: DecodedRecord | Rejection): void {
    const { outputs, outputCount, shares, reader } = this.#preprocessor;
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

  /** Whichever of an aggregate's records it was, they are tried together: each is one that was sent, and has its own letter. */
  #rejectPoison(record: RawRecord): void {
    const tally = this.#tallyOf(record);
    const message = `a callback killed the process or ran out of time on this record ${attemptsMax} times`;
    const userRecords = deaggregate(record.bytes);
    for (const [index, part] of (Array.isArray(userRecords) ? userRecords : [record]).entries())
      this.#reject(tally, { ...record, ...part }, index, part.bytes, { kind: 'rejected', reason: 'threw', message });
    this.#packer.complete(record.sequence);
  }

  #tallyOf(record: RawRecord): Tally {
    const tally: Tally = { sequence: record.sequence, sent: 0, filtered: 0, rejected: 0 };
    this.#tallies.push(tally);
    return tally;
  }

  /** Rule 6: notes that a lone record is being tried; true when it has killed the process too often. */
  async #beginLone(record: RawRecord): Promise<boolean> {
    // A punctuation meets no callback, so what died on it died of something else.
    if (record.partitionKey === watermarkPartitionKey && deaggregate(record.bytes) === undefined) return false;
    for (;;) {
      const read = await this.#readOrigin();
      const count = read?.attempt?.sequence === record.sequence ? read.attempt.count : undefined;
      if (count === cameThrough) return false;
      if (count !== undefined && count > attemptsMax) return true;
      const tried = { ...(read ?? noCounts), attempt: { sequence: record.sequence, count: (count ?? 0) + 1 } };
      if ((await this.#writeOrigin(tried, read)) === 'conflict') continue;
      this.#tried = tried;
      return tried.attempt.count > attemptsMax;
    }
  }

  /** The callbacks have come through: what kills the process from here on, in any attempt, is not the record. */
  async #passLone(record: RawRecord): Promise<void> {
    let read = this.#tried;
    while (read?.attempt?.sequence === record.sequence && read.attempt.count !== cameThrough) {
      if (read.attempt.count > attemptsMax) {
        throw new MillraceError(
          'STORE_CONFLICT',
          `record ${record.sequence} of ${this.#shardId} came through after another attempt had taken it for poison; the batch will be sent again.`,
        );
      }
      const passed = { ...read, attempt: { ...read.attempt, count: cameThrough } };
      if ((await this.#writeOrigin(passed, read)) === 'written') return;
      read = await this.#readOrigin();
    }
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

const noCounts: OriginCounts = { sequence: '', sent: 0, filtered: 0, rejected: 0 };

function isTransient(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retry' in error && error.retry === true;
}
