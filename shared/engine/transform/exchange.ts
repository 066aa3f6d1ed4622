import type { CompiledPipeline, CompiledRoute } from '#shared/engine/compile/compile.ts';
import {
  type Block,
  type BlockOrigin,
  blockBytesMax,
  type Roster,
  type RouteOutputs,
  type RouteReader,
} from '#shared/schemas/block.ts';
import { outputsPerRecordMax, type RecordPosition, subMax } from '#shared/schemas/position.ts';
import type { StagedOutput } from './transform.ts';

/** The ranges of positions that a chunk may cover. Limits of tests are small, so that chunks are cut in the middle of a record. */
export interface ChunkLimits {
  readonly outputsPerChunkMax: number;
  readonly blockBytesMax: number;
}

export const chunkLimits: ChunkLimits = { outputsPerChunkMax: 50_000, blockBytesMax };

/** All outputs of one origin in a range of positions, as a block for each slot that has some. One is in flight at a time (rule 4). */
export interface Chunk {
  readonly blocks: readonly Block[];
  readonly to: RecordPosition;
  /** The last raw record that is complete within the chunks up to this one. */
  readonly completed: string | undefined;
}

/** Packs the outputs of one batch of one origin into chunks, in the order of their positions. */
export class ChunkPacker {
  readonly #pipeline: CompiledPipeline;
  readonly #source: string;
  readonly #shard: string;
  readonly #roster: Roster;
  readonly #outOfOrdernessMs: number;
  readonly #limits: ChunkLimits;
  #slots = new Map<number, SlotDraft>();
  #outputCount = 0;
  #from: RecordPosition | null = null;
  #to: RecordPosition | null = null;
  #completed: string | undefined;
  #maxTimeMs = Number.NEGATIVE_INFINITY;
  #promisedMs = Number.NEGATIVE_INFINITY;
  /** The slots of the last chunk, and where it ended. */
  #reached: ReadonlySet<number> = new Set();
  #reachedTo: RecordPosition | null = null;
  readonly #ready: Chunk[] = [];

  constructor(options: {
    readonly pipeline: CompiledPipeline;
    readonly source: string;
    readonly shard: string;
    readonly roster: Roster;
    readonly limits: ChunkLimits;
  }) {
    this.#pipeline = options.pipeline;
    this.#source = options.source;
    this.#shard = options.shard;
    this.#roster = options.roster;
    this.#limits = options.limits;
    // Rows of a step have no newest time to go by: what follows them is what the step's watermark promises.
    this.#outOfOrdernessMs =
      options.pipeline.sources.get(options.source)?.plan.outOfOrdernessMs ?? Number.POSITIVE_INFINITY;
  }

  /** An upper bound for what `output` takes in a block, in bytes; an output above the limit cannot cross and is rejected before. */
  static sizeOf(output: StagedOutput): number {
    let bytes = outputOverheadBytes + boundOf(output.key.text);
    for (const value of output.values) bytes += boundOf(value);
    return bytes;
  }

  /** Takes the outputs of record number `record` of the raw record `sequence`; they count as seen even when there are none. */
  add(
    sequence: string,
    record: number,
    timeMs: number,
    outputs: readonly StagedOutput[],
    count: number,
    shares: number,
  ): void {
    for (let index = 0; index < count; index += 1) {
      const output = outputs[index] as StagedOutput;
      const bytes = ChunkPacker.sizeOf(output);
      const draft = this.#slots.get(output.key.slot);
      if (
        this.#outputCount >= this.#limits.outputsPerChunkMax ||
        (draft !== undefined && draft.bytes + bytes > this.#limits.blockBytesMax)
      )
        this.#cut();
      const at: RecordPosition = [sequence, record * outputsPerRecordMax + index];
      this.#draftOf(output.key.slot).add(at, output, timeMs, shares, bytes);
      this.#outputCount += 1;
      this.#to = at;
      // Rule 3: a block's watermark covers positions up to its own end, so a record's time counts once the record is in the chunk.
      this.#maxTimeMs = Math.max(this.#maxTimeMs, timeMs);
    }
    this.#maxTimeMs = Math.max(this.#maxTimeMs, timeMs);
  }

  /** The raw record `sequence` is complete: nothing more of it will be added. */
  complete(sequence: string): void {
    this.#to = [sequence, subMax];
    this.#completed = sequence;
  }

  /** A punctuation: the producer promises that nothing older than `watermarkMs` follows what was added. */
  promise(watermarkMs: number): void {
    this.#promisedMs = Math.max(this.#promisedMs, watermarkMs);
  }

  /** The chunks that are full. */
  take(): readonly Chunk[] {
    return this.#ready.splice(0);
  }

  /** The last chunk of the batch. */
  finish(): readonly Chunk[] {
    if (this.#slots.size > 0) this.#cut();
    return this.take();
  }

  /**
   * Rule 5: an empty block for each slot whose last block does not reach the end of the batch. To be called, and put, only after
   * every chunk was accepted: `to` and watermark cover just that.
   */
  heartbeats(): readonly Block[] {
    const to = this.#to;
    if (to === null) return [];
    const blocks: Block[] = [];
    for (let slot = 0; slot < this.#pipeline.slots; slot += 1) {
      if (this.#reachedTo !== to || !this.#reached.has(slot)) blocks.push(this.#block(slot, to, []));
    }
    return blocks;
  }

  #cut(): void {
    const to = this.#to as RecordPosition;
    const blocks = [...this.#slots].map(([slot, draft]) => this.#block(slot, to, draft.routes()));
    this.#ready.push({ blocks, to, completed: this.#completed });
    this.#reached = new Set(this.#slots.keys());
    this.#reachedTo = to;
    this.#slots = new Map();
    this.#outputCount = 0;
    this.#from = to;
  }

  #block(slot: number, to: RecordPosition, routes: readonly RouteOutputs[]): Block {
    const watermarkMs = Math.max(this.#maxTimeMs - this.#outOfOrdernessMs, this.#promisedMs);
    const origin: BlockOrigin = {
      source: this.#source,
      shard: this.#shard,
      from: this.#from,
      to,
      watermarkMs: Number.isFinite(watermarkMs) ? watermarkMs : null,
      roster: this.#roster,
    };
    return {
      version: 1,
      pipeline: this.#pipeline.id,
      plan: this.#pipeline.planHash,
      slots: this.#pipeline.slots,
      slot,
      origin,
      routes,
    };
  }

  #draftOf(slot: number): SlotDraft {
    let draft = this.#slots.get(slot);
    if (draft === undefined) {
      draft = new SlotDraft();
      this.#slots.set(slot, draft);
    }
    return draft;
  }
}

/** Rule 10: a tick carries nothing but the time at which the exchange takes it. */
export function tickBlocks(pipeline: CompiledPipeline): readonly Block[] {
  return Array.from({ length: pipeline.slots }, (_, slot) => ({
    version: 1,
    pipeline: pipeline.id,
    plan: pipeline.planHash,
    slots: pipeline.slots,
    slot,
    routes: [],
  }));
}

/** Positions, time, shares and indexes of one output, as JSON. */
const outputOverheadBytes = 160;
/** A number as JSON has at most 25 characters. */
const numberBytesMax = 25;

/** An upper bound of a value's JSON in UTF-8: an escaped character takes at most 6 bytes. */
function boundOf(value: unknown): number {
  if (typeof value === 'string') return 6 * value.length + 2;
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined)
    return numberBytesMax;
  return 3 * JSON.stringify(value).length;
}

/** The outputs of a chunk for one slot, by route. */
class SlotDraft {
  bytes = 0;
  readonly #routes = new Map<string, RouteDraft>();

  add(at: RecordPosition, output: StagedOutput, timeMs: number, shares: number, bytes: number): void {
    let draft = this.#routes.get(output.route.id);
    if (draft === undefined) {
      draft = new RouteDraft(output.route);
      this.#routes.set(output.route.id, draft);
    }
    draft.add(at, output, timeMs, shares);
    this.bytes += bytes;
  }

  routes(): readonly RouteOutputs[] {
    return [...this.#routes.values()];
  }
}

class RouteDraft implements RouteOutputs {
  readonly route: string;
  readonly readers: readonly RouteReader[];
  readonly sequences: string[] = [];
  readonly sequence: number[] = [];
  readonly sub: number[] = [];
  readonly timeMs: number[] = [];
  readonly keys: string[] = [];
  readonly key: number[] = [];
  readonly shares: number[] = [];
  readonly columns: unknown[][];
  readonly #keyIndexes = new Map<string, number>();

  constructor({ id, readers, columns }: CompiledRoute) {
    this.route = id;
    this.readers = readers;
    this.columns = columns.map(() => []);
  }

  add([sequence, sub]: RecordPosition, output: StagedOutput, timeMs: number, shares: number): void {
    if (this.sequences.at(-1) !== sequence) this.sequences.push(sequence);
    this.sequence.push(this.sequences.length - 1);
    this.sub.push(sub);
    this.timeMs.push(timeMs);
    this.shares.push(shares);
    let index = this.#keyIndexes.get(output.key.text);
    if (index === undefined) {
      index = this.keys.length;
      this.keys.push(output.key.text);
      this.#keyIndexes.set(output.key.text, index);
    }
    this.key.push(index);
    for (let column = 0; column < this.columns.length; column += 1) this.columns[column]?.push(output.values[column]);
  }
}
