import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { inputsOf, type StepPlan, sourcesOf, sourcesOfInput, stepsOf } from '#shared/pipeline/plan.ts';
import { isOrdered } from '#shared/pipeline/window.ts';
import { judgeOf } from '../log-oracle.ts';
import { takeLine } from '../oracle.ts';
import type { FindItem, Fresh } from '../walk.ts';

/** A record as it was sent: the text of one raw record's line, and the stream that it was sent to. */
export interface SentRecord {
  readonly source: string;
  readonly line: string;
}

/** One output of a record, with what a batch needs to judge it. */
export interface FlatOutput extends Fresh {
  readonly history: number;
  /** Of arrival, within the history. */
  readonly seq: number;
  /** The place of its record within the history; undefined for what is made of rows. */
  readonly record: number | undefined;
  /** Of the sources before this record, null while one of them has none: by source, the greatest event time less its disorder. */
  readonly watermarks: ReadonlyMap<string, number>;
  /** Whether its record lies behind the watermark of its own source, so that how records are batched may matter. */
  readonly isBehind: boolean;
}

/**
 * What the pipeline's callbacks make of the records, one history after the other. Nothing of it depends on the engine: it is decoded, filtered,
 * mapped and keyed here, record by record, and a watermark is the greatest event time so far.
 */
export function flatten(
  pipeline: Pipeline,
  histories: readonly (readonly SentRecord[])[],
  findItem?: FindItem,
): readonly FlatOutput[] {
  const disorderMs = new Map(sourcesOf(pipeline.plan).map((source) => [source.id, source.outOfOrdernessMs]));
  return histories.flatMap((records, history) => {
    let watermarks: ReadonlyMap<string, number> = new Map();
    const outputs: FlatOutput[] = [];
    for (const [record, { source, line }] of records.entries()) {
      const taken = takeLine(pipeline, source, line, findItem);
      if (taken === undefined || typeof taken === 'string') continue;
      const isBehind = taken.timeMs < (watermarks.get(source) ?? Number.NEGATIVE_INFINITY);
      for (const output of taken.outputs)
        outputs.push({ ...output, history, record, seq: outputs.length, watermarks, isBehind });
      const watermarkMs = taken.timeMs - (disorderMs.get(source) ?? 0);
      if (watermarkMs > (watermarks.get(source) ?? Number.NEGATIVE_INFINITY))
        watermarks = new Map(watermarks).set(source, watermarkMs);
    }
    return outputs;
  });
}

/** An output as one step sees it. */
export interface Judged extends FlatOutput {
  /** Of the step, before this record; null while there is none. */
  readonly watermarkMs: number | null;
  /** Only where a query cannot judge by the watermark alone, that is of sessions. */
  readonly isLate: boolean;
  /** Which of a key's sessions it is in, where late records have kept some apart; 0 for all of a history in which none is late. */
  readonly life: number;
}

/** The outputs that go into a step, with the watermark that each is judged by. Rows of a step are never late. */
export function judge(pipeline: Pipeline, step: StepPlan, outputs: readonly FlatOutput[]): readonly Judged[] {
  const inputs = inputsOf(step);
  const sources = [...new Set(inputs.flatMap(sourcesOfInput))];
  const isRow = sources.some((source) => stepsOf(pipeline.plan).some(({ id }) => id === source));
  const judged = outputs
    .filter(({ route }) => inputs.some(({ input }) => input === route))
    .map((output): Judged => {
      const all = sources.map((source) => output.watermarks.get(source));
      const known = all.filter((watermark) => watermark !== undefined);
      const watermarkMs = isRow || known.length < all.length ? null : Math.min(...known);
      return { ...output, watermarkMs, isLate: false, life: 0 };
    });
  if (step.op !== 'aggregate' || step.window.kind !== 'session' || isOrdered(step.window)) return judged;
  return [...Map.groupBy(judged, ({ history }) => history).values()].flatMap((records) => judgeSessions(step, records));
}

/** Sessions are what the order of arrival makes of them as soon as one has closed before its last record has come. */
function judgeSessions(step: StepPlan, records: readonly Judged[]): readonly Judged[] {
  if (records.every(({ timeMs, watermarkMs }) => watermarkMs === null || timeMs >= watermarkMs)) return records;
  const judge = judgeOf(step);
  const late = new Set<number>();
  for (const { seq, key, timeMs, watermarkMs } of records) {
    const watermark = watermarkMs ?? Number.NEGATIVE_INFINITY;
    judge.close(watermark);
    if (!judge.take({ id: String(seq), key, timeMs }, watermark)) late.add(seq);
  }
  const lives = new Map(
    judge.cells().flatMap(({ outputIds }, life) => outputIds.map((id) => [Number(id), life] as const)),
  );
  return records.map((record) => ({ ...record, isLate: late.has(record.seq), life: lives.get(record.seq) ?? 0 }));
}
