import type { CompiledPipeline, CompiledRoute, CompiledStep } from '#shared/engine/compile/compile.ts';
import type { KeyNumbers } from '#shared/engine/decode/block-scanner.ts';
import type { KeySpace } from '#shared/engine/keys/key.ts';
import type { CallbackFailure } from '#shared/engine/operators/emit.ts';
import type { StepInput } from '#shared/engine/operators/operator.ts';
import { isTotalPart } from '#shared/engine/operators/top.ts';
import type { Block, BlockOrigin, RouteOutputs } from '#shared/schemas/block.ts';
import type { DeadLetter } from '#shared/schemas/dead-letter.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import {
  compareRecordPositions,
  type LogPosition,
  logStart,
  outputsPerRecordMax,
  type RecordPosition,
} from '#shared/schemas/position.ts';
import type { Checkpoint, LateMark, SlotCounts, Stage, StepProgress } from '#shared/schemas/state.ts';
import { admitCheckpoint, checkSlots, type Delivery, deliveryOf, lateOf, type Target } from './admit.ts';
import { SlotLog } from './watermark.ts';

/** A block with its place in the slot's log. */
export interface PlacedBlock {
  readonly block: Block;
  readonly position: LogPosition;
  /** When the exchange took it, on the exchange's clock. */
  readonly arrivalMs: number;
  /** Of its routes; those without are numbered by their places. */
  readonly keyNumbers?: readonly (KeyNumbers | undefined)[];
}

/** What a stage does with a record that is new: gives false when the step found it late. */
export type AddToStep = (step: CompiledStep, output: NewOutput) => boolean;

/** An output that no earlier block held. */
export interface NewOutput extends StepInput {
  position: LogPosition;
}

/** One stage's reading of a slot's log: what is new, what is late, and how many there were of each. */
export class SlotReader {
  readonly log: SlotLog;
  readonly slot: number;
  readonly stage: Stage;
  /** Late records of the blocks applied so far; the runtime sends and clears them. */
  readonly letters: DeadLetter[] = [];
  readonly lateMarks: LateMark[] = [];
  /** What is stored belonged in part to steps that are gone, and whose loss was named. */
  readonly hasLost: boolean;
  readonly #pipeline: CompiledPipeline;
  readonly #checkpoint: Checkpoint | undefined;
  /** The steps that the checkpoint's state is of. */
  readonly #goOn: ReadonlySet<string>;
  /** By plan and route. */
  readonly #deliveries = new Map<string, Delivery>();
  readonly #counts: { -readonly [Name in keyof SlotCounts]: SlotCounts[Name] };
  readonly #stepCounts = new Map<string, { counted: number; late: number; threw?: number }>();
  readonly #key = { text: '', id: 0, space: {} as KeySpace };
  readonly #output: NewOutput = {
    key: this.#key,
    timeMs: 0,
    values: [],
    watermarkMs: 0,
    clockMs: 0,
    position: '' as LogPosition,
    route: '',
    origin: '',
    sequence: '',
    sub: 0,
  };
  /** Of the output, by the block's columns. The list is used again, too: whoever keeps it copies it. */
  readonly #values: unknown[] = [];
  /** W when the last late output was judged. */
  #lateWatermarkMs = Number.NEGATIVE_INFINITY;

  constructor(pipeline: CompiledPipeline, stage: Stage, slot: number, checkpoint: Checkpoint | undefined) {
    this.#pipeline = pipeline;
    this.stage = stage;
    this.slot = slot;
    this.#checkpoint = checkpoint;
    this.#goOn =
      checkpoint === undefined
        ? new Set()
        : admitCheckpoint(pipeline, stage, checkpoint, `the checkpoint of slot ${slot}, stage ${stage},`);
    this.hasLost = Object.keys(checkpoint?.steps ?? {}).some((id) => !this.#goOn.has(id));
    this.log = new SlotLog(pipeline, checkpoint);
    this.#counts = { ...(checkpoint?.counts ?? { counted: 0, late: 0, shared: 0, duplicates: 0 }) };
    for (const step of pipeline.steps) {
      if (step.stage !== stage) continue;
      const { counted = 0, late = 0, threw } = this.progressOf(step.plan.id) ?? {};
      this.#stepCounts.set(step.plan.id, { counted, late, ...(threw === undefined ? {} : { threw }) });
    }
  }

  get counts(): SlotCounts {
    return this.#counts;
  }

  /** What the checkpoint knows of a step; undefined for one that begins here. */
  progressOf(step: string): StepProgress | undefined {
    return this.#goOn.has(step) ? this.#checkpoint?.steps[step] : undefined;
  }

  /** The slot's P when the step began here. */
  sinceOf(step: string): LogPosition {
    const progress = this.progressOf(step);
    return progress === undefined ? (this.#checkpoint?.position ?? logStart) : (progress.since ?? logStart);
  }

  countsOf(step: CompiledStep): Pick<StepProgress, 'counted' | 'late' | 'threw'> {
    return this.#stepCounts.get(step.plan.id) ?? { counted: 0, late: 0 };
  }

  /** What a checkpoint has of a step that keeps nothing beside its numbers there. */
  savedProgressOf(step: CompiledStep): StepProgress {
    return { contract: step.contract, ...this.countsOf(step), open: [], emittedMs: 0, pending: [] };
  }

  /** Applies a block by rule 8; one at or below P was applied before and is passed over (rule 11). */
  apply({ block, position, arrivalMs, keyNumbers }: PlacedBlock, add: AddToStep): boolean {
    checkSlots(this.#pipeline, block, `a block of slot ${this.slot} at ${position}`);
    if (position <= this.log.position) return false;
    const mark = this.log.open(block, arrivalMs);
    for (const [index, outputs] of block.routes.entries())
      this.#applyRoute({ block, outputs, mark, position, numbers: keyNumbers?.[index] }, add);
    this.log.close(block, position);
    return true;
  }

  /** Counts what threw behind the exchange, and writes its letter. Its record is counted: it was taken, and in its order. */
  fail({ step, source, origin, sequence, sub, key, timeMs, isTimer, message }: CallbackFailure): void {
    const counts = this.#stepCounts.get(step.plan.id);
    if (counts !== undefined) counts.threw = (counts.threw ?? 0) + 1;
    this.letters.push({
      id: `${source}/${origin}/${sequence}/${sub}/threw/${step.plan.id}${isTimer ? `/${timeMs}` : ''}`,
      pipeline: this.#pipeline.id,
      reason: 'threw',
      message: `${step.plan.id}: ${message}${isTimer ? `, by a timer at ${timeMs} ms that this record led to` : ''}`,
      source,
      origin,
      sequence,
      sub,
      steps: [step.plan.id],
      eventTimeMs: timeMs,
      key: decodeKey(key),
    });
  }

  #applyRoute(
    {
      block,
      outputs,
      mark,
      position,
      numbers,
    }: {
      readonly block: Block;
      readonly outputs: RouteOutputs;
      readonly mark: RecordPosition | null;
      readonly position: LogPosition;
      readonly numbers: KeyNumbers | undefined;
    },
    add: AddToStep,
  ): void {
    const delivery = this.#deliveryOf(block, outputs, position);
    if (delivery.targets.length === 0 || block.origin === undefined) return;
    const output = this.#output;
    // Not the block's own list of keys: whoever keeps the space would hold it.
    this.#key.space = numbers?.space ?? {};
    // Rule 8: judged against W as it was before this block.
    const watermarks = delivery.targets.map(({ step }) => this.log.watermarkOfStep(step));
    output.position = position;
    output.clockMs = this.log.clockMs;
    output.origin = originIn(
      this.#pipeline.routes.get(delivery.targets[0]?.route ?? ''),
      block.origin.source,
      block.origin.shard,
    );
    this.#values.length = outputs.columns.length;
    for (let index = 0; index < outputs.sub.length; index += 1) {
      const at: RecordPosition = [
        outputs.sequences[outputs.sequence[index] as number] as string,
        outputs.sub[index] as number,
      ];
      // Rule 8: at or below the mark it was counted by the block of an earlier attempt.
      if (mark !== null && compareRecordPositions(at, mark) <= 0) {
        this.#counts.duplicates += 1;
        continue;
      }
      output.sequence = at[0];
      output.sub = at[1];
      const key = outputs.key[index] as number;
      this.#key.id = numbers === undefined ? key : (numbers.ids[key] as number);
      this.#key.text = outputs.keys[key] as string;
      output.timeMs = outputs.timeMs[index] as number;
      for (let column = 0; column < outputs.columns.length; column += 1)
        this.#values[column] = outputs.columns[column]?.[index];
      // Nothing here that is made for each record may hold the block: V8 comes to make such objects where only its large collections
      // look, and all of the block outlives the small ones.
      const late = this.#offer(delivery, watermarks, add);
      this.#count(delivery, block.origin, at[0], at[1], outputs.shares[index] as number, late);
    }
  }

  #deliveryOf(block: Block, outputs: RouteOutputs, position: LogPosition): Delivery {
    const name = `${block.plan} ${outputs.route}`;
    const known = this.#deliveries.get(name);
    if (known !== undefined) return known;
    const what = `a block of slot ${this.slot} at ${position}`;
    const delivery = deliveryOf(this.#pipeline, this.stage, block, outputs, what);
    this.#deliveries.set(name, delivery);
    return delivery;
  }

  /** Offers the output to each step that wants it, and where one finds it late to the views of that; gives the places of the late ones. */
  #offer(delivery: Delivery, watermarks: readonly number[], add: AddToStep): readonly number[] {
    const { targets, lateViews } = delivery;
    let late: number[] = none;
    for (let index = 0; index < targets.length; index += 1) {
      const target = targets[index] as Target;
      if (lateOf(target.step) !== undefined || this.#offerTo(target, watermarks[index] as number, add)) continue;
      if (late === none) late = [];
      late.push(index);
      this.#lateWatermarkMs = watermarks[index] as number;
      for (const view of lateViews[index] as readonly number[])
        this.#offerTo(targets[view] as Target, watermarks[view] as number, add);
    }
    return late;
  }

  #offerTo({ step, route, columns }: Target, watermarkMs: number, add: AddToStep): boolean {
    const output = this.#output;
    output.route = route;
    output.values = columns === undefined ? this.#values : columns.map((column) => this.#values[column]);
    output.watermarkMs = watermarkMs;
    const counts = this.#stepCounts.get(step.plan.id);
    if (counts === undefined) return true;
    const isCounted = add(step, output);
    if (!isCounted) counts.late += 1;
    // A part of a total is no row.
    else if (step.op !== 'top' || !isTotalPart(output.values[step.input])) counts.counted += 1;
    return isCounted;
  }

  /**
   * A record is counted if at least one step counted it, late if every step that wanted it found it late. When it became one output
   * for one stage, that is known here. Otherwise its first output is counted as shared, each late output leaves a mark, and the
   * record is late when it has as many marks as shares.
   */
  #count(
    { targets, lateViews, wantedCount, isHome }: Delivery,
    { source, shard: origin }: BlockOrigin,
    sequence: string,
    sub: number,
    shares: number,
    late: readonly number[],
  ): void {
    const isLate = late.length === wantedCount;
    if (late.length > 0) {
      // What a view shows needs no letter.
      const steps = late.flatMap((index) =>
        (lateViews[index] as readonly number[]).length === 0 ? [targets[index] as Target] : [],
      );
      if (steps.length > 0)
        this.letters.push(
          this.#letter(
            source,
            origin,
            [sequence, sub],
            steps.map(({ step }) => step.plan.id),
          ),
        );
    }
    // What a record became was told when it was counted; rows that it gave are no records of their own.
    if (shares === 0) return;
    if (shares === 1) {
      if (isLate) this.#counts.late += 1;
      else this.#counts.counted += 1;
      return;
    }
    if (sub % outputsPerRecordMax === 0 && isHome) this.#counts.shared += 1;
    if (isLate) this.lateMarks.push({ source, origin, position: [sequence, sub], stage: this.stage, shares });
  }

  #letter(source: string, origin: string, [sequence, sub]: RecordPosition, steps: readonly string[]): DeadLetter {
    const { key, timeMs } = this.#output;
    return {
      id: `${source}/${origin}/${sequence}/${sub}/late/${this.stage}`,
      pipeline: this.#pipeline.id,
      reason: 'late',
      message: `event time ${timeMs} ms came when the watermark stood at ${this.#lateWatermarkMs} ms, after its windows or the time to join it had closed`,
      source,
      origin,
      sequence,
      sub,
      steps,
      eventTimeMs: timeMs,
      key: decodeKey(key.text),
    };
  }
}

/** How outputs of a route tell where they come from. Shards of two streams may have one name. */
export function originIn(route: CompiledRoute | undefined, source: string, shard: string): string {
  return route === undefined || route.sources.length === 1 ? shard : `${source}/${shard}`;
}

const none: number[] = [];
