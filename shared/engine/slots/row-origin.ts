import type { CompiledPipeline, CompiledRoute, CompiledRowSource } from '#shared/engine/compile/compile.ts';
import type { Rejection } from '#shared/engine/decode/decode.ts';
import { KeyDictionary } from '#shared/engine/keys/key-dictionary.ts';
import { Contest } from '#shared/engine/operators/contest.ts';
import { type TotalPart, takesTotals } from '#shared/engine/operators/top.ts';
import { timeOfRow, valueOfRow } from '#shared/engine/rows/rows.ts';
import { type Chunk, type ChunkLimits, ChunkPacker } from '#shared/engine/transform/exchange.ts';
import { Transformer } from '#shared/engine/transform/preprocess.ts';
import type { StagedOutput } from '#shared/engine/transform/transform.ts';
import type { TopPlan } from '#shared/pipeline/plan.ts';
import { rankedBy } from '#shared/pipeline/ranking.ts';
import { keyOfTop } from '#shared/pipeline/rows.ts';
import type { Block, Roster } from '#shared/schemas/block.ts';
import type { DeadLetter } from '#shared/schemas/dead-letter.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import { type LogPosition, logStart, sequenceInLog } from '#shared/schemas/position.ts';
import type { Row, TotalPartial } from '#shared/schemas/row.ts';

/**
 * A step's rows in one slot on their way to the exchange again. The slot's log takes the place of a raw shard: a row's position is the
 * place of the block that made it final, and its number among that block's rows. All of it is a function of the log, so whoever reads
 * the log again, a successor or a zombie, puts the same rows at the same positions, and the marks of rule 8 drop them.
 */
export class RowOrigin {
  /** Rows that could not be used since the runtime took them last. */
  readonly letters: DeadLetter[] = [];
  readonly #pipeline: CompiledPipeline;
  readonly #source: CompiledRowSource;
  readonly #shard: string;
  readonly #roster: Roster;
  readonly #limits: ChunkLimits;
  readonly #transformer: Transformer;
  /** Of the blocks since the last chunks were taken, or before. */
  #packer: ChunkPacker | undefined;
  #isPackerTaken = false;
  #promisedMs = Number.NEGATIVE_INFINITY;
  /** The watermark that every slot has been told. */
  toldMs = Number.NEGATIVE_INFINITY;
  /** The block up to which every slot has been told that there are no more rows. */
  toldAt: LogPosition = logStart;
  /** The last block that made rows. */
  madeAt: LogPosition = logStart;

  constructor(pipeline: CompiledPipeline, source: CompiledRowSource, slot: number, limits: ChunkLimits) {
    this.#pipeline = pipeline;
    this.#source = source;
    this.#shard = originOf(slot);
    // No slot's rows are complete before each slot was heard of (rule 9).
    this.#roster = Object.fromEntries(Array.from({ length: pipeline.slots }, (_, one) => [originOf(one), []]));
    this.#limits = limits;
    this.#transformer = new Transformer(pipeline, source);
  }

  /**
   * Takes the rows that the block at `position` made final, in their order, the slot's parts of their windows' totals, and the watermark of
   * the rows that follow.
   */
  take(position: LogPosition, rows: readonly Row[], watermarkMs: number, totals: readonly TotalPartial[] = []): void {
    const packer = this.#openPacker();
    const sequence = sequenceInLog(position);
    if (rows.length + totals.length > 0) this.madeAt = position;
    const isWanted = this.#selectTop(rows);
    for (const [index, row] of rows.entries()) this.#takeRow(packer, sequence, index, row, isWanted);
    for (const [index, total] of totals.entries()) this.#takeTotal(packer, sequence, rows.length + index, total);
    packer.complete(sequence);
    // Behind the rows: a chunk that ends among them promises no more than the block before.
    packer.promise(watermarkMs);
    this.#promisedMs = watermarkMs;
  }

  /** The chunks of all blocks that were taken since the last time; each is to be accepted before the next is put (rule 4). */
  chunks(): readonly Chunk[] {
    if (this.#packer === undefined || this.#isPackerTaken) return [];
    this.#isPackerTaken = true;
    return this.#packer.finish();
  }

  /**
   * Rule 5: an empty block for every slot that may not have been told the watermark, or that all rows were sent, to be put when all chunks
   * are accepted. `position` is the last block of the log that was applied.
   */
  heartbeats(position: LogPosition, watermarkMs: number): readonly Block[] {
    if (watermarkMs <= this.toldMs && this.toldAt >= this.madeAt) return [];
    let packer = this.#packer;
    if (packer === undefined) {
      packer = this.#openPacker();
      packer.complete(sequenceInLog(position));
      packer.promise(watermarkMs);
      this.#isPackerTaken = true;
    }
    this.toldMs = watermarkMs;
    this.toldAt = position;
    return packer.heartbeats();
  }

  #openPacker(): ChunkPacker {
    if (this.#packer !== undefined && !this.#isPackerTaken) return this.#packer;
    const source = this.#source.step.plan.id;
    const options = { source, shard: this.#shard, roster: this.#roster, limits: this.#limits };
    const packer = new ChunkPacker({ pipeline: this.#pipeline, ...options });
    packer.promise(this.#promisedMs);
    this.#packer = packer;
    this.#isPackerTaken = false;
    return packer;
  }

  #takeRow(
    packer: ChunkPacker,
    sequence: string,
    index: number,
    row: Row,
    isWanted: (route: CompiledRoute, row: Row) => boolean,
  ): void {
    const { step } = this.#source;
    const timeMs = timeOfRow(step, row);
    const taken = this.#transformer.take({ kind: 'decoded', value: valueOfRow(step, row), timeMs });
    if (taken.kind === 'rejected') {
      this.letters.push(this.#letter(sequence, index, row, taken));
      return;
    }
    const { outputs, outputCount } = this.#transformer;
    const wanted: StagedOutput[] = [];
    for (let at = 0; at < outputCount; at += 1) {
      const output = outputs[at] as StagedOutput;
      if (isWanted(output.route, row)) wanted.push(output);
    }
    const bytes = Math.max(0, ...wanted.map(ChunkPacker.sizeOf));
    if (bytes > this.#limits.blockBytesMax) {
      const message = `an output of the row may take ${bytes} bytes, and a block holds ${this.#limits.blockBytesMax}; shorten its key or the values it selects`;
      this.letters.push(this.#letter(sequence, index, row, { kind: 'rejected', reason: 'too-large', message }));
      return;
    }
    // It has no part in the counts of the raw records.
    packer.add(sequence, index, timeMs, wanted, wanted.length, 0);
  }

  /** What has shares of the total is told the slot's part of it where the ranked rows meet, each part once, as it is with rows. */
  #takeTotal(packer: ChunkPacker, sequence: string, index: number, total: TotalPartial): void {
    const timeMs = total.windowEndMs - 1;
    const outputs = this.#source.routes.flatMap((route): StagedOutput[] => {
      if (!takesTotals(route)) return [];
      const key = new KeyDictionary(this.#pipeline.slots, new Set()).find(keyOfTop(route.top.id));
      const part: TotalPart = [total.columns];
      const output = { route, key, values: [part] };
      const bytes = ChunkPacker.sizeOf(output);
      if (bytes <= this.#limits.blockBytesMax) return [output];
      const message = `the total of the window over all keys may take ${bytes} bytes, and a block holds ${this.#limits.blockBytesMax}; shares of it are null`;
      const rejection = {
        kind: 'rejected',
        reason: 'too-large',
        message,
        eventTimeMs: timeMs,
        step: route.top.id,
      } as const;
      this.letters.push(this.#letter(sequence, index, undefined, rejection));
      const unknown: TotalPart = [null];
      return [{ route, key, values: [unknown] }];
    });
    packer.add(sequence, index, timeMs, outputs, outputs.length, 0);
  }

  /**
   * A window closes for all keys of a slot in one block, so what does not rank among this block's rows of the window ranks nowhere: no more
   * than `count` of them cross to where the rows of all slots meet.
   */
  #selectTop(rows: readonly Row[]): (route: CompiledRoute, row: Row) => boolean {
    const ranking = new Map<CompiledRoute, ReadonlySet<Row>>();
    for (const route of this.#source.routes) if (route.top !== undefined) ranking.set(route, bestOf(rows, route.top));
    return (route, row) => ranking.get(route)?.has(row) ?? true;
  }

  #letter(
    sequence: string,
    sub: number,
    row: Row | undefined,
    { reason, message, step, eventTimeMs = row && timeOfRow(this.#source.step, row) }: Rejection,
  ): DeadLetter {
    const source = this.#source.step.plan.id;
    return {
      id: `${source}/${this.#shard}/${sequence}/${sub}/${reason}`,
      pipeline: this.#pipeline.id,
      reason,
      message,
      source,
      origin: this.#shard,
      sequence,
      sub,
      ...(step === undefined ? {} : { steps: [step] }),
      ...(eventTimeMs === undefined ? {} : { eventTimeMs }),
      ...(row === undefined ? {} : { key: decodeKey(row.key) }),
    };
  }
}

/** The name by which a slot's log is an origin. */
export function originOf(slot: number): string {
  return `slot-${slot}`;
}

function bestOf(rows: readonly Row[], top: TopPlan): ReadonlySet<Row> {
  const windows = new Map<number, Contest<Row>>();
  const best = new Set<Row>();
  for (const row of rows) {
    const value = rankedBy(top, row.columns);
    // It has no rank.
    if (value === undefined) continue;
    // It is rejected, and whatever is rejected must be seen.
    if (typeof value !== 'number' || !Number.isFinite(value)) best.add(row);
    else {
      const contest = windows.get(row.windowEndMs) ?? new Contest(top);
      contest.add(value, row.key, row);
      windows.set(row.windowEndMs, contest);
    }
  }
  for (const contest of windows.values()) for (const row of contest.all()) best.add(row);
  return best;
}
