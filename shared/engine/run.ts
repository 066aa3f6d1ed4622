import { logStart } from '#shared/schemas/position.ts';
import type { Row, TotalPartial } from '#shared/schemas/row.ts';
import type { Operator } from './aggregate.ts';
import type { CompiledPipeline, CompiledStep } from './compile.ts';
import type { DecodedRecord, Rejection } from './decode.ts';
import { createEmission } from './emit.ts';
import { createOperator } from './memory-stage.ts';
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
  readonly #operators = new Map<CompiledStep, Operator>();
  readonly #emission = createEmission();

  constructor(pipeline: CompiledPipeline) {
    for (const step of pipeline.steps) {
      // Only final rows are wanted, so nothing is refreshed on the way.
      this.#operators.set(step, createOperator(step));
      this.stepCounts.set(step.plan.id, { counted: 0, late: 0 });
    }
    for (const [name, source] of pipeline.sources) {
      this.#sources.set(name, {
        preprocessor: new Preprocessor(pipeline, source),
        outOfOrdernessMs: source.plan.outOfOrdernessMs,
        watermarkMs: Number.NEGATIVE_INFINITY,
        steps: pipeline.steps.filter((step) => step.plan.source === name),
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

  /** The input is through: every window is final. Gives all rows and each window's total. */
  finish(): { readonly rows: readonly Row[]; readonly totals: readonly TotalPartial[] } {
    for (const run of this.#sources.values()) this.#advance(run, Number.MAX_SAFE_INTEGER);
    return this.#emission;
  }

  /** Rows of windows that have closed since the last call. */
  takeRows(): { readonly rows: readonly Row[]; readonly totals: readonly TotalPartial[] } {
    return { rows: this.#emission.rows.splice(0), totals: this.#emission.totals.splice(0) };
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
      for (const step of output.route.steps) {
        wanted += 1;
        const counts = this.stepCounts.get(step.plan.id) as { counted: number; late: number };
        if (
          (this.#operators.get(step) as Operator).add(
            output.key.text,
            decoded.timeMs,
            output.values,
            run.watermarkMs,
            0,
          )
        ) {
          counts.counted += 1;
        } else {
          counts.late += 1;
          lateCount += 1;
          if (!lateSteps.includes(step.plan.id)) lateSteps = [...lateSteps, step.plan.id];
        }
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
    for (const step of run.steps) this.#operators.get(step)?.advance(watermarkMs, context, this.#emission);
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
  readonly steps: readonly CompiledStep[];
}

const none: readonly string[] = [];
const taken: Taken = { lateSteps: none };
/** There are no slots and no log here, so rows carry the position before every block. */
const context = { slot: 0, position: logStart, clockMs: 0 };
