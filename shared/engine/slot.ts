import type { Block, RouteOutputs } from '#shared/schemas/block.ts';
import type { DeadLetter } from '#shared/schemas/dead-letter.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import {
  compareRecordPositions,
  type LogPosition,
  outputsPerRecordMax,
  type RecordPosition,
} from '#shared/schemas/position.ts';
import type { Checkpoint, LateMark, SlotCounts, Stage, StepProgress } from '#shared/schemas/state.ts';
import type { CompiledPipeline, CompiledRoute, CompiledStep } from './compile.ts';
import type { CallbackFailure } from './emit.ts';
import { SlotLog } from './watermark.ts';

/** A block with its place in the slot's log. */
export interface PlacedBlock {
  readonly block: Block;
  readonly position: LogPosition;
  /** When the exchange took it, on the exchange's clock. */
  readonly arrivalMs: number;
}

/** What a stage does with a record that is new: gives false when the step found it late. */
export type AddToStep = (step: CompiledStep, output: NewOutput) => boolean;

/** An output that no earlier block held. The object is used again for the next output. */
export interface NewOutput extends OutputOrigin {
  key: string;
  /** The key's place in the block. */
  keyId: number;
  timeMs: number;
  values: unknown[];
  /** W of the step's sources as it was before the block (rule 8). */
  watermarkMs: number;
  position: LogPosition;
}

/** Which route an output took, and its position: what tells it apart from all others of the route. */
export interface OutputOrigin {
  route: string;
  /** The raw shard. */
  origin: string;
  sequence: string | number;
  sub: number;
}

/** One stage's reading of a slot's log: what is new, what is late, and how many there were of each. */
export class SlotReader {
  readonly log: SlotLog;
  readonly slot: number;
  readonly stage: Stage;
  /** Late records of the blocks applied so far; the runtime sends and clears them. */
  readonly letters: DeadLetter[] = [];
  readonly lateMarks: LateMark[] = [];
  readonly #pipeline: CompiledPipeline;
  readonly #counts: { -readonly [Name in keyof SlotCounts]: SlotCounts[Name] };
  readonly #stepCounts = new Map<string, { counted: number; late: number; threw?: number }>();
  readonly #output: NewOutput = {
    key: '',
    keyId: 0,
    timeMs: 0,
    values: [],
    watermarkMs: 0,
    position: '' as LogPosition,
    route: '',
    origin: '',
    sequence: '',
    sub: 0,
  };
  /** W when the last late output was judged. */
  #lateWatermarkMs = Number.NEGATIVE_INFINITY;

  constructor(pipeline: CompiledPipeline, stage: Stage, slot: number, checkpoint: Checkpoint | undefined) {
    this.#pipeline = pipeline;
    this.stage = stage;
    this.slot = slot;
    if (checkpoint !== undefined) checkIdentity(pipeline, checkpoint, `the checkpoint of slot ${slot}, stage ${stage}`);
    this.log = new SlotLog(pipeline, checkpoint);
    this.#counts = { ...(checkpoint?.counts ?? { counted: 0, late: 0, shared: 0, duplicates: 0 }) };
    for (const step of pipeline.steps) {
      if (step.stage !== stage) continue;
      const { counted = 0, late = 0, threw } = checkpoint?.steps[step.plan.id] ?? {};
      this.#stepCounts.set(step.plan.id, { counted, late, ...(threw === undefined ? {} : { threw }) });
    }
  }

  get counts(): SlotCounts {
    return this.#counts;
  }

  countsOf(step: CompiledStep): Pick<StepProgress, 'counted' | 'late' | 'threw'> {
    return this.#stepCounts.get(step.plan.id) ?? { counted: 0, late: 0 };
  }

  /** Applies a block by rule 8; one at or below P was applied before and is passed over (rule 11). */
  apply({ block, position, arrivalMs }: PlacedBlock, add: AddToStep): boolean {
    checkIdentity(this.#pipeline, block, `a block of slot ${this.slot} at ${position}`);
    if (position <= this.log.position) return false;
    const mark = this.log.open(block, arrivalMs);
    for (const outputs of block.routes) this.#applyRoute(block, outputs, mark, position, add);
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
    block: Block,
    outputs: RouteOutputs,
    mark: RecordPosition | null,
    position: LogPosition,
    add: AddToStep,
  ): void {
    const route = this.#pipeline.routes.get(outputs.route);
    if (route === undefined || block.origin === undefined || !route.stages.includes(this.stage)) return;
    const output = this.#output;
    // Rule 8: judged against W as it was before this block.
    const watermarks = route.steps.map((step) => this.log.watermarkOfStep(step));
    output.position = position;
    output.route = route.id;
    output.origin = block.origin.shard;
    output.values.length = outputs.columns.length;
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
      output.keyId = outputs.key[index] as number;
      output.key = outputs.keys[output.keyId] as string;
      output.timeMs = outputs.timeMs[index] as number;
      for (let column = 0; column < outputs.columns.length; column += 1)
        output.values[column] = outputs.columns[column]?.[index];
      const lateSteps = this.#offer(route, watermarks, output, add);
      this.#count(route, block.origin.source, block.origin.shard, at, outputs.shares[index] as number, lateSteps);
    }
  }

  /** Offers the output to each step; gives the names of those that found it late. */
  #offer(route: CompiledRoute, watermarks: readonly number[], output: NewOutput, add: AddToStep): readonly string[] {
    let late: string[] = none;
    for (let index = 0; index < route.steps.length; index += 1) {
      const step = route.steps[index] as CompiledStep;
      if (step.stage !== this.stage) continue;
      output.watermarkMs = watermarks[index] as number;
      const counts = this.#stepCounts.get(step.plan.id);
      if (counts === undefined) continue;
      if (add(step, output)) {
        counts.counted += 1;
      } else {
        counts.late += 1;
        if (late === none) late = [];
        late.push(step.plan.id);
        this.#lateWatermarkMs = output.watermarkMs;
      }
    }
    return late;
  }

  /**
   * A record is counted if at least one step counted it, late if every step that wanted it found it late. When it became one output
   * for one stage, that is known here. Otherwise its first output is counted as shared, each late output leaves a mark, and the
   * record is late when it has as many marks as shares.
   */
  #count(
    route: CompiledRoute,
    source: string,
    origin: string,
    at: RecordPosition,
    shares: number,
    lateSteps: readonly string[],
  ): void {
    const wanting = route.steps.filter((step) => step.stage === this.stage).length;
    const isLate = lateSteps.length === wanting;
    if (lateSteps.length > 0) this.letters.push(this.#letter(source, origin, at, lateSteps));
    if (shares === 1) {
      if (isLate) this.#counts.late += 1;
      else this.#counts.counted += 1;
      return;
    }
    if (at[1] % outputsPerRecordMax === 0 && route.stages[0] === this.stage) this.#counts.shared += 1;
    if (isLate) this.lateMarks.push({ source, origin, position: at, stage: this.stage, shares });
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
      key: decodeKey(key),
    };
  }
}

const none: string[] = [];

/** Rule 6 and the limits of EXACTNESS: state and blocks of another plan or number of slots are refused. */
function checkIdentity(
  pipeline: CompiledPipeline,
  made: { readonly plan: string; readonly slots: number },
  what: string,
): void {
  if (made.slots !== pipeline.slots) {
    throw new MillraceError(
      'SLOTS_MISMATCH',
      `${what} was made with ${made.slots} slots, and pipeline ${pipeline.id} has ${pipeline.slots}. Set slots back to ${made.slots}, or drain the pipeline and deploy it with new state.`,
    );
  }
  if (made.plan !== pipeline.planHash) {
    throw new MillraceError(
      'PLAN_MISMATCH',
      `${what} was made by plan ${made.plan.slice(0, 8)}, and this host runs plan ${pipeline.planHash.slice(0, 8)} of pipeline ${pipeline.id}. Drain the exchange before deploying a changed plan, or start with new state.`,
    );
  }
}
