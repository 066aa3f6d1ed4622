import type { CompiledPipeline, CompiledRoute, CompiledStep } from '#shared/engine/compile/compile.ts';
import type { DecodedRecord, Rejection } from '#shared/engine/decode/decode.ts';
import { FoundKey } from '#shared/engine/keys/key.ts';
import { type CallbackFailure, createEmission, type Emission, emitRest } from '#shared/engine/operators/emit.ts';
import type { Operator, StepInput } from '#shared/engine/operators/operator.ts';
import { type TotalPart, takesTotals } from '#shared/engine/operators/top.ts';
import { compareRows, timeOfRow, valueOfRow, watermarkOfRows } from '#shared/engine/rows/rows.ts';
import { lateOf } from '#shared/engine/slots/admit.ts';
import { createOperator } from '#shared/engine/slots/memory-stage.ts';
import { originIn } from '#shared/engine/slots/slot.ts';
import type { Lookups } from '#shared/engine/transform/lookups.ts';
import { Preprocessor, Transformer } from '#shared/engine/transform/preprocess.ts';
import type { StagedOutput } from '#shared/engine/transform/transform.ts';
import type { DecodeTools } from '#shared/pipeline/decoder.ts';
import { assert } from '#shared/schemas/error.ts';
import { logStart } from '#shared/schemas/position.ts';
import type { Row, TotalPartial } from '#shared/schemas/row.ts';

/** Records by what became of them. The invariant: sent = counted + filtered + late + rejected. */
export interface Dispositions {
  sent: number;
  counted: number;
  filtered: number;
  late: number;
  rejected: number;
}

/** `threw`: how often a callback threw for what is among the counted. */
export interface StepCounts {
  readonly counted: number;
  readonly late: number;
  readonly threw?: number;
}

/** What became of one record: the steps that found it late and do not show it, or why it was rejected. */
export interface Taken {
  readonly rejection?: Rejection;
  readonly lateSteps: readonly string[];
  readonly eventTimeMs?: number;
}

/** A final row that could not be used as a record again. */
export interface RejectedRow {
  readonly row: Row;
  readonly rejection: Rejection;
}

export interface DirectRunOptions {
  /** Needed for bytes, not for lines and values. */
  readonly tools?: DecodeTools;
  /** False: JSON is parsed. */
  readonly scans?: boolean;
  /** All that is looked up. */
  readonly lookups?: Lookups | undefined;
  /** May take rows away while they are made: a window may have very many. */
  readonly onRows?: (emission: Emission) => void;
}

/**
 * The whole pipeline in one process, without servers: every source is one origin in the order in which it is given, and every
 * record is a block of its own, so a record is judged by the watermark of the records before it.
 */
export class DirectRun {
  readonly dispositions: Dispositions = { sent: 0, counted: 0, filtered: 0, late: 0, rejected: 0 };
  readonly stepCounts = new Map<string, StepCounts>();
  /** What threw behind the exchange; whoever reads them clears them. */
  readonly failures: CallbackFailure[] = [];
  readonly rejectedRows: RejectedRow[] = [];
  readonly #sources = new Map<string, SourceRun>();
  /** The steps behind each route, by the route's index. */
  readonly #stepsOfRoute: (readonly StepRun[])[] = [];
  /** Of the record at hand. There is no clock. */
  readonly #input: StepInput = {
    key: new FoundKey(),
    timeMs: 0,
    values: none,
    watermarkMs: 0,
    clockMs: 0,
    route: '',
    origin: '',
    sequence: 0,
    sub: 0,
  };
  #rowCount = 0;
  readonly #emission = createEmission();
  readonly #onRows: (emission: Emission) => void;

  constructor(
    pipeline: CompiledPipeline,
    { tools, scans = true, lookups, onRows = () => undefined }: DirectRunOptions = {},
  ) {
    this.#onRows = onRows;
    for (const [name, source] of pipeline.sources) {
      const preprocessor = new Preprocessor(pipeline, source, tools, { scans });
      if (lookups !== undefined) preprocessor.lookups = lookups;
      this.#sources.set(name, {
        preprocessor,
        outOfOrdernessMs: source.plan.outOfOrdernessMs,
        watermarkMs: Number.NEGATIVE_INFINITY,
        steps: [],
      });
    }
    // Only final rows are wanted, so nothing is refreshed on the way.
    const runs = new Map<CompiledStep, StepRun>();
    // Steps stand behind those whose rows they read.
    const rowRuns = new Map<string, RowRun>();
    for (const step of pipeline.steps) {
      const sources = step.sources.map((name) => rowRuns.get(name) ?? this.#source(name));
      const rowSource = pipeline.rowSources.get(step.plan.id);
      const rows = rowSource && {
        transformer: new Transformer(pipeline, rowSource),
        routes: rowSource.routes,
        watermarkMs: Number.NEGATIVE_INFINITY,
        steps: [],
      };
      if (rows !== undefined) rowRuns.set(step.plan.id, rows);
      const counts = { counted: 0, late: 0 };
      const run: StepRun = {
        id: step.plan.id,
        step,
        rows,
        operator: createOperator(step),
        counts,
        sources,
        lateViews: [],
        watermarkMs: Number.NEGATIVE_INFINITY,
      };
      this.stepCounts.set(run.id, counts);
      for (const other of runs.values()) if (lateOf(step) === other.id) other.lateViews.push(run);
      for (const source of sources) source.steps.push(run);
      runs.set(step, run);
    }
    for (const { index, steps } of pipeline.routes.values())
      this.#stepsOfRoute[index] = steps.flatMap((step) =>
        lateOf(step) === undefined ? [runs.get(step) as StepRun] : [],
      );
  }

  /** Takes one line of a source; undefined for a line that holds no record. `at` says where it stands, for what fails later. */
  takeLine(source: string, line: string, at?: LinePosition): Taken | undefined {
    const run = this.#source(source);
    const decoded = run.preprocessor.takeLine(line);
    return decoded === undefined ? undefined : this.#take(run, decoded, at);
  }

  /**
   * Begins a file of a source: what stands at its top, such as a header, holds until the next one begins. Gives what reads its bytes, whole
   * or, where the format is one of lines, in pieces that end at line ends.
   */
  openFile(source: string, origin: string): FileReader {
    const run = this.#source(source);
    const { preprocessor } = run;
    const { reader } = preprocessor;
    reader.begin({}, { isFile: true });
    const at = { origin, line: 0 };
    let told: VisitTaken = () => undefined;
    // One for all pieces, so that it is compiled into what calls it.
    const take = (decoded: DecodedRecord | Rejection): void => {
      at.line = reader.line;
      told(this.#take(run, decoded, at), reader);
    };
    return {
      readsLines: (start) => reader.readsLines(start),
      read: (bytes, visit) => {
        told = visit;
        preprocessor.takeBytes(bytes, take);
      },
      end: (visit) => {
        told = visit;
        preprocessor.endFile(take);
      },
    };
  }

  /** Takes one value of a source, decoded already. */
  takeValue(source: string, value: unknown): Taken {
    const run = this.#source(source);
    return this.#take(run, run.preprocessor.takeValue(value));
  }

  /** The input is through: every window is final. */
  finish(): void {
    for (const run of this.#sources.values()) {
      assert(!run.preprocessor.reader.isOpen, 'every file is ended before its run');
      this.#advance(run, Number.POSITIVE_INFINITY);
    }
  }

  /** The rows and totals of the windows that have closed since they were last cleared. */
  get emission(): Emission {
    return this.#emission;
  }

  #take(run: SourceRun, decoded: DecodedRecord | Rejection, at?: LinePosition): Taken {
    this.dispositions.sent += 1;
    if (decoded.kind === 'rejected') {
      this.dispositions.rejected += 1;
      return { rejection: decoded, lateSteps: none };
    }
    const { preprocessor } = run;
    assert(!preprocessor.isWaiting, 'a run over files has the tables in which records are looked up');
    let wanted = 0;
    let lateSteps = none;
    let lateCount = 0;
    const input = this.#input;
    const shard = at === undefined ? '' : at.origin;
    input.timeMs = decoded.timeMs;
    input.sequence = at === undefined ? this.dispositions.sent : at.line;
    const { outputs, outputCount } = preprocessor;
    for (let index = 0; index < outputCount; index += 1) {
      const output = outputs[index] as StagedOutput;
      const steps = this.#bring(output, index, preprocessor.source.plan.id, shard);
      wanted += steps.length;
      for (let at = 0; at < steps.length; at += 1) {
        const step = steps[at] as StepRun;
        if (offer(step, input)) continue;
        lateCount += 1;
        if (step.lateViews.length === 0 && !lateSteps.includes(step.id)) lateSteps = [...lateSteps, step.id];
      }
    }
    if (wanted === 0) this.dispositions.filtered += 1;
    else if (lateCount === wanted) this.dispositions.late += 1;
    else this.dispositions.counted += 1;
    const watermarkMs = decoded.timeMs - run.outOfOrdernessMs;
    // Most records do not get that far, and to be handed on it would be made an object.
    if (watermarkMs > run.watermarkMs) this.#advance(run, watermarkMs);
    return lateCount === 0 ? taken : { lateSteps, eventTimeMs: decoded.timeMs };
  }

  #advance(run: OriginRun, watermarkMs: number): void {
    if (watermarkMs <= run.watermarkMs) return;
    run.watermarkMs = watermarkMs;
    for (let at = 0; at < run.steps.length; at += 1) {
      const step = run.steps[at] as StepRun;
      step.watermarkMs = leastWatermark(step.sources);
      const before = { rows: this.#emission.rows.length, totals: this.#emission.totals.length };
      step.operator.advance(step.watermarkMs, context, this.#emission);
      // All rows are wanted in the end, and the records go on.
      while (this.#emission.rest.length > 0) {
        if (step.rows === undefined) this.#onRows(this.#emission);
        emitRest(this.#emission);
      }
      const { failures } = this.#emission;
      for (const failure of failures.length === 0 ? failures : failures.splice(0)) {
        step.counts.threw = (step.counts.threw ?? 0) + 1;
        this.failures.push(failure);
      }
      if (step.rows !== undefined) this.#passOn(step, step.rows, before);
    }
  }

  /** The step's rows from `before` on are records again. Without a sink they are nothing else. */
  #passOn(
    { step, watermarkMs }: StepRun,
    run: RowRun,
    before: { readonly rows: number; readonly totals: number },
  ): void {
    const { rows, totals, changes } = this.#emission;
    const hasSink = step.plan.sinks.length > 0;
    const own = hasSink ? rows.slice(before.rows) : rows.splice(before.rows);
    const ownTotals = hasSink ? totals.slice(before.totals) : totals.splice(before.totals);
    const made = step.op === 'running' ? changes.splice(0) : own;
    for (const row of made.sort(compareRows)) this.#takeRow(step, run, row);
    for (const total of ownTotals) this.#takeTotal(run, total);
    this.#advance(run, watermarkOfRows(step, watermarkMs));
  }

  #takeRow(step: CompiledStep, { transformer }: RowRun, row: Row): void {
    const timeMs = timeOfRow(step, row);
    const taken = transformer.take({ kind: 'decoded', value: valueOfRow(step, row), timeMs });
    if (taken.kind === 'rejected') {
      this.rejectedRows.push({ row, rejection: taken });
      return;
    }
    this.#rowCount += 1;
    const input = this.#input;
    input.timeMs = timeMs;
    input.sequence = this.#rowCount;
    for (let index = 0; index < transformer.outputCount; index += 1) {
      const output = transformer.outputs[index] as StagedOutput;
      for (const next of this.#bring(output, index, row.view, row.view)) offer(next, input);
    }
  }

  /** Those that rank the rows have shares of it. It is no row of theirs. */
  #takeTotal({ routes }: RowRun, { windowEndMs, columns }: TotalPartial): void {
    const part: TotalPart = [columns];
    for (const route of routes.filter(takesTotals))
      for (const { operator, watermarkMs } of this.#stepsOfRoute[route.index] as readonly StepRun[])
        operator.add({ ...this.#input, timeMs: windowEndMs - 1, values: [part], watermarkMs });
  }

  /** Makes an output what the steps are offered, and gives those behind its route. */
  #bring({ route, key, values }: StagedOutput, sub: number, source: string, shard: string): readonly StepRun[] {
    const input = this.#input;
    const origin = originIn(route, source, shard);
    // Most often all is as for the record before, and to look costs less than to say it again.
    if (input.key !== key) input.key = key;
    if (input.values !== values) input.values = values;
    if (input.route !== route.id) input.route = route.id;
    if (input.origin !== origin) input.origin = origin;
    input.sub = sub;
    return this.#stepsOfRoute[route.index] as readonly StepRun[];
  }

  #source(name: string): SourceRun {
    const source = this.#sources.get(name);
    if (source === undefined) throw new Error(`Bug in Millrace: no source ${name} in the plan`);
    return source;
  }
}

/** Reads one file of a source. */
export interface FileReader {
  /** Whether a file that begins so is lines, and may be read in pieces. */
  readonly readsLines: (start: Uint8Array) => boolean;
  readonly read: (bytes: Uint8Array, visit: VisitTaken) => void;
  /** Behind the last bytes: what goes on there is a record that is not whole. */
  readonly end: (visit: VisitTaken) => void;
}

/** Is told what became of each record, and where it stands: its line, or its number where there are no lines, from 1. */
export type VisitTaken = (taken: Taken, at: { readonly line: number; readonly payload: string | Uint8Array }) => void;

/** Which line of which file, from 1. */
export interface LinePosition {
  readonly origin: string;
  readonly line: number;
}

interface OriginRun {
  watermarkMs: number;
  readonly steps: StepRun[];
}

interface SourceRun extends OriginRun {
  readonly preprocessor: Preprocessor;
  readonly outOfOrdernessMs: number;
}

interface RowRun extends OriginRun {
  readonly transformer: Transformer;
  readonly routes: readonly CompiledRoute[];
}

interface StepRun {
  readonly id: string;
  readonly step: CompiledStep;
  readonly operator: Operator;
  readonly counts: { -readonly [Name in keyof StepCounts]: StepCounts[Name] };
  readonly sources: readonly OriginRun[];
  /** When its rows are a stream again. */
  readonly rows: RowRun | undefined;
  /** Where what it finds late is shown, instead of among the dead letters. */
  readonly lateViews: StepRun[];
  /** The least of its sources'. */
  watermarkMs: number;
}

/** Gives a step an output; one that it finds late goes to the views of those, if there are any. False when it was late. */
function offer(step: StepRun, input: StepInput): boolean {
  const { operator, counts, lateViews } = step;
  input.watermarkMs = step.watermarkMs;
  if (operator.add(input)) {
    counts.counted += 1;
    return true;
  }
  counts.late += 1;
  for (const view of lateViews) offer(view, input);
  return false;
}

function leastWatermark(sources: readonly OriginRun[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (let at = 0; at < sources.length; at += 1) least = Math.min(least, (sources[at] as OriginRun).watermarkMs);
  return least;
}

const none: readonly string[] = [];
const taken: Taken = { lateSteps: none };
/** There are no slots and no log here, so rows carry the position before every block. */
const context = { slot: 0, position: logStart, clockMs: 0 };
