import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import {
  type AggregatePlan,
  feedingStepsOf,
  inputsOf,
  type RunningPlan,
  type StepPlan,
  sourcesOf,
  stepsOf,
} from '#shared/pipeline/plan.ts';
import { isOrdered } from '#shared/pipeline/window.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { outputsOfRows, topRowsOf } from './chain-oracle.ts';
import { deriveNaively } from './derived-oracle.ts';
import { joinedRowsOf } from './join-oracle.ts';
import { orderedCellsOf } from './ordered-oracle.ts';
import { processedRowsOf } from './process-oracle.ts';
import { selectedRowsOf } from './select-oracle.ts';
import { aggregatesOf, type FindItem, type Fresh, walk } from './walk.ts';
import { alignedOf, sessionsOf } from './window-oracle.ts';

/** A raw record as a producer sent it. */
export interface OracleRecord {
  readonly source: string;
  /** The raw shard, and the record's sequence number in it: together its position. */
  readonly origin: string;
  readonly sequence: string;
  readonly data: Uint8Array | string;
  /** It was given up for having killed its process too often: rejected unread. */
  readonly killed?: boolean;
  /** What was looked up for it. */
  readonly findItem?: FindItem;
}

/** One output of a record: what a route's steps see of it. */
export interface OracleOutput {
  /** `source/origin/sequence/sub`. */
  readonly id: string;
  readonly recordId: string;
  readonly route: string;
  readonly key: string;
  readonly timeMs: number;
  /** What `keyBy` was given; the aggregators select from it. */
  readonly value: unknown;
}

export interface OracleRejection {
  /** `source/origin/sequence/line`. */
  readonly id: string;
  readonly reason: 'undecodable' | 'invalid' | 'threw';
}

type Columns = Readonly<Record<string, unknown>>;

/** What the records become before any window is asked. */
export interface Evaluation {
  readonly outputs: ReadonlyMap<string, OracleOutput>;
  readonly rejections: readonly OracleRejection[];
  readonly sent: number;
  readonly filtered: number;
}

/** One key in one window, with the outputs that it holds in the order of their judgement. */
export interface OracleCell {
  readonly key: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly outputIds: readonly string[];
}

/** What a log decided where records came late: which outputs each step refused, and which window holds which output. */
export interface Verdict {
  /** By step, the ids of the outputs that it found late in all their windows. */
  readonly late: ReadonlyMap<string, ReadonlySet<string>>;
  /** By step, the cells that the log gave; what has no windows has none. */
  readonly cells: ReadonlyMap<string, readonly OracleCell[]>;
}

export interface OracleNumbers {
  readonly sent: number;
  readonly counted: number;
  readonly filtered: number;
  readonly late: number;
  readonly rejected: number;
}

export interface OracleResult {
  /** Final rows by view, window start and key; rows without a window by their earlier time, key, later time and text. */
  readonly rows: readonly PrintedRow[];
  /** Of the raw records. */
  readonly numbers: OracleNumbers;
  /** By process step, the calls that threw: the output's id and, for a timer that it led to, ` at ` and its time. */
  readonly threw: ReadonlyMap<string, readonly string[]>;
  /** Final rows that could not be used as records again: `step/key/event time`. */
  readonly rejectedRows: readonly OracleRejection[];
}

/**
 * The right answer, computed naively from all records at once, apart from the engine: what every host, batch and fault must lead
 * to. Without a verdict no record is late; with one, the windows are the verdict's and the values still the records' own.
 */
export function oracle(pipeline: Pipeline, records: readonly OracleRecord[], verdict?: Verdict): OracleResult {
  const evaluated = evaluate(pipeline, records);
  // The rows of a step are records of those that stand behind it.
  const outputs = new Map(evaluated.outputs);
  const evaluation = { ...evaluated, outputs };
  const feeding = new Set(feedingStepsOf(pipeline.plan));
  const rejectedRows: OracleRejection[] = [];
  const threw = new Map<string, readonly string[]>();
  const totals = new Map<string, Columns>();
  const rows: PrintedRow[] = [];
  for (const step of stepsOf(pipeline.plan)) {
    const made = rowsOfStep(pipeline, step, { evaluation, verdict, threw, totals });
    if (step.sinks.length > 0) rows.push(...made);
    if (!feeding.has(step)) continue;
    const again = outputsOfRows(pipeline, step, made);
    for (const output of again.outputs) outputs.set(output.id, output);
    rejectedRows.push(...again.rejections);
  }
  return { rows, numbers: numbersOf(pipeline, evaluated, verdict), threw, rejectedRows };
}

function rowsOfStep(
  pipeline: Pipeline,
  step: StepPlan,
  it: {
    readonly evaluation: Evaluation;
    readonly verdict: Verdict | undefined;
    readonly threw: Map<string, readonly string[]>;
    /** Of windows over all keys, by `step/start/end`. */
    readonly totals: Map<string, Columns>;
  },
): readonly PrintedRow[] {
  const { evaluation, verdict } = it;
  const late = verdict?.late.get(step.id) ?? new Set<string>();
  if (step.op === 'join') return joinedRowsOf(pipeline, step, evaluation, late);
  if (step.op === 'top') return topRowsOf(step, evaluation, it.totals);
  if (step.op === 'running') return runningRowsOf(pipeline, step, evaluation);
  if (step.op === 'select')
    return selectedRowsOf(pipeline, step, evaluation, (id) => verdict?.late.get(id) ?? new Set());
  if (step.op === 'process') {
    const { rows, threw } = processedRowsOf(pipeline, step, evaluation, late);
    it.threw.set(step.id, threw);
    return rows;
  }
  if (isOrdered(step.window)) return rowsOf(pipeline, step, cellsOf(pipeline, step, evaluation, late), it);
  // Whatever came late in the streams: the rows of a step never do.
  const isRaw = sourcesOf(pipeline.plan).some(({ id }) => id === step.source);
  const cells =
    verdict === undefined || !isRaw ? cellsOf(pipeline, step, evaluation) : (verdict.cells.get(step.id) ?? []);
  return rowsOf(pipeline, step, cells, it);
}

/** Decodes, validates, filters, maps and keys every record through the pipeline's own callbacks. */
export function evaluate(pipeline: Pipeline, records: readonly OracleRecord[]): Evaluation {
  const outputs = new Map<string, OracleOutput>();
  const rejections: OracleRejection[] = [];
  let sent = 0;
  let filtered = 0;
  for (const record of records) {
    const recordId = `${record.source}/${record.origin}/${record.sequence}`;
    if (record.killed === true) {
      sent += 1;
      rejections.push({ id: `${recordId}/0`, reason: 'threw' });
      continue;
    }
    const lines = linesOf(record.data);
    for (const [index, line] of lines.entries()) {
      const taken = line === undefined ? 'undecodable' : takeLine(pipeline, record.source, line, record.findItem);
      if (taken === undefined) continue;
      sent += 1;
      if (typeof taken === 'string') {
        rejections.push({ id: `${recordId}/${index}`, reason: taken });
        continue;
      }
      if (taken.outputs.length === 0) filtered += 1;
      for (const [at, output] of taken.outputs.entries()) {
        const id = `${recordId}/${index * 1_000_000 + at}`;
        outputs.set(id, { ...output, id, recordId: `${recordId}/${index}` });
      }
    }
  }
  return { outputs, rejections, sent, filtered };
}

/** A record that is none of the rejected, with what it becomes. */
export interface OracleTaken {
  readonly timeMs: number;
  readonly outputs: readonly Fresh[];
}

/** One line's outputs, the reason why it is rejected, or undefined when it holds no record. */
export function takeLine(
  pipeline: Pipeline,
  source: string,
  line: string,
  findItem?: FindItem,
): OracleTaken | OracleRejection['reason'] | undefined {
  const binding = pipeline.bindings.get(source);
  if (binding?.op !== 'source') throw new Error(`the pipeline has no source ${source}`);
  let decoded: unknown;
  try {
    const decoders = binding.decoders.filter((one) => 'decodeLine' in one);
    const decoder = decoders.length === 1 ? decoders[0] : decoders.find((one) => one.recognises(line));
    if (decoder === undefined) return 'undecodable';
    decoded = decoder.decodeLine(line);
  } catch {
    return 'undecodable';
  }
  if (decoded === undefined) return undefined;
  try {
    const result = binding.schema['~standard'].validate(decoded);
    if ('then' in result) {
      // So does Zod when a callback threw; nobody waits for the rejection.
      result.then(undefined, () => {});
      return 'threw';
    }
    if (result.issues !== undefined) return 'invalid';
    const timeMs = Number(binding.timestamp(result.value));
    // The years 1 to 9999.
    if (!(timeMs >= Date.parse('0001-01-01T00:00:00.000Z') && timeMs <= Date.parse('9999-12-31T23:59:59.999Z')))
      return 'invalid';
    const found: Fresh[] = [];
    const usable = walk(pipeline, source, result.value, Math.floor(timeMs), found, findItem);
    return usable ? { timeMs: Math.floor(timeMs), outputs: found } : 'invalid';
  } catch {
    return 'threw';
  }
}

/** All windows of a step when nothing is late but what is said. */
function cellsOf(
  pipeline: Pipeline,
  step: AggregatePlan,
  evaluation: Evaluation,
  late: ReadonlySet<string> = new Set(),
): readonly OracleCell[] {
  const byKey = new Map<string, OracleOutput[]>();
  for (const output of evaluation.outputs.values()) {
    if (output.route === step.input && !late.has(output.id))
      byKey.set(output.key, [...(byKey.get(output.key) ?? []), output]);
  }
  return [...byKey].flatMap(([key, outputs]) => {
    const { window } = step;
    if (isOrdered(window)) return orderedCellsOf(key, window, aggregatesOf(pipeline, step), outputs);
    const ranges = window.kind === 'session' ? sessionsOf(outputs, window.gapMs) : alignedOf(step, outputs);
    return ranges.map(([startMs, endMs]) => ({
      key,
      startMs,
      endMs,
      outputIds: outputs.filter(({ timeMs }) => timeMs >= startMs && timeMs < endMs).map((output) => output.id),
    }));
  });
}

/** Folds each cell, adds the derived columns and sorts. */
function rowsOf(
  pipeline: Pipeline,
  step: AggregatePlan,
  cells: readonly OracleCell[],
  { evaluation, totals }: { readonly evaluation: Evaluation; readonly totals: Map<string, Columns> },
): readonly PrintedRow[] {
  const nameOf = ({ startMs, endMs }: OracleCell): string => `${step.id}/${startMs}/${endMs}`;
  const aggregates = aggregatesOf(pipeline, step);
  const folded = cells.map((cell) => ({ cell, columns: fold(aggregates, cell.outputIds, evaluation) }));
  for (const { cell } of folded) {
    const name = nameOf(cell);
    if (totals.has(name)) continue;
    const inWindow = cells.filter((other) => nameOf(other) === name);
    totals.set(
      name,
      fold(
        aggregates,
        inWindow.flatMap((other) => other.outputIds),
        evaluation,
      ),
    );
  }
  return folded
    .sort((a, b) => compareCells(a.cell, b.cell))
    .map(({ cell, columns }) => ({
      view: step.id,
      ...(step.window.kind === 'global'
        ? {}
        : { windowStart: new Date(cell.startMs).toISOString(), windowEnd: new Date(cell.endMs).toISOString() }),
      // A key that was given up may come again.
      final: step.window.kind !== 'global' || step.window.ttlMs === undefined,
      ...decodeKey(cell.key),
      ...columns,
      ...deriveNaively(step, columns, totals.get(nameOf(cell)) ?? {}, cell.endMs - cell.startMs),
    }));
}

function compareCells(a: OracleCell, b: OracleCell): number {
  return a.startMs - b.startMs || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) || a.endMs - b.endMs;
}

/** All records of a key at once. */
function runningRowsOf(pipeline: Pipeline, step: RunningPlan, evaluation: Evaluation): readonly PrintedRow[] {
  const outputs = [...evaluation.outputs.values()].filter((output) => output.route === step.input);
  return [...Map.groupBy(outputs, (output) => output.key)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, ofKey]) => {
      const ids = ofKey.map((output) => output.id);
      const columns = fold(aggregatesOf(pipeline, step), ids, evaluation);
      const derived = deriveNaively(step, columns, {}, Number.NaN);
      return { view: step.id, ...decodeKey(key), ...columns, ...derived } as unknown as PrintedRow;
    });
}

function fold(
  aggregates: Readonly<Record<string, AnyAggregator<unknown>>>,
  outputIds: readonly string[],
  evaluation: Evaluation,
): Readonly<Record<string, unknown>> {
  const columns: Record<string, unknown> = {};
  for (const [name, aggregator] of Object.entries(aggregates)) {
    let accumulator: unknown = aggregator.create();
    for (const id of outputIds) {
      const output = evaluation.outputs.get(id);
      if (output === undefined) throw new Error(`the log holds output ${id}, which no record gave`);
      accumulator = aggregator.add(accumulator, aggregator.select(output.value, output.timeMs));
    }
    columns[name] = aggregator.result(accumulator);
  }
  return columns;
}

function numbersOf(pipeline: Pipeline, evaluation: Evaluation, verdict: Verdict | undefined): OracleNumbers {
  const steps = stepsOf(pipeline.plan);
  const wanted = new Set<string>();
  const counted = new Set<string>();
  for (const output of evaluation.outputs.values()) {
    wanted.add(output.recordId);
    const taken = steps.some(
      (step) =>
        !(step.op === 'select' && step.lateOf !== undefined) &&
        inputsOf(step).some(({ input }) => input === output.route) &&
        verdict?.late.get(step.id)?.has(output.id) !== true,
    );
    if (taken) counted.add(output.recordId);
  }
  return {
    sent: evaluation.sent,
    counted: counted.size,
    filtered: evaluation.filtered,
    late: wanted.size - counted.size,
    rejected: evaluation.rejections.length,
  };
}

/** The lines that are not empty; undefined for one that is no text. */
function linesOf(data: string | Uint8Array): readonly (string | undefined)[] {
  if (typeof data === 'string') return data.split(/\r?\n|\r$/).filter((line) => line !== '');
  const lines: (string | undefined)[] = [];
  for (let start = 0; start < data.length; ) {
    const found = data.indexOf(10, start);
    const end = found === -1 ? data.length : found;
    const text = readUtf8(data.subarray(start, end));
    lines.push(text?.replace(/\r$/, ''));
    start = end + 1;
  }
  return lines.filter((line) => line !== '');
}

function readUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
