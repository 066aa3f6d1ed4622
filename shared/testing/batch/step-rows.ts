import { evaluateDerived } from '#shared/pipeline/derive.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { type JoinPlan, type SelectPlan, type StepPlan, stepsOf, type TopPlan } from '#shared/pipeline/plan.ts';
import { rankedBy } from '#shared/pipeline/ranking.ts';
import { isOrdered } from '#shared/pipeline/window.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { decodeKey, encodeKey, type KeyColumns } from '#shared/schemas/key.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { selectorsOf } from '../join-oracle.ts';
import { selectedRowOf } from '../select-oracle.ts';
import type { BatchAggregate } from './aggregates.ts';
import type { Database } from './database.ts';
import type { Judged } from './flat.ts';
import { inTimeSql, placesOf } from './places.ts';
import { type OwnFunctions, processedRows } from './processed-rows.ts';
import { slackOf, windowRows } from './window-rows.ts';
import { windowedSql } from './windows.ts';

/** A row as the batch has it, and by column how large a difference is none. */
export interface BatchRow {
  readonly history: number;
  readonly row: PrintedRow;
  readonly slack: Readonly<Record<string, Slack>>;
  /** Of its window over all keys, of the columns that need it. */
  readonly totals?: Readonly<Record<string, unknown>>;
}

/** How much a number may be off, and which part of itself besides. */
export interface Slack {
  readonly by: number;
  readonly share: number;
}

/** How a batch computes aggregators that are not Millrace's own, by kind. */
export type OwnAggregates = Readonly<Record<string, BatchAggregate>>;

/** What a pipeline's author says of what is not Millrace's own. */
export interface Own {
  readonly aggregates?: OwnAggregates | undefined;
  readonly functions?: OwnFunctions | undefined;
}

/** The rows of one step for all histories at once. Rejects with `PIPELINE_INVALID` what no query says, naming the step. */
export async function batchRowsOf(
  database: Database,
  pipeline: Pipeline,
  step: StepPlan,
  records: readonly Judged[],
  { own, rowsOfStep }: { readonly own: Own; readonly rowsOfStep: ReadonlyMap<string, readonly BatchRow[]> },
): Promise<readonly BatchRow[]> {
  switch (step.op) {
    case 'aggregate':
    case 'running':
      return windowRows(database, pipeline, step, records, own.aggregates ?? {});
    case 'join':
      return joinRows(database, pipeline, step, records);
    case 'top':
      return topRows(database, step, records, rowsOfStep.get(step.source) ?? []);
    case 'select':
      return selectedRows(pipeline, step, await lateOnly(database, pipeline, step, records));
    case 'process': {
      const rows = await processedRows(database, pipeline, step, records, own.functions ?? {});
      const why = 'it goes through its records one after the other; say in the option functions what gives its rows';
      if (rows === undefined) throw refusal(pipeline, step, why);
      return rows;
    }
  }
}

/** Says that a step cannot be compared, and why. */
export function refusal({ id }: Pipeline, step: StepPlan, why: string): MillraceError {
  return new MillraceError(
    'PIPELINE_INVALID',
    `${id}: no query says what step ${step.id} does: ${why}. Compare the other steps, or this one with an answer of your own.`,
  );
}

export function boundsOf(startMs: number, endMs: number): { readonly windowStart: string; readonly windowEnd: string } {
  return { windowStart: new Date(startMs).toISOString(), windowEnd: new Date(endMs).toISOString() };
}

/** DuckDB says which records meet; what is selected from them stays here, since it may be any JSON. */
async function joinRows(
  database: Database,
  pipeline: Pipeline,
  step: JoinPlan,
  records: readonly Judged[],
): Promise<readonly BatchRow[]> {
  const side = (name: 'left' | 'right'): readonly Judged[] => records.filter(({ route }) => route === step[name].input);
  const sides = { left: side('left'), right: side('right') };
  for (const name of ['left', 'right'] as const) await database.put(`${name}_side`, { columns: placesOf(sides[name]) });
  const onTime = `(w IS NULL OR t + ${step.allowedLatenessMs} >= w)`;
  const kind = { inner: 'INNER', left: 'LEFT', full: 'FULL' }[step.kind];
  const sql = `
    WITH l AS (SELECT * FROM left_side WHERE ${onTime}), r AS (SELECT * FROM right_side WHERE ${onTime})
    SELECT coalesce(l.history, r.history), l.seq, r.seq
    FROM l ${kind} JOIN r ON l.history = r.history AND l.key = r.key
      AND r.t >= l.t + ${step.lowerMs} AND r.t <= l.t + ${step.upperMs}`;
  const found = (name: 'left' | 'right'): ReadonlyMap<string, Judged> =>
    new Map(sides[name].map((record) => [`${record.history}/${record.seq}`, record]));
  const [lefts, rights] = [found('left'), found('right')];
  const selectors = {
    left: selectorsOf(pipeline, step, step.left.input),
    right: selectorsOf(pipeline, step, step.right.input),
  };
  return (await database.query(sql)).map(([history, leftSeq, rightSeq]) => {
    const left = lefts.get(`${history}/${leftSeq}`);
    const right = rights.get(`${history}/${rightSeq}`);
    const row: Record<string, unknown> = {
      view: step.id,
      final: true,
      ...decodeKey((left ?? (right as Judged)).key),
      leftTime: left === undefined ? null : new Date(left.timeMs).toISOString(),
      rightTime: right === undefined ? null : new Date(right.timeMs).toISOString(),
    };
    for (const [name, select] of Object.entries(selectors.left))
      row[name] = left === undefined ? null : select(left.value);
    for (const [name, select] of Object.entries(selectors.right))
      row[name] = right === undefined ? null : select(right.value);
    return { history: Number(history), row: row as PrintedRow, slack: {} };
  });
}

/** What is ranked is as far off as it is in the rows of the step that has made it. */
async function topRows(
  database: Database,
  step: TopPlan,
  records: readonly Judged[],
  rows: readonly BatchRow[],
): Promise<readonly BatchRow[]> {
  const kept = Object.keys(step.aggregates);
  const placeOf = (history: number, key: KeyColumns, bounds: ReturnType<typeof boundsOf>): string =>
    `${history}/${bounds.windowStart}/${bounds.windowEnd}/${encodeKey(key)}`;
  const keyNames = keyNamesOf(records, kept);
  const madeOf = new Map(
    rows.map((one) => {
      const key = Object.fromEntries(keyNames.map((name) => [name, one.row[name]])) as KeyColumns;
      return [placeOf(one.history, key, one.row as ReturnType<typeof boundsOf>), one];
    }),
  );
  const ranked = records.flatMap((record) => {
    const { windowStart, windowEnd, ...row } = record.value as Readonly<Record<string, unknown>>;
    const key = Object.fromEntries(keyNames.map((name) => [name, row[name]])) as KeyColumns;
    const own = Object.fromEntries(kept.map((name) => [name, row[name]]));
    const bounds = boundsOf(Number(windowStart), Number(windowEnd));
    const { slack = {}, totals = {} } = madeOf.get(placeOf(record.history, key, bounds)) ?? {};
    const derived = { ...slack };
    const columns: Record<string, unknown> = { ...own };
    for (const [name, one] of Object.entries(step.derived ?? {})) {
      const windowMs = Number(windowEnd) - Number(windowStart);
      columns[name] = evaluateDerived(one, { row: own, totals, windowMs });
      derived[name] = slackOf(one, own, slack);
    }
    const by = rankedBy({ by: step.by }, columns);
    return by === undefined
      ? []
      : [{ record: { ...record, key: encodeKey(key) }, bounds, key, columns, slack: derived, by: Number(by) }];
  });
  const places = placesOf(ranked.map(({ record }) => record));
  const score = { name: 'score', type: 'DOUBLE', cells: ranked.map((one) => one.by) } as const;
  const start = { name: 'start', type: 'VARCHAR', cells: ranked.map(({ bounds }) => bounds.windowStart) } as const;
  const place = { name: 'place', type: 'BIGINT', cells: ranked.map((_, at) => at) } as const;
  await database.put('ranked', { columns: [...places, score, start, place] });
  const { ties } = step;
  const rank =
    ties === undefined ? 'row_number() OVER (win ORDER BY score DESC, key)' : 'rank() OVER (win ORDER BY score DESC)';
  const sql = `
    SELECT history, ${rank} AS rank, place FROM ranked
    WINDOW win AS (PARTITION BY history, t, start) QUALIFY rank <= ${step.count}`;
  return (await database.query(sql)).map((found) => {
    const [history, rank, at] = found as [number, number, number];
    const { bounds, key, columns, slack } = ranked[at] as (typeof ranked)[number];
    // Rows that share ranks keep their keys, and the rank is a column or none.
    const rankColumn = ties === undefined ? 'rank' : ties.as;
    const row = {
      view: step.id,
      ...bounds,
      final: true,
      ...(rankColumn === null ? {} : { [rankColumn]: rank }),
      ...key,
      ...columns,
    };
    return { history, row: row as unknown as PrintedRow, slack };
  });
}

/** The key columns of rows, which are all that are no others. */
function keyNamesOf(records: readonly Judged[], kept: readonly string[]): readonly string[] {
  const others = new Set(['windowStart', 'windowEnd', ...kept]);
  return Object.keys(Object(records[0]?.value))
    .filter((name) => !others.has(name))
    .sort();
}

/** Of a view of late records those that are in none of the windows. */
async function lateOnly(
  database: Database,
  { plan }: Pipeline,
  step: SelectPlan,
  records: readonly Judged[],
): Promise<readonly Judged[]> {
  const whole = stepsOf(plan).find(({ id }) => id === step.lateOf);
  if (whole?.op !== 'aggregate') return records;
  const windowed = isOrdered(whole.window)
    ? `SELECT * FROM records WHERE ${inTimeSql(whole.allowedLatenessMs)}`
    : windowedSql('records', whole);
  await database.put('records', { columns: placesOf(records) });
  const late = await database.query(`SELECT history, seq FROM records EXCEPT SELECT history, seq FROM (${windowed})`);
  const places = new Set(late.map(([history, seq]) => `${history}/${seq}`));
  return records.filter(({ history, seq }) => places.has(`${history}/${seq}`));
}

/** A row of each record: there is nothing to ask a database. */
function selectedRows(pipeline: Pipeline, step: SelectPlan, records: readonly Judged[]): readonly BatchRow[] {
  return records.map(({ history, key, timeMs, value }) => {
    const sizeMs = step.window?.sizeMs;
    const startMs = sizeMs === undefined ? 0 : Math.floor(timeMs / sizeMs) * sizeMs;
    const row = {
      view: step.id,
      // Shown with the window that its time is in.
      ...(sizeMs === undefined ? {} : boundsOf(startMs, startMs + sizeMs)),
      final: true,
      ...(step.isKeyed ? decodeKey(key) : {}),
      ...selectedRowOf(pipeline, step, value),
    };
    return { history, row: row as PrintedRow, slack: {} };
  });
}

/** What is shown of a row: itself or, where the step has a projection, what that makes of it. */
export function shownOf(pipeline: Pipeline, { history, row, totals }: BatchRow): readonly BatchRow[] | undefined {
  const projection = pipeline.projections?.get(row.view);
  if (projection === undefined) return undefined;
  const { view, windowStart, windowEnd, final, ...columns } = row;
  const input = {
    columns,
    windowStartMs: Date.parse(windowStart ?? ''),
    windowEndMs: Date.parse(windowEnd ?? ''),
    totals: totals as Readonly<Record<string, number | null>> | undefined,
  };
  return projection.project(input).map(({ window, columns: shown }) => {
    const bounds = window === undefined ? {} : boundsOf(window.startMs, window.endMs);
    return { history, row: { view, ...bounds, final, ...shown } as PrintedRow, slack: {} };
  });
}
