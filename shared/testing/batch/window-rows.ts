import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import { columnOfPath, type Derived, evaluateDerived, numberIn, totalledColumns } from '#shared/pipeline/derive.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { type AggregatePlan, derivedOf, type RunningPlan } from '#shared/pipeline/plan.ts';
import { isOrdered } from '#shared/pipeline/window.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { canonical } from '../process-oracle.ts';
import { aggregatesOf } from '../walk.ts';
import { type BatchAggregate, batchAggregates } from './aggregates.ts';
import type { Database } from './database.ts';
import type { Judged } from './flat.ts';
import { placesOf, tiesOf } from './places.ts';
import { type BatchRow, boundsOf, type OwnAggregates, refusal, type Slack } from './step-rows.ts';
import { windowedSql } from './windows.ts';

/** The rows of windows, or of all records of a key, for all histories at once. */
export async function windowRows(
  database: Database,
  pipeline: Pipeline,
  step: AggregatePlan | RunningPlan,
  records: readonly Judged[],
  own: OwnAggregates,
): Promise<readonly BatchRow[]> {
  // All records of a key are one window, which no watermark closes.
  const windowed = step.op === 'running' ? 'SELECT *, 0 AS ws, 0 AS we FROM records' : windowedSql('records', step);
  const columns = Object.entries(aggregatesOf(pipeline, step)).map(([name, aggregator], index): Column => {
    const { kind, config } = aggregator;
    const batch = own[kind] ?? batchAggregates[kind]?.(config);
    if (batch === undefined)
      throw refusal(
        pipeline,
        step,
        `its column ${name} is of kind ${kind}; say in the option aggregates how it is computed`,
      );
    const passesOver = own[kind] === undefined && ('changes' in config || config['nullable'] === true);
    return { name, aggregator, batch, index, passesOver };
  });
  const isTaken = step.op === 'running' || !isOrdered(step.window);
  const textOf = ({ value, timeMs }: Judged): string =>
    canonical(columns.map(({ aggregator }) => aggregator.select(value, timeMs) ?? null));
  const cells = columns.flatMap((column) => {
    const { aggregator, batch, index, passesOver } = column;
    const selected = records.map(({ value, timeMs }) => offeredOf(column, aggregator.select(value, timeMs)));
    return batch.inputs.map(({ type, cell }, input) => ({
      name: `c${index}_${input}`,
      type,
      cells: selected.map((one) => (passesOver && one === null ? null : cell(one as never))),
    }));
  });
  const ties = tiesOf(isTaken ? records.map(() => '') : records.map(textOf));
  await database.put('records', { columns: [...placesOf(records), ties, ...cells] });
  const names = columns.map(({ name }) => name);
  const totalled = (step.op === 'running' ? [] : totalledColumns(names, step)).flatMap((index) => columns[index] ?? []);
  const ofRows = grouped(columns, 'history, key, ws, we, life');
  const ofTotals = grouped(totalled, 'history, ws, we');
  const sql = `
    WITH windowed AS (${windowed}),
    rows AS (${ofRows}), totals AS (${ofTotals})
    SELECT rows.history, rows.key, rows.ws, rows.we,
      ${columns.map(({ index }) => `rows.v${index}, rows.s${index}`).join(', ')}${totalled.map(({ index }) => `, totals.v${index}`).join('')}
    FROM rows ${totalled.length === 0 ? '' : 'JOIN totals ON totals.history = rows.history AND totals.ws = rows.ws AND totals.we = rows.we'}
    ORDER BY history, ws, key, we`;
  const slackOfColumn = columns.map(({ batch }) => slacks(batch.share ?? 0));
  return (await database.query(sql)).map((found) => {
    const [history, key, ws, we, ...values] = found as [number, string, number, number, ...unknown[]];
    const row: Record<string, unknown> = { view: step.id, ...shownWith(step, ws, we), ...decodeKey(key) };
    const slack: Record<string, Slack> = {};
    for (const { name, batch, index } of columns) {
      row[name] = shownValue(batch, values[index * 2]);
      slack[name] = slackOfColumn[index]?.(Number(values[index * 2 + 1])) as Slack;
    }
    const total: Record<string, unknown> = {};
    for (const [at, { name, batch }] of totalled.entries()) {
      total[name] = shownValue(batch, values[columns.length * 2 + at]);
    }
    for (const [name, derived] of Object.entries(derivedOf(step))) {
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
export function slackOf(
  { kind, columns }: Derived<string>,
  row: Readonly<Record<string, unknown>>,
  slack: Readonly<Record<string, Slack>>,
): Slack {
  const parts = columns.map((path) => slack[columnOfPath(path)] ?? { by: 0, share: 0 });
  const by = Math.max(...parts.map((one) => one.by));
  const share = Math.max(1e-14, 2 * Math.max(...parts.map((one) => one.share)));
  // A number of an object is off as the object's are; what is computed of several by the sum of what they are.
  if (kind === 'part' || kind === 'prediction') return { by: by * parts.length, share };
  const wholes = columns.map((path, at) => {
    const [column = '', ...names] = path.split('.');
    return (parts[at]?.by ?? 0) / Math.abs(numberIn(row[column], { column, names }));
  });
  // What is divided by what may be nothing may be anything, and have no value.
  if ((wholes[1] ?? 0) >= 1) return { by: Number.POSITIVE_INFINITY, share: 0 };
  return { by: 0, share: by === 0 ? share : share + 2 * Math.max(...wholes) };
}

interface Column {
  readonly name: string;
  readonly aggregator: AnyAggregator<unknown>;
  readonly batch: BatchAggregate;
  readonly index: number;
  /** Some records offer it nothing, as NULL does in SQL, and without any it is NULL. */
  readonly passesOver: boolean;
}

/** What is taken of a record, null for nothing. Of rows that change, of which a batch knows the last ones only, each is put once. */
function offeredOf({ aggregator, passesOver }: Column, selected: unknown): unknown {
  const isPut = passesOver && 'changes' in aggregator.config && selected !== null;
  return isPut ? (selected as readonly unknown[])[0] : selected;
}

function shownValue({ read }: BatchAggregate, value: unknown): unknown {
  return read === undefined || value === null ? value : read(value);
}

/** Of nothing they are 0. */
const counting: ReadonlySet<string> = new Set(['count', 'count-distinct']);

/** A query for a row of each group. Columns that pass over records are computed of the others, each by itself. */
function grouped(columns: readonly Column[], by: string): string {
  const valuesOf = ({ batch, index }: Column): string => {
    const names = batch.inputs.map((_, input) => `c${index}_${input}`);
    return `${batch.sql(names)} AS v${index}, ${batch.slack?.(names) ?? 0} AS s${index}`;
  };
  const apart = columns.filter(({ passesOver }) => passesOver);
  const groups = [by, ...columns.filter(({ passesOver }) => !passesOver).map(valuesOf)].join(', ');
  const shown = apart.map(({ index, aggregator }) =>
    counting.has(aggregator.kind)
      ? `coalesce(a${index}.v${index}, 0) AS v${index}, 0 AS s${index}`
      : `a${index}.v${index}, a${index}.s${index}`,
  );
  const joins = apart.map(
    (column) => `
      LEFT JOIN (
        SELECT ${by}, ${valuesOf(column)} FROM windowed WHERE c${column.index}_0 IS NOT NULL GROUP BY ${by}
      ) AS a${column.index} USING (${by})`,
  );
  return `SELECT ${['groups.*', ...shown].join(', ')} FROM (SELECT ${groups} FROM windowed GROUP BY ${by}) AS groups ${joins.join('')}`;
}
