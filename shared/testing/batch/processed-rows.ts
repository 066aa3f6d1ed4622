import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { ProcessPlan } from '#shared/pipeline/plan.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { selectorsOf } from '../join-oracle.ts';
import { canonical } from '../process-oracle.ts';
import type { Cell, ColumnType, Database } from './database.ts';
import type { Judged } from './flat.ts';
import { byPlace, inTimeSql, livesSql, placesOf, tiesOf } from './places.ts';
import type { BatchRow } from './step-rows.ts';

/** How a batch says what a function of the pipeline's own does. */
export interface BatchFunction {
  /** What the table `records` has of each record: by column, made of what the step selects. */
  readonly inputs: Readonly<
    Record<string, { readonly type: ColumnType; readonly cell: (selected: Readonly<Record<string, unknown>>) => Cell }>
  >;
  /**
   * A query over the table `taken`, the records that are not late, with `history`, `key`, event time `t` and `number`, the place among those of
   * the same history and key from 1, beside the inputs. It gives `history`, `key`, the time of the row, and the step's columns in their order.
   */
  readonly sql: string;
}

/** By step. */
export type OwnFunctions = Readonly<Record<string, BatchFunction>>;

interface Seen extends Judged {
  readonly input: number;
  /** By selector. */
  readonly selected: Readonly<Record<string, unknown>>;
}

/**
 * The rows of a step whose law can be said of all records at once: deduplication, and a join with the versions of a table. Undefined for a
 * function of the pipeline's own of which `own` says nothing. DuckDB says which records pass or meet; what is selected of them stays here, since it may be any JSON.
 */
export async function processedRows(
  database: Database,
  pipeline: Pipeline,
  step: ProcessPlan,
  records: readonly Judged[],
  own: OwnFunctions,
): Promise<readonly BatchRow[] | undefined> {
  const { does } = step;
  const said = own[step.id];
  if (does.kind !== 'dedupe' && does.kind !== 'table-join' && said === undefined) return undefined;
  const seen = records.map((record): Seen => {
    const input = step.inputs.findIndex((one) => one.input === record.route);
    const selectors = Object.entries(selectorsOf(pipeline, step, record.route));
    return {
      ...record,
      input,
      selected: Object.fromEntries(selectors.map(([name, select]) => [name, select(record.value)])),
    };
  });
  const ties = tiesOf(seen.map(({ input, selected }) => `${input} ${canonical(Object.values(selected))}`));
  const input = { name: 'input', type: 'BIGINT', cells: seen.map((record) => record.input) } as const;
  const inputs = Object.entries(said?.inputs ?? {}).map(([name, { type, cell }]) => ({
    name,
    type,
    cells: seen.map(({ selected }) => cell(selected)),
  }));
  await database.put('records', { columns: [...placesOf(seen), input, ties, ...inputs] });
  if (said !== undefined) return saidRows(database, step, said.sql);
  const found = byPlace(seen);
  if (does.kind === 'dedupe') {
    const firsts = await database.query(firstsSql(does.withinMs, step.allowedLatenessMs));
    return firsts.flatMap(([history, seq]) => {
      const record = found(history, seq);
      return record === undefined ? [] : [rowOf(step, record, record.selected)];
    });
  }
  const isInner = does.kind === 'table-join' && does.join === 'inner';
  const pairs = await database.query(versionsSql(step));
  return pairs.flatMap(([history, seq, versionSeq]) => {
    const record = found(history, seq);
    const last = versionSeq === null ? undefined : found(history, versionSeq);
    const version = last?.selected['#deleted'] === true ? undefined : last;
    if (record === undefined || (version === undefined && isInner)) return [];
    const columns = {
      ...version?.selected,
      tableTime: version === undefined ? null : new Date(version.timeMs).toISOString(),
      ...record.selected,
    };
    return [rowOf(step, record, columns)];
  });
}

/** The rows that a query of the pipeline's author gives. */
async function saidRows(database: Database, step: ProcessPlan, sql: string): Promise<readonly BatchRow[]> {
  const rows = await database.query(`
    WITH taken AS (
      SELECT *, row_number() OVER (PARTITION BY history, key ORDER BY t, tie, seq) AS number
      FROM records WHERE ${inTimeSql(step.allowedLatenessMs)}
    ) SELECT * FROM (${sql})`);
  return rows.map(([history, key, timeMs, ...values]) => {
    const columns = Object.fromEntries(Object.keys(step.row).map((name, at) => [name, values[at]]));
    return rowOf(step, { history: Number(history), key: String(key), timeMs: Number(timeMs) }, columns);
  });
}

function rowOf(
  step: ProcessPlan,
  { history, key, timeMs }: Pick<Seen, 'history' | 'key' | 'timeMs'>,
  columns: Readonly<Record<string, unknown>>,
): BatchRow {
  const row: Record<string, unknown> = {
    view: step.id,
    final: true,
    ...decodeKey(key),
    time: new Date(timeMs).toISOString(),
  };
  for (const name of Object.keys(step.row)) row[name] = columns[name] ?? null;
  return { history, row: row as PrintedRow, slack: {} };
}

/** Of each key its first record, and then again and again the first that is further behind the last one taken than `withinMs`. */
function firstsSql(withinMs: number, latenessMs: number): string {
  return `
    WITH RECURSIVE numbered AS (
      SELECT history, key, seq, row_number() OVER (PARTITION BY history, key ORDER BY t, tie, seq) AS number,
        1 + count(*) OVER (
          PARTITION BY history, key ORDER BY t RANGE BETWEEN UNBOUNDED PRECEDING AND ${withinMs} FOLLOWING
        ) AS next
      FROM records WHERE ${inTimeSql(latenessMs)}
    ), passed AS (
      SELECT * FROM numbered WHERE number = 1
      UNION ALL
      SELECT numbered.* FROM passed JOIN numbered
        ON numbered.history = passed.history AND numbered.key = passed.key AND numbered.number = passed.next
    )
    SELECT history, seq FROM passed`;
}

/** Each record with the last version of its key's table at or before its time, unless the key was given up in between. */
function versionsSql({ allowedLatenessMs, ttlMs }: ProcessPlan): string {
  return `
    WITH lives AS (${livesSql('records', { allowedLatenessMs, ttlMs })})
    SELECT record.history, record.seq, version.seq
    FROM (SELECT * FROM lives WHERE input = 1) AS record
    LEFT JOIN (SELECT * FROM lives WHERE input = 0) AS version
      ON version.history = record.history AND version.key = record.key AND version.alone = record.alone
        AND version.t <= record.t
    QUALIFY row_number() OVER (
      PARTITION BY record.history, record.seq ORDER BY version.t DESC, version.tie DESC, version.seq DESC
    ) = 1`;
}
