import { logStart } from '#shared/schemas/position.ts';
import type { CompiledPipeline } from './compile.ts';
import type { DecodedRecord, Rejection } from './decode.ts';
import { createEmission, type Emission } from './emit.ts';
import { createOperator } from './memory-stage.ts';
import type { Operator } from './operator.ts';
import { Preprocessor } from './preprocess.ts';

/** Records by what became of them. The invariant: sent = counted + filtered + late + rejected. */
export interface Dispositions {
  sent: number;
  counted: number;
  filtered: number;
  late: number;
  rejected: number;
}

/** What became of one record: the steps that found it late, or why it was rejected. */
export interface Taken {
  readonly rejection?: Rejection;
  readonly lateSteps: readonly string[];
  readonly eventTimeMs?: number;
}

/**
 * The whole pipeline in one process, without servers: every source is one origin in the order in which it is given, and every
 * record is a block of its own, so a record is judged by the watermark of the records before it.
 */
export class DirectRun {
  readonly dispositions: Dispositions = { sent: 0, counted: 0, filtered: 0, late: 0, rejected: 0 };
  readonly stepCounts = new Map<string, { counted: number; late: number }>();
  readonly #sources = new Map<string, SourceRun>();
  /** The steps behind each route, by the route's index. */
  readonly #stepsOfRoute: (readonly StepRun[])[] = [];
  readonly #emission = createEmission();

  constructor(pipeline: CompiledPipeline) {
    for (const [name, source] of pipeline.sources) {
      const steps: StepRun[] = [];
      for (const route of source.routes) {
        // Only final rows are wanted, so nothing is refreshed on the way.
        const behind = route.steps.map((step) => ({
          id: step.plan.id,
          operator: createOperator(step),
          counts: { counted: 0, late: 0 },
        }));
        for (const { id, counts } of behind) this.stepCounts.set(id, counts);
        this.#stepsOfRoute[route.index] = behind;
        steps.push(...behind);
      }
      this.#sources.set(name, {
        preprocessor: new Preprocessor(pipeline, source),
        outOfOrdernessMs: source.plan.outOfOrdernessMs,
        watermarkMs: Number.NEGATIVE_INFINITY,
        steps,
      });
    }
  }

  /** Takes one line of a source; undefined for a line that holds no record. */
  takeLine(source: string, line: string): Taken | undefined {
    const run = this.#source(source);
    const decoded = run.preprocessor.takeLine(line);
    return decoded === undefined ? undefined : this.#take(run, decoded);
  }

  /** Takes one value of a source, decoded already. */
  takeValue(source: string, value: unknown): Taken {
    const run = this.#source(source);
    return this.#take(run, run.preprocessor.takeValue(value));
  }

  /** The input is through: every window is final. */
  finish(): void {
    for (const run of this.#sources.values()) this.#advance(run, Number.POSITIVE_INFINITY);
  }

  /** The rows and totals of the windows that have closed since they were last cleared. */
  get emission(): Emission {
    return this.#emission;
  }

  #take(run: SourceRun, decoded: DecodedRecord | Rejection): Taken {
    this.dispositions.sent += 1;
    if (decoded.kind === 'rejected') {
      this.dispositions.rejected += 1;
      return { rejection: decoded, lateSteps: none };
    }
    const { preprocessor } = run;
    let wanted = 0;
    let lateSteps = none;
    let lateCount = 0;
    for (let index = 0; index < preprocessor.outputCount; index += 1) {
      const output = preprocessor.outputs[index] as (typeof preprocessor.outputs)[number];
      const steps = this.#stepsOfRoute[output.route.index] as readonly StepRun[];
      wanted += steps.length;
      for (let at = 0; at < steps.length; at += 1) {
        const step = steps[at] as StepRun;
        const { text, id } = output.key;
        if (step.operator.add(text, id, decoded.timeMs, output.values, run.watermarkMs, 0)) {
          step.counts.counted += 1;
          continue;
        }
        step.counts.late += 1;
        lateCount += 1;
        if (!lateSteps.includes(step.id)) lateSteps = [...lateSteps, step.id];
      }
    }
    if (wanted === 0) this.dispositions.filtered += 1;
    else if (lateCount === wanted) this.dispositions.late += 1;
    else this.dispositions.counted += 1;
    this.#advance(run, decoded.timeMs - run.outOfOrdernessMs);
    return lateCount === 0 ? taken : { lateSteps, eventTimeMs: decoded.timeMs };
  }

  #advance(run: SourceRun, watermarkMs: number): void {
    if (watermarkMs <= run.watermarkMs) return;
    run.watermarkMs = watermarkMs;
    for (let at = 0; at < run.steps.length; at += 1)
      (run.steps[at] as StepRun).operator.advance(watermarkMs, context, this.#emission);
  }

  #source(name: string): SourceRun {
    const source = this.#sources.get(name);
    if (source === undefined) throw new Error(`Bug in Millrace: no source ${name} in the plan`);
    return source;
  }
}

interface SourceRun {
  readonly preprocessor: Preprocessor;
  readonly outOfOrdernessMs: number;
  watermarkMs: number;
  readonly steps: readonly StepRun[];
}

interface StepRun {
  readonly id: string;
  readonly operator: Operator;
  readonly counts: { counted: number; late: number };
}

const none: readonly string[] = [];
const taken: Taken = { lateSteps: none };
/** There are no slots and no log here, so rows carry the position before every block. */
const context = { slot: 0, position: logStart, clockMs: 0 };
