import { days } from '#shared/pipeline/duration.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { Placement } from '#shared/pipeline/placement.ts';
import { isStep, sinksOf, stepsOf } from '#shared/pipeline/plan.ts';
import { givenOptions } from '#shared/pipeline/refuse.ts';
import { dynamodb } from '#shared/pipeline/sink.ts';
import { type BoundedRun, createBoundedRun } from '#shared/runtime/run.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { isRough } from './batch/aggregates.ts';
import { batchOf } from './batch/batch.ts';
import { computedOf, differences, leftRowsOf } from './batch/compare.ts';
import { type Database, openDatabase } from './batch/database.ts';
import type { SentRecord } from './batch/flat.ts';
import type { OwnFunctions } from './batch/processed-rows.ts';
import type { Own, OwnAggregates } from './batch/step-rows.ts';
import { Driver, type SourceOf, type TestDriverOptions } from './driver.ts';
import { aggregatesOf, type FindItem } from './walk.ts';

/** A record on its way to a stream: a value that its schema accepts, or the text of a line. */
export interface Sent {
  readonly stream: string;
  readonly record: unknown;
}

/** Names the stream that records are sent to: `sent(clicks, [{ at: 0, user: 'ann' }])`. */
export function sent<In>(source: SourceOf<In>, records: readonly (NoInfer<In> | string)[]): readonly Sent[] {
  const stream = typeof source === 'string' ? source : source.name;
  return records.map((record) => ({ stream, record }));
}

export interface BatchOptions {
  /** The views that are compared. By default all, so that one which no query says is refused. */
  readonly views?: readonly string[];
  /** How DuckDB computes aggregators that are not Millrace's own, by kind. */
  readonly aggregates?: OwnAggregates;
  /** What query gives the rows of a `process` function, by step. */
  readonly functions?: OwnFunctions;
  /** Of the hosts, which run the pipeline besides. */
  readonly driver?: Pick<TestDriverOptions, 'faults' | 'exchangeShards' | 'tables'>;
}

const batchRecordsMax = 7;
/** Of so many histories with late records, in one each record comes alone. */
const alonePeriod = 4;
/** Of errors, the first few. */
const shownMax = 5;

/**
 * Runs a pipeline over records, in their order, as `millrace run` does and on all its hosts, and compares the rows with those that DuckDB
 * computes over all records at once. Rejects with an error that says which rows differ. Records may be late: a window takes a record if
 * the watermark before it, the greatest event time so far less `outOfOrderness`, has not reached the window's end and the allowed lateness.
 *
 * `await expectSameAsBatch(site, sent(clicks, [{ at: 0, user: 'ann', bytes: 1 }]));`
 */
export async function expectSameAsBatch(
  pipeline: Pipeline,
  records: readonly Sent[],
  options: BatchOptions = {},
): Promise<void> {
  givenOptions('expectSameAsBatch', options, ['views', 'aggregates', 'functions', 'driver'], "{ views: ['visits'] }");
  const database = await openDatabase();
  try {
    const different = await compareWithBatch(database, pipeline, [records], {
      ...options,
      late: 'refuse',
      hosts: [{ name: 'the driver', pipeline: inTable(pipeline) }],
    });
    const [first] = different;
    if (first !== undefined)
      throw new Error(`the rows are not those of a batch:\n  ${first.lines.slice(0, shownMax).join('\n  ')}`);
  } finally {
    database.close();
  }
}

export interface HistoryDifference {
  /** Its number. */
  readonly history: number;
  readonly lines: readonly string[];
}

/** A pipeline as it is placed for its hosts. */
export interface Hosted {
  readonly name: string;
  readonly pipeline: Pipeline;
}

/**
 * Compares many histories at once, each of them on its own: DuckDB answers for all of them together. Gives the histories in which something
 * differs. Rejects with `PIPELINE_INVALID` when one of the views cannot be compared.
 */
export async function compareWithBatch(
  database: Database,
  given: Pipeline,
  histories: readonly (readonly Sent[])[],
  options: BatchOptions & {
    readonly hosts?: readonly Hosted[];
    /** What is done with the views of which no query says what is late, where something is: they are passed over, or refused. */
    readonly late?: 'pass-over' | 'refuse';
  },
): Promise<readonly HistoryDifference[]> {
  const pipeline = withoutRoughProjections(given);
  const { tables = {} } = options.driver ?? {};
  const lines = histories.map((records) => records.map(lineOf));
  const batch = await batchOf(database, pipeline, lines, options, findIn(pipeline, tables));
  const views = options.views ?? Object.keys(pipeline.outputs);
  for (const view of views) if (batch.refused.has(view)) throw batch.refused.get(view);
  const unlessLate = views.find((view) => batch.onTimeOnly.has(view));
  if (options.late === 'refuse' && unlessLate !== undefined && batch.behind.size > 0)
    throw batch.onTimeOnly.get(unlessLate);
  const byHistory = Map.groupBy(batch.rows, ({ history }) => history);
  const computed = computedOf(pipeline);
  const left = leftRowsOf(pipeline);
  const different: HistoryDifference[] = [];
  for (const [history, records] of lines.entries()) {
    const compared = views.filter((view) => !batch.behind.has(history) || !batch.onTimeOnly.has(view));
    const expected = (byHistory.get(history) ?? []).filter(({ row }) => compared.includes(row.view));
    const run = runRows(createBoundedRun(pipeline, tables), records, compared);
    const found = [...differences(expected, run, { name: 'the run', computed, left })];
    // What can be late is the first of its batch, so that the watermark before it is the batch's; now and then it is all of its batch.
    const behind = batch.behind.get(history) ?? new Set();
    const batchRecords = behind.size > 0 && history % alonePeriod === 0 ? 1 : batchRecordsMax;
    const runs = runsOf(records, behind);
    for (const hosted of options.hosts ?? []) {
      const asCompared = { ...hosted.pipeline, projections: pipeline.projections };
      const rows = await hostedRows(asCompared, runs, compared, { ...options.driver, batchRecords });
      found.push(...differences(expected, rows, { name: hosted.name, computed, left }));
    }
    if (found.length > 0) different.push({ history, lines: found });
  }
  return different;
}

/**
 * A query in SQL shows its aggregates through expressions, behind which nobody knows by how much a sketch may be off: there the aggregates
 * themselves are compared.
 */
function withoutRoughProjections(pipeline: Pipeline): Pipeline & Required<Pick<Pipeline, 'projections'>> {
  const shown = [...(pipeline.projections ?? [])].filter(([view]) => {
    const step = stepsOf(pipeline.plan).find(({ id }) => id === view);
    if (step?.op !== 'aggregate' && step?.op !== 'running') return true;
    return !Object.values(aggregatesOf(pipeline, step)).some(isRough);
  });
  return { ...pipeline, projections: new Map(shown) };
}

/** Which views a query can say, and which it cannot. */
export async function viewsOfBatch(
  database: Database,
  pipeline: Pipeline,
  own: Own,
): Promise<{ readonly views: readonly string[]; readonly refused: readonly string[] }> {
  const { refused } = await batchOf(database, pipeline, [], own);
  const names = Object.keys(pipeline.outputs);
  return { views: names.filter((name) => !refused.has(name)), refused: names.filter((name) => refused.has(name)) };
}

function lineOf({ stream, record }: Sent): SentRecord {
  return { source: stream, line: typeof record === 'string' ? record : JSON.stringify(record) };
}

/** Apart from the engine: the last item that has the key. */
function findIn({ plan }: Pipeline, tables: NonNullable<TestDriverOptions['tables']>): FindItem {
  const keys = new Map(plan.nodes.flatMap((node) => (node.op === 'enrich' ? [[node.table.name, node.table.key]] : [])));
  return (table, key) =>
    tables[table]?.findLast((item) => keys.get(table)?.every(({ name }, at) => item[name] === key[at]));
}

function runRows(run: BoundedRun, records: readonly SentRecord[], views: readonly string[]): readonly PrintedRow[] {
  for (const { source, line } of records) run.takeLine(source, line);
  return [...run.finish()].filter(({ view }) => views.includes(view));
}

async function hostedRows(
  pipeline: Pipeline,
  runs: readonly (readonly SentRecord[])[],
  views: readonly string[],
  options: TestDriverOptions,
): Promise<readonly PrintedRow[]> {
  const driver = new Driver(pipeline, options);
  for (const run of runs)
    await driver.send(
      run[0]?.source ?? '',
      run.map(({ line }) => line),
    );
  await driver.close();
  const rows: PrintedRow[] = [];
  for (const view of views) rows.push(...(await driver.printedRows(view)));
  return rows;
}

/** Records of one source that follow one another, each run from one that is behind to the next. */
function runsOf(records: readonly SentRecord[], behind: ReadonlySet<number>): readonly (readonly SentRecord[])[] {
  const runs: SentRecord[][] = [];
  for (const [index, record] of records.entries()) {
    const last = runs.at(-1);
    if (last?.[0]?.source === record.source && !behind.has(index)) last.push(record);
    else runs.push([record]);
  }
  return runs;
}

/** The pipeline with all its views in the results table, where a driver reads them, and on the worker if that is wanted. */
export function inTable(pipeline: Pipeline, placement?: Placement & 'fargate'): Pipeline {
  const nodes = pipeline.plan.nodes.map((node) => {
    if (!isStep(node)) return node;
    const sinks = node.sinks.length === 0 || sinksOf(node).table !== undefined ? node.sinks : [...node.sinks, table];
    return { ...node, sinks, placement: placement ?? node.placement };
  });
  return { ...pipeline, plan: { ...pipeline.plan, nodes } };
}

const table = dynamodb({ ttl: days(1) });
