import { type CompiledPipeline, compile } from '#shared/engine/compile.ts';
import { slotHashKey } from '#shared/engine/key.ts';
import type { MemoryStage } from '#shared/engine/memory-stage.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { DeadLetters } from '#shared/ports/dead-letters.ts';
import type { ExchangeBatch, ExchangeReader, ExchangeShard } from '#shared/ports/exchange-reader.ts';
import type { ResultStore } from '#shared/ports/result-store.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { generationOf, type LogPosition, logEnd, logPosition, logStart, sequenceOf } from '#shared/schemas/position.ts';
import { decodeBlock } from './block-codec.ts';
import { createGenerations } from './generations.ts';
import { restoreSlot, saveSlot } from './snapshots.ts';

export interface WorkerOptions {
  readonly pipeline: Pipeline;
  readonly reader: ExchangeReader;
  readonly state: StateStore;
  readonly results: ResultStore;
  readonly blobs: BlobStore;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** How often at most the state is written. A crash repeats the work since the last time. Default 10 s. */
  readonly checkpointEveryMs?: number;
  /** Called whenever a round of reading was done or found nothing to do: the worker's sign of life. */
  readonly onProgress?: () => void;
}

export interface Worker {
  /** Works until `stop`. Rejects when the outside world fails for good: the host then exits, and its successor goes on from the snapshots. */
  readonly run: () => Promise<void>;
  /** Ends after the batch at hand, with a snapshot of everything. */
  readonly stop: () => Promise<void>;
}

const checkpointEveryMsDefault = 10_000;
/** Kinesis allows five reads a second and shard. */
const idleMs = 250;
/** A split or merge is noticed at the latest after this; the end of a shard is noticed at once. */
const listEveryMs = 10_000;

/** A slot in memory, and what of it is stored. */
interface OwnedSlot {
  readonly stage: MemoryStage;
  savedPosition: LogPosition;
  snapshot: string | undefined;
}

/** The window stage: reads the exchange by itself, keeps all state in memory, snapshots it per slot. One worker owns all slots. */
export function createWorker(options: WorkerOptions): Worker {
  const pipeline = compile(options.pipeline);
  let stopping = false;
  let running: Promise<void> | undefined;
  return {
    run: () => {
      running = new WorkerRun(options, pipeline, () => stopping).run();
      return running;
    },
    stop: async () => {
      stopping = true;
      await running;
    },
  };
}

class WorkerRun {
  readonly #options: WorkerOptions;
  readonly #pipeline: CompiledPipeline;
  readonly #isStopping: () => boolean;
  readonly #slots: OwnedSlot[] = [];
  /** Where each shard is read from next; the slots' positions decide when it is not in here. */
  readonly #cursors = new Map<string, string | undefined>();
  readonly #generationOf: (shardId: string) => Promise<number>;
  readonly #generations = new Map<string, number>();
  #shards: readonly ExchangeShard[] = [];
  #listedMs = Number.NEGATIVE_INFINITY;
  #savedMs = 0;

  constructor(options: WorkerOptions, pipeline: CompiledPipeline, isStopping: () => boolean) {
    this.#options = options;
    this.#pipeline = pipeline;
    this.#isStopping = isStopping;
    this.#generationOf = createGenerations({ list: () => options.reader.shards() }, options.state);
  }

  async run(): Promise<void> {
    const { clock } = this.#options;
    for (let slot = 0; slot < this.#pipeline.slots; slot += 1) {
      const { stage, snapshot } = await restoreSlot({ ...this.#options, pipeline: this.#pipeline }, slot);
      this.#slots.push({ stage, snapshot, savedPosition: stage.reader.log.position });
    }
    this.#savedMs = clock.now();
    while (!this.#isStopping()) {
      const progressed = await this.#round();
      if (clock.now() - this.#savedMs >= (this.#options.checkpointEveryMs ?? checkpointEveryMsDefault))
        await this.#save();
      this.#options.onProgress?.();
      if (!progressed) await clock.sleep(idleMs);
    }
    await this.#save();
  }

  /** One read of each shard that may be read; false when there was nothing new. */
  async #round(): Promise<boolean> {
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#listedMs >= listEveryMs) {
      this.#shards = await this.#options.reader.shards();
      for (const shard of this.#shards) this.#generations.set(shard.shardId, await this.#generationOf(shard.shardId));
      this.#listedMs = nowMs;
    }
    let progressed = false;
    for (const shard of this.#shards) {
      if (this.#isStopping()) break;
      if (this.#isFinished(shard) || !this.#mayStart(shard)) continue;
      const batch = await this.#options.reader.read(shard.shardId, this.#cursorOf(shard));
      await this.#apply(shard, batch);
      progressed ||= batch.records.length > 0 || batch.ended;
      this.#options.telemetry.metric('millis_behind_latest', batch.millisBehindLatest, {
        stage: 'window',
        shard: shard.shardId,
      });
    }
    return progressed;
  }

  async #apply(shard: ExchangeShard, batch: ExchangeBatch): Promise<void> {
    const { deadLetters, results, state, telemetry } = this.#options;
    const generation = this.#generations.get(shard.shardId) as number;
    for (const record of batch.records) {
      const block = decodeBlock(record.bytes, `record ${record.sequence} of ${shard.shardId}`);
      const position = logPosition(generation, record.sequence);
      const slot = this.#slots[block.slot];
      if (slot === undefined) {
        throw new MillraceError(
          'SLOTS_MISMATCH',
          `record ${record.sequence} of ${shard.shardId} is a block of slot ${block.slot} of ${block.slots}, and pipeline ${this.#pipeline.id} has ${this.#pipeline.slots}. Set slots back to ${block.slots}, or drain the pipeline and deploy it with new state.`,
        );
      }
      slot.stage.apply({ block, position, arrivalMs: record.arrivalMs });
    }
    for (const { stage } of this.#slotsOf(shard)) {
      const letters = stage.reader.letters.splice(0);
      const marks = stage.reader.lateMarks.splice(0);
      if (letters.length > 0) {
        await deadLetters.send(letters);
        telemetry.metric('late_records_total', letters.length, { stage: 'window', slot: String(stage.reader.slot) });
      }
      if (marks.length > 0) await state.addLateMarks(marks);
      const emission = stage.takeEmission();
      if (emission.rows.length > 0) await results.writeRows(emission.rows);
      if (emission.totals.length > 0) await results.writeTotals(emission.totals);
    }
    const last = batch.records.at(-1);
    if (last !== undefined) this.#cursors.set(shard.shardId, last.sequence);
    if (!batch.ended) return;
    for (const { stage } of this.#slotsOf(shard)) stage.endShard(logEnd(generation));
    // Rule 15: the shard is finished only after the snapshots of all its slots have reached its end.
    await this.#save();
    this.#listedMs = Number.NEGATIVE_INFINITY;
  }

  /** Writes the slots that have changed, rows and letters of which stand already (rule 14). */
  async #save(): Promise<void> {
    const { clock, telemetry } = this.#options;
    const startMs = clock.now();
    let bytes = 0;
    for (const slot of this.#slots) {
      if (slot.stage.reader.log.position <= slot.savedPosition) continue;
      const position = slot.stage.reader.log.position;
      const saved = await saveSlot({ ...this.#options, pipeline: this.#pipeline }, slot.stage, slot.snapshot);
      slot.snapshot = saved.snapshot;
      slot.savedPosition = position;
      bytes += saved.bytes;
    }
    this.#savedMs = clock.now();
    const labels = { stage: 'window' };
    telemetry.metric('checkpoint_duration_ms', this.#savedMs - startMs, labels);
    if (bytes > 0) telemetry.metric('checkpoint_bytes', bytes, labels);
    telemetry.metric(
      'state_keys',
      this.#slots.reduce((sum, { stage }) => sum + stage.keyCount, 0),
      labels,
    );
    telemetry.metric(
      'open_windows',
      this.#slots.reduce((sum, { stage }) => sum + stage.openCount, 0),
      labels,
    );
  }

  /** The slots whose one fixed point (rule 1) lies in the shard's range. */
  #slotsOf(shard: ExchangeShard): readonly OwnedSlot[] {
    return this.#slots.filter((_, slot) => owns(shard, slotHashKey(slot, this.#pipeline.slots)));
  }

  /** Every slot of the shard stands at or behind the shard's end. */
  #isFinished(shard: ExchangeShard): boolean {
    const end = logEnd(this.#generations.get(shard.shardId) as number);
    return this.#slotsOf(shard).every(({ stage }) => stage.reader.log.position >= end);
  }

  /** Rule 7: a child starts only when all ancestors are finished, transitively through empty shards. */
  #mayStart(shard: ExchangeShard): boolean {
    const visit = (shardId: string): boolean => {
      const found = this.#shards.find((candidate) => candidate.shardId === shardId);
      // An ancestor that is not listed any more has passed its retention: there is nothing left to read in it.
      if (found === undefined) return true;
      return this.#isFinished(found) && found.parents.every(visit);
    };
    return shard.parents.every(visit);
  }

  /** Behind the least of the slots' positions: what a slot has seen already it passes over. */
  #cursorOf(shard: ExchangeShard): string | undefined {
    if (this.#cursors.has(shard.shardId)) return this.#cursors.get(shard.shardId);
    const generation = this.#generations.get(shard.shardId) as number;
    let least: LogPosition | undefined;
    for (const { stage } of this.#slotsOf(shard)) {
      const { position } = stage.reader.log;
      if (least === undefined || position < least) least = position;
    }
    return least === undefined || least === logStart || generationOf(least) < generation
      ? undefined
      : sequenceOf(least);
  }
}

function owns(shard: ExchangeShard, hashKey: bigint): boolean {
  return hashKey >= shard.startingHashKey && hashKey <= shard.endingHashKey;
}
