import { owns, slotHashKey } from '#shared/engine/keys/key.ts';
import type { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import type { ExchangeBatch, ExchangeShard } from '#shared/ports/exchange-reader.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { generationOf, type LogPosition, logEnd, sequenceOf } from '#shared/schemas/position.ts';
import { BlockDecoder } from './block-codec.ts';
import { behindMsOf, bytesOf, firstCursor, placeBlocks } from './exchange-batch.ts';
import { readBytesMax } from './read-budget.ts';
import { RowFeed } from './row-feed.ts';
import { SaveCadence } from './save-cadence.ts';
import type { ShardReaderOptions } from './shard-reader-options.ts';
import { restoreSlot, type SnapshotOptions, type StoredSnapshot, saveKindOf, saveSlot } from './snapshots.ts';
import { Turn } from './turn.ts';
import { writeEmission } from './write-emission.ts';

/**
 * How it came to an end. `ended`: the shard is read to its end, and the snapshots of all its slots have reached it (rule 15). `stopped`:
 * as asked, with a snapshot of everything. `abandoned`: as asked, with nothing written after that.
 */
export type ReaderEnd = 'ended' | 'stopped' | 'abandoned';

/** Kinesis allows five reads a second and shard. */
const idleMs = 250;

/** A slot at hand, and what of it is stored. */
interface OwnedSlot {
  readonly stage: MemoryStage;
  savedPosition: LogPosition;
  savedMs: number;
  snapshot: StoredSnapshot | undefined;
  /** A base that is being stored while the slot goes on. Never rejects. */
  saving: Promise<void> | undefined;
}

/** Reads one shard of the exchange, keeps the state of its slots in memory, and snapshots it per slot. */
export class ShardReader {
  readonly #options: ShardReaderOptions;
  readonly #slots = new Map<number, OwnedSlot>();
  readonly #decoder = new BlockDecoder();
  #request: 'go-on' | 'stop' | 'abandon' = 'go-on';
  /** Where the shard is read from next. */
  #cursor: string | undefined;
  readonly #cadence: SaveCadence;
  readonly #feed: RowFeed;
  #progress = 0;
  /** The slots whose bases are being stored. */
  readonly #storing = new Set<OwnedSlot>();
  /** Of these the ones that have taken no step since `progress` rose: each must take one, or the reader is stuck. */
  readonly #waiting = new Set<OwnedSlot>();
  #isRestored = false;
  #hasSaved = false;
  /** Of the budget: what the batch at hand takes. */
  #taken = 0;
  /** What the last batch was like, the next one may be like. */
  #expected = readBytesMax;
  /** No block is applied any more, so whatever is still to be stored may be told as a delta. */
  #standsStill = false;
  /** Why a base could not be stored. */
  #failure: { readonly error: unknown } | undefined;

  constructor(options: ShardReaderOptions) {
    this.#options = options;
    this.#feed = new RowFeed({ ...options, isAbandoned: () => this.#isAbandoned(), onProgress: () => this.#goOn() });
    this.#cadence = new SaveCadence(options.checkpointEveryMs, options.savedMs ?? options.clock.now());
  }

  /** Rises with every step that was taken, also with one that found nothing new: what stands still is stuck. */
  get progress(): number {
    return this.#progress;
  }

  /** When its state was last written, or else when it began. */
  get savedMs(): number {
    let { savedMs } = this.#cadence;
    for (const slot of this.#slots.values()) if (slot.saving !== undefined) savedMs = Math.min(savedMs, slot.savedMs);
    return savedMs;
  }

  /** It has its state. Before that there is nothing to hand over. */
  get isRestored(): boolean {
    return this.#isRestored;
  }

  /** It has taken each kind of step, restored, read, and saved, so that whoever comes next is further; no base is on its way any more. */
  get hasSaved(): boolean {
    return this.#hasSaved && this.#storing.size === 0;
  }

  /** A slot that had to go back is behind what was stored of it: whoever is handed the shard now begins where this reader began. */
  get isBehind(): boolean {
    const slots = this.#isRestored ? [...this.#slots.values()] : [];
    return slots.some(({ stage, snapshot }) => snapshot !== undefined && stage.reader.log.position < snapshot.position);
  }

  /** Its state is still being restored, or is being handed over. */
  get isMoving(): boolean {
    return !this.#isRestored || this.#request === 'stop';
  }

  get keyCount(): number {
    return this.#stages().reduce((sum, { keyCount }) => sum + keyCount, 0);
  }

  get openCount(): number {
    return this.#stages().reduce((sum, { openCount }) => sum + openCount, 0);
  }

  /** Reads until the shard ends, or until asked to stop. Rejects when the outside world fails; another reader then goes on from the snapshots. */
  async run(): Promise<ReaderEnd> {
    const { reader, shard, budget } = this.#options;
    try {
      return await this.#read();
    } finally {
      this.#taken = budget.replace(this.#taken, 0);
      reader.release?.(shard.shardId);
      for (const { stage, saving } of this.#slots.values()) {
        await saving;
        stage.close();
      }
    }
  }

  async #read(): Promise<ReaderEnd> {
    const { clock, shard, generation, telemetry, budget } = this.#options;
    await this.#restore();
    this.#isRestored = true;
    this.#cadence.savedMs = this.#options.savedMs ?? clock.now();
    while (this.#request === 'go-on') {
      if (this.#isAtEnd()) return 'ended';
      const batch = await this.#readBatch();
      if (batch === undefined || this.#isAbandoned()) break;
      telemetry.metric('millis_behind_latest', behindMsOf(batch), { stage: 'window', shard: shard.shardId });
      await this.#apply(batch);
      // It may have ended in the midst of a slot's rows.
      if (this.#isAbandoned()) break;
      this.#taken = budget.replace(this.#taken, 0);
      if (batch.ended) for (const { stage } of this.#slots.values()) stage.endShard(logEnd(generation));
      if (batch.ended) await this.#saveAll();
      else if (this.#cadence.isDue(clock.now())) await this.#save();
      this.#goOn();
      if (batch.records.length === 0 && !batch.ended) await clock.sleep(idleMs);
    }
    this.#standsStill = true;
    if (!this.#isAbandoned()) await this.#saveAll();
    await this.#finishBases();
    return this.#isAbandoned() ? 'abandoned' : 'stopped';
  }

  /** Ends after the batch at hand, with a snapshot of everything. */
  stop(): void {
    if (this.#request === 'go-on') this.#request = 'stop';
    this.#options.budget.wake();
  }

  /** Somebody else has the shard: ends as soon as it can, and writes nothing more where that can be helped. */
  abandon(): void {
    this.#request = 'abandon';
    this.#options.budget.wake();
  }

  async #restore(): Promise<void> {
    const { pipeline, shard, generation } = this.#options;
    for (let slot = 0; slot < pipeline.slots; slot += 1) {
      if (!owns(shard, slotHashKey(slot, pipeline.slots))) continue;
      // What is not restored has not changed either, and can be left to whoever comes next.
      if (this.#request !== 'go-on') return;
      const { stage, snapshot } = await restoreSlot(this.#snapshotOptions(), slot);
      const { position } = stage.reader.log;
      const owned: OwnedSlot = { stage, snapshot, savedPosition: position, savedMs: this.savedMs, saving: undefined };
      this.#slots.set(slot, owned);
      if (snapshot !== undefined && position < snapshot.position && generationOf(position) < generation)
        await this.#readAncestors(stage);
      owned.savedPosition = stage.reader.log.position;
      this.#goOn();
    }
    this.#cursor = firstCursor(this.#stages(), generation);
  }

  /** Undefined when asked to stop while others have not applied what they have read. */
  async #readBatch(): Promise<ExchangeBatch | undefined> {
    const { reader, shard, budget } = this.#options;
    const isOver = (): boolean => this.#request !== 'go-on';
    // Whoever waits for others that get on is not stuck.
    this.#taken = await budget.take(this.#expected, { isOver, onChange: () => this.#goOn() });
    if (isOver()) return undefined;
    const batch = await reader.read(shard.shardId, this.#cursor);
    this.#taken = budget.replace(this.#taken, bytesOf(batch));
    this.#expected = Math.min(this.#taken, readBytesMax);
    return batch;
  }

  async #apply(batch: ExchangeBatch): Promise<void> {
    const { clock, generation, shard } = this.#options;
    const turn = new Turn(clock);
    for (const { placed, record } of this.#blocksOf(batch, { shardId: shard.shardId, generation })) {
      const { stage } = this.#slotOf(placed.block, record.sequence);
      stage.apply(placed);
      if (!turn.isOver(stage, record.bytes.length)) continue;
      await this.#writeAll();
      // Behind every block state is exactly at P, so it may be stored here as well as behind a batch.
      if (!this.#isAbandoned() && this.#cadence.isDue(clock.now())) await this.#save();
      this.#goOn();
      // The others have their turn, also when there was nothing to write.
      await clock.sleep(0);
      if (this.#isAbandoned()) return;
      turn.begin();
    }
    await this.#writeAll();
    if (this.#feeds) await this.#feed.tell(this.#stages(), batch.records.length);
    this.#cursor = batch.records.at(-1)?.sequence ?? this.#cursor;
  }

  #blocksOf({ records }: ExchangeBatch, of: { readonly shardId: string; readonly generation: number }) {
    return placeBlocks({ records, ...of }, { slots: this.#options.pipeline.slots, decoder: this.#decoder });
  }

  async #writeAll(): Promise<void> {
    const stages = this.#stages();
    for (const stage of stages) {
      if (this.#isAbandoned()) return;
      await this.#write(stage);
    }
    if (this.#feeds) await this.#feed.put(stages);
  }

  #stages(): readonly MemoryStage[] {
    return [...this.#slots.values()].map(({ stage }) => stage);
  }

  async #write(stage: MemoryStage): Promise<void> {
    await writeEmission({ ...this.#options, goOn: () => this.#goOn(), isAbandoned: () => this.#isAbandoned() }, stage);
  }

  /**
   * A slot whose snapshot had to go back may stand in an ancestor of the shard, which was finished when the snapshot was whole. What is
   * missing is read there again (rule 7), without a lease: that somebody else does the same changes nothing.
   */
  async #readAncestors(stage: MemoryStage): Promise<void> {
    const { reader, pipeline, generation } = this.#options;
    const { position } = stage.reader.log;
    const hashKey = slotHashKey(stage.reader.slot, pipeline.slots);
    const ancestors: (ExchangeShard & { readonly generation: number })[] = [];
    for (const shard of await reader.shards()) {
      if (!owns(shard, hashKey)) continue;
      const its = await this.#options.generationOf(shard.shardId);
      if (its >= generationOf(position) && its < generation) ancestors.push({ ...shard, generation: its });
    }
    ancestors.sort((a, b) => a.generation - b.generation);
    // A savepoint's state stands at the end of the shards that its deployment had: what follows is a root of this exchange.
    const [oldest = this.#options.shard] = ancestors;
    const isRestored = position === logEnd(generationOf(position)) && oldest.parents.length === 0;
    if (ancestors[0]?.generation !== generationOf(position) && !isRestored) {
      throw new MillraceError(
        'STATE_UNREADABLE',
        `slot ${stage.reader.slot} of pipeline ${pipeline.id} had to go back to ${position}, and the exchange does not hold that shard any more. Restore the snapshot's objects that the warning before names, from the versions that the bucket keeps.`,
      );
    }
    for (const ancestor of ancestors) {
      await this.#readAncestor(stage, ancestor);
      reader.release?.(ancestor.shardId);
    }
  }

  async #readAncestor(
    stage: MemoryStage,
    { shardId, generation }: { readonly shardId: string; readonly generation: number },
  ): Promise<void> {
    const { clock, reader } = this.#options;
    const { log, slot } = stage.reader;
    let cursor = generationOf(log.position) < generation ? undefined : sequenceOf(log.position);
    while (log.position < logEnd(generation) && !this.#isAbandoned()) {
      const batch = await reader.read(shardId, cursor);
      for (const { placed } of this.#blocksOf(batch, { shardId, generation })) {
        if (placed.block.slot === slot) stage.apply(placed);
        if (stage.hasMoreToShow) await this.#write(stage);
        if (this.#isAbandoned()) return;
      }
      await this.#write(stage);
      if (this.#isAbandoned()) return;
      await this.#feed.put([stage]);
      cursor = batch.records.at(-1)?.sequence ?? cursor;
      if (batch.ended) stage.endShard(logEnd(generation));
      this.#goOn();
      if (batch.records.length === 0 && !batch.ended) await clock.sleep(idleMs);
    }
  }

  #slotOf(block: { readonly slot: number; readonly slots: number }, sequence: string): OwnedSlot {
    const { pipeline, shard } = this.#options;
    const slot = this.#slots.get(block.slot);
    if (slot !== undefined && block.slots === pipeline.slots) return slot;
    throw new MillraceError(
      'SLOTS_MISMATCH',
      `record ${sequence} of ${shard.shardId} is a block of slot ${block.slot} of ${block.slots}, and pipeline ${pipeline.id} has ${pipeline.slots}. Set slots back to ${block.slots}, or drain the pipeline and deploy it with new state.`,
    );
  }

  /**
   * Stores the slots that have changed, rows and letters of which stand already (rule 14). A delta is waited for; a base is not, and its
   * slot goes on meanwhile.
   */
  async #save(): Promise<void> {
    const { clock } = this.#options;
    if (this.#failure !== undefined) throw this.#failure.error;
    for (const slot of this.#slots.values()) {
      if (this.#isAbandoned()) return;
      if (slot.saving !== undefined || slot.stage.reader.log.position <= slot.savedPosition) continue;
      if (saveKindOf(this.#snapshotOptions(), slot.stage, slot.snapshot) === 'delta') {
        await this.#saveSlot(slot, () => this.#goOn());
      } else {
        this.#storing.add(slot);
        this.#waiting.add(slot);
        slot.saving = this.#finish(
          slot,
          this.#saveSlot(slot, () => this.#stepOf(slot)),
        );
      }
    }
    this.#cadence.note(clock.now());
  }

  /** Everything, and waits until it is stored. */
  async #saveAll(): Promise<void> {
    await this.#finishBases();
    await this.#save();
    await this.#finishBases();
  }

  async #finishBases(): Promise<void> {
    for (const { saving } of this.#slots.values()) await saving;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #finish(slot: OwnedSlot, saved: Promise<void>): Promise<void> {
    try {
      await saved;
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      slot.saving = undefined;
      this.#storing.delete(slot);
      this.#stepOf(slot);
    }
  }

  async #saveSlot(slot: OwnedSlot, onProgress: () => void): Promise<void> {
    const { clock, telemetry } = this.#options;
    const startMs = clock.now();
    const { position } = slot.stage.reader.log;
    const { snapshot, bytes } = await saveSlot({ ...this.#snapshotOptions(), onProgress }, slot.stage, slot.snapshot);
    slot.snapshot = snapshot;
    // A base that was cut short was followed by a delta of all that came meanwhile.
    slot.savedPosition = bytes > 0 ? snapshot.position : position;
    slot.savedMs = startMs;
    onProgress();
    const labels = { stage: 'window', shard: this.#options.shard.shardId };
    telemetry.metric('checkpoint_duration_ms', clock.now() - startMs, labels);
    if (bytes === 0) return;
    this.#hasSaved = true;
    telemetry.metric('checkpoint_bytes', bytes, labels);
  }

  #snapshotOptions(): SnapshotOptions {
    return {
      ...this.#options,
      onProgress: () => this.#goOn(),
      isHurried: () => this.#request === 'stop' && this.#standsStill,
    };
  }

  /** A step of the reader itself. While bases are being stored only their steps count: one that stands still must not go unnoticed. */
  #goOn(): void {
    if (this.#storing.size === 0) this.#progress += 1;
  }

  /** A step of a slot's base, or its end. */
  #stepOf(slot: OwnedSlot): void {
    this.#waiting.delete(slot);
    if (this.#waiting.size > 0) return;
    this.#progress += 1;
    for (const other of this.#storing) this.#waiting.add(other);
  }

  #isAbandoned(): boolean {
    return this.#request === 'abandon';
  }

  /** A step's rows are a stream again. */
  get #feeds(): boolean {
    return this.#options.pipeline.rowSources.size > 0;
  }

  /** Every slot's snapshot stands at or behind the shard's end. */
  #isAtEnd(): boolean {
    const end = logEnd(this.#options.generation);
    return [...this.#slots.values()].every(({ savedPosition }) => savedPosition >= end);
  }
}
