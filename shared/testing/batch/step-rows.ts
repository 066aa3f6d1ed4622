import type { Aggregator } from '#shared/pipeline/aggregator.ts';
import { columnOfPath, type Derived, evaluateDerived, totalledColumns } from '#shared/pipeline/derive.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import {
  type AggregatePlan,
  type JoinPlan,
  type RunningPlan,
  type SelectPlan,
  type StepPlan,
  stepsOf,
  type TopPlan,
} from '#shared/pipeline/plan.ts';
import { isOrdered } from '#shared/pipeline/window.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { decodeKey, encodeKey, type KeyColumns } from '#shared/schemas/key.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { selectorsOf } from '../join-oracle.ts';
import { canonical } from '../process-oracle.ts';
import { selectedRowOf } from '../select-oracle.ts';
import { aggregatesOf } from '../walk.ts';
import { type BatchAggregate, batchAggregates } from './aggregates.ts';
import type { Database } from './database.ts';
import type { Judged } from './flat.ts';
import { inTimeSql, placesOf, tiesOf } from './places.ts';
import { type OwnFunctions, processedRows } from './processed-rows.ts';
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
  own: Own,
): Promise<readonly BatchRow[]> {
  switch (step.op) {
    case 'aggregate':
    case 'running':
      return windowRows(database, pipeline, step, records, own.aggregates ?? {});
    case 'join':
      return joinRows(database, pipeline, step, records);
    case 'top':
      return topRows(database, step, records);
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

async function windowRows(
  database: Database,
  pipeline: Pipeline,
  step: AggregatePlan | RunningPlan,
  records: readonly Judged[],
  own: OwnAggregates,
): Promise<readonly BatchRow[]> {
  // All records of a key are one window, which no watermark closes.
  const windowed = step.op === 'running' ? 'SELECT *, 0 AS ws, 0 AS we FROM records' : windowedSql('records', step);
  const columns = Object.entries(aggregatesOf(pipeline, step)).map(([name, aggregator], index) => {
    const { kind, config } = aggregator;
    // Aggregates that take rows back again (shared/sql/relations/changes.ts) are of those that are there in the end, which a query over all of them does not say.
    const batch = own[kind] ?? ('changes' in config ? undefined : batchAggregates[kind]?.(config));
    if (batch === undefined)
      throw refusal(
        pipeline,
        step,
        `its column ${name} is of kind ${kind}; say in the option aggregates how it is computed`,
      );
    return { name, aggregator: aggregator as Aggregator<unknown, unknown, unknown, unknown>, batch, index };
  });
  const isTaken = step.op === 'running' || !isOrdered(step.window);
  const textOf = ({ value, timeMs }: Judged): string =>
    canonical(columns.map(({ aggregator }) => aggregator.select(value, timeMs) ?? null));
  const cells = columns.flatMap(({ aggregator, batch, index }) => {
    const selected = records.map(({ value, timeMs }) => aggregator.select(value, timeMs));
    return batch.inputs.map(({ type, cell }, input) => ({
      name: `c${index}_${input}`,
      type,
      cells: selected.map((one) => cell(one as never)),
    }));
  });
  const ties = tiesOf(isTaken ? records.map(() => '') : records.map(textOf));
  await database.put('records', { columns: [...placesOf(records), ties, ...cells] });
  const aggregates = columns.flatMap(({ batch, index }) => {
    const names = batch.inputs.map((_, input) => `c${index}_${input}`);
    return [`${batch.sql(names)} AS v${index}`, `${batch.slack?.(names) ?? 0} AS s${index}`];
  });
  const names = columns.map(({ name }) => name);
  const totalled = (step.op === 'running' ? [] : totalledColumns(names, step)).flatMap((index) => columns[index] ?? []);
  const totals = totalled.map(({ index }) => `totals.v${index}`);
  const sql = `
    WITH windowed AS (${windowed}),
    rows AS (SELECT history, key, ws, we, ${aggregates.join(', ')} FROM windowed GROUP BY history, key, ws, we, life),
    totals AS (SELECT history, ws, we, ${aggregates.join(', ')} FROM windowed GROUP BY history, ws, we)
    SELECT rows.*${totals.map((total) => `, ${total}`).join('')} FROM rows
    ${totalled.length === 0 ? '' : 'JOIN totals ON totals.history = rows.history AND totals.ws = rows.ws AND totals.we = rows.we'}
    ORDER BY history, ws, key, we`;
  const slackOfColumn = columns.map(({ batch }) => slacks(batch.share ?? 0));
  return (await database.query(sql)).map((found) => {
    const [history, key, ws, we, ...values] = found as [number, string, number, number, ...unknown[]];
    const row: Record<string, unknown> = { view: step.id, ...shownWith(step, ws, we), ...decodeKey(key) };
    const slack: Record<string, Slack> = {};
    for (const { name, batch, index } of columns) {
      const value = values[index * 2];
      row[name] = batch.read === undefined ? value : batch.read(value);
      slack[name] = slackOfColumn[index]?.(Number(values[index * 2 + 1])) as Slack;
    }
    const total: Record<string, unknown> = {};
    for (const [at, { name, batch }] of totalled.entries()) {
      const value = values[columns.length * 2 + at];
      total[name] = batch.read === undefined ? value : batch.read(value);
    }
    for (const [name, derived] of Object.entries(step.op === 'running' ? {} : step.derived)) {
      row[name] = evaluateDerived(derived, { row, totals: total, windowMs: we - ws });
      slack[name] = slackOf(derived, row, slack);
    }
    return { history, row: row as PrintedRow, slack, totals: total };
  });
}

/** The bounds of a row, where it has some, and whether it is final: of what has no end it never is, unless the stream's end is its own. */
function shownWith(step: AggregatePlan | RunningPlan, startMs: number, endMs: number): object {
  if (step.op === 'running') return {};
  if (step.window.kind === 'global') return { final: step.window.ttlMs === undefined };
  return { ...boundsOf(startMs, endMs), final: true };
}

/** One object for as long as it is the same, as it is for most columns of all rows. */
function slacks(share: number): (by: number) => Slack {
  let last: Slack = { by: 0, share };
  return (by) => {
    if (by !== last.by) last = { by, share };
    return last;
  };
}

/** As much as all that it is computed of may be off. */
function slackOf(
  { kind, columns }: Derived<string>,
  row: Readonly<Record<string, unknown>>,
  slack: Readonly<Record<string, Slack>>,
): Slack {
  const parts = columns.map((path) => slack[columnOfPath(path)] ?? { by: 0, share: 0 });
  const by = Math.max(...parts.map((one) => one.by));
  const share = Math.max(1e-14, 2 * Math.max(...parts.map((one) => one.share)));
  // A number of an object is off as the object's are; what is computed of several by the sum of what they are.
  if (kind === 'part' || kind === 'prediction') return { by: by * parts.length, share };
  const wholes = columns.map((path, at) => (parts[at]?.by ?? 0) / Math.abs(Number(row[path])));
  return { by: 0, share: by === 0 ? share : share + 2 * Math.max(...wholes) };
}

function boundsOf(startMs: number, endMs: number): { readonly windowStart: string; readonly windowEnd: string } {
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

async function topRows(database: Database, step: TopPlan, records: readonly Judged[]): Promise<readonly BatchRow[]> {
  const kept = Object.keys(step.aggregates);
  const ranked = records.map((record) => {
    const { windowStart, windowEnd, ...row } = record.value as Readonly<Record<string, unknown>>;
    const names = Object.keys(row)
      .filter((name) => !kept.includes(name))
      .sort();
    const key = Object.fromEntries(names.map((name) => [name, row[name]])) as KeyColumns;
    const columns = Object.fromEntries(kept.map((name) => [name, row[name]]));
    const bounds = boundsOf(Number(windowStart), Number(windowEnd));
    return { record: { ...record, key: encodeKey(key) }, bounds, key, columns, by: Number(row[step.by]) };
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
    const { bounds, key, columns } = ranked[at] as (typeof ranked)[number];
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
    return { history, row: row as unknown as PrintedRow, slack: {} };
  });
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
