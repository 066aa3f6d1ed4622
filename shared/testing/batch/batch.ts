import { foreverMs } from '#shared/pipeline/join.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { feedingStepsOf, inputsOf, type StepPlan, sourcesOfInput, stepsOf } from '#shared/pipeline/plan.ts';
import { hasCode } from '#shared/schemas/error.ts';
import { outputsOfRows } from '../chain-oracle.ts';
import type { FindItem } from '../walk.ts';
import type { Database } from './database.ts';
import { type FlatOutput, flatten, judge, type SentRecord } from './flat.ts';
import { type BatchRow, batchRowsOf, type Own, refusal, shownOf } from './step-rows.ts';

export interface Batch {
  /** Of the views that a query says. */
  readonly rows: readonly BatchRow[];
  /** Of the histories in which a record lies behind the watermark of its source: the places of such records, by history. */
  readonly behind: ReadonlyMap<number, ReadonlySet<number>>;
  /** Steps that no query says, and those behind them: by id, the error that says why. */
  readonly refused: ReadonlyMap<string, unknown>;
  /** Steps that a query says only where nothing is behind a watermark, and those that stand behind them: by id, the error that says why. */
  readonly onTimeOnly: ReadonlyMap<string, unknown>;
}

/**
 * The final rows of all views, computed by DuckDB over the whole of each history at once: the callbacks are called, which gives a flat table of
 * keys, times and values, and DuckDB forms the windows, groups, joins and ranks. What a step's rows become is a table again.
 */
export async function batchOf(
  database: Database,
  pipeline: Pipeline,
  histories: readonly (readonly SentRecord[])[],
  own: Own = {},
  findItem?: FindItem,
): Promise<Batch> {
  const outputs: FlatOutput[] = [...flatten(pipeline, histories, findItem)];
  const behind = new Map<number, Set<number>>();
  for (const { history, record, isBehind } of outputs) {
    if (!isBehind || record === undefined) continue;
    const places = behind.get(history) ?? new Set();
    behind.set(history, places.add(record));
  }
  const feeding = new Set(feedingStepsOf(pipeline.plan));
  const rows: BatchRow[] = [];
  const refused = new Map<string, unknown>();
  const onTimeOnly = new Map<string, unknown>();
  const rowsOfStep = new Map<string, readonly BatchRow[]>();
  for (const step of stepsOf(pipeline.plan)) {
    const sources = inputsOf(step).flatMap(sourcesOfInput);
    const before = sources.find((source) => refused.has(source));
    if (before !== undefined) {
      refused.set(step.id, refused.get(before));
      continue;
    }
    const rowSources = sources.filter((source) => [...feeding].some(({ id }) => id === source));
    const unlessLate = sources.find((source) => onTimeOnly.has(source));
    if (unlessLate !== undefined) onTimeOnly.set(step.id, onTimeOnly.get(unlessLate));
    else if (rowSources.length > 0 && rowSources.length < sources.length) {
      const why = 'it reads records and rows, which are judged by each other, and some records are late';
      onTimeOnly.set(step.id, refusal(pipeline, step, why));
    } else if (findsLate(step) && feedsOfEver(pipeline, sources)) {
      const why = 'it reads what a join has made of late records, which is late or not as they came';
      onTimeOnly.set(step.id, refusal(pipeline, step, why));
    }
    let made: readonly BatchRow[];
    try {
      const records = judge(pipeline, judgeOf(pipeline, step), outputs);
      made = await batchRowsOf(database, pipeline, step, records, { own, rowsOfStep });
    } catch (error) {
      if (!hasCode(error, 'PIPELINE_INVALID')) throw error;
      refused.set(step.id, error);
      continue;
    }
    if (step.sinks.length > 0) rows.push(...made.flatMap((row) => shownOf(pipeline, row) ?? [row]));
    if (!feeding.has(step)) continue;
    outputs.push(...recordsOf(pipeline, step, made, outputs.length));
    rowsOfStep.set(step.id, made);
  }
  return { rows, behind, refused, onTimeOnly };
}

/** Of all records ever nothing is late. */
function findsLate(step: StepPlan): boolean {
  if (step.op === 'select') return step.lateOf !== undefined;
  return step.op !== 'running' && !isEver(step);
}

/** Whether one of them joins late records with others: a row of two is late for who reads it, unless a block has both. */
function feedsOfEver({ plan }: Pipeline, sources: readonly string[]): boolean {
  return stepsOf(plan).some((step) => isEver(step) && sources.includes(step.id));
}

function isEver(step: StepPlan): boolean {
  return step.op === 'join' && step.upperMs === foreverMs;
}

/** The rows of a step as records of those behind it, with places from `firstSeq` on, which no other record has. */
function recordsOf(
  pipeline: Pipeline,
  step: StepPlan,
  rows: readonly BatchRow[],
  firstSeq: number,
): readonly FlatOutput[] {
  return [...Map.groupBy(rows, ({ history }) => history)].flatMap(([history, ofHistory]) => {
    const printed = ofHistory.map(({ row }) => row);
    return outputsOfRows(pipeline, step, printed).outputs.map(({ route, key, timeMs, value }, at) => {
      const seq = firstSeq + at;
      return { route, key, timeMs, value, history, seq, record: undefined, watermarks: new Map(), isBehind: false };
    });
  });
}

/** The step that says what is late: for a view of late records the one that refuses them. */
function judgeOf({ plan }: Pipeline, step: StepPlan): StepPlan {
  if (step.op !== 'select' || step.lateOf === undefined) return step;
  return stepsOf(plan).find(({ id }) => id === step.lateOf) ?? step;
}
