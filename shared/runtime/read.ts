import {
  type CompiledAggregate,
  type CompiledPipeline,
  type CompiledStep,
  compile,
} from '#shared/engine/compile/compile.ts';
import { closesAtMs } from '#shared/engine/operators/window.ts';
import { withoutOutdated } from '#shared/engine/rows/outdated.ts';
import type { Totals } from '#shared/engine/rows/print-code.ts';
import { compareInOrder, compareTexts, mergeTotals, printRows } from '#shared/engine/rows/read.ts';
import type { Dispositions, StepCounts } from '#shared/engine/run.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { columnsOf } from '#shared/pipeline/plan.ts';
import type { ResultStore } from '#shared/ports/result-store.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { columnsOfKey } from '#shared/schemas/key.ts';
import { outputsPerRecordMax } from '#shared/schemas/position.ts';
import type { PrintedRow, Row } from '#shared/schemas/row.ts';
import type { Checkpoint, Stage } from '#shared/schemas/state.ts';

export interface ReaderOptions {
  readonly pipeline: Pipeline;
  readonly state: StateStore;
  readonly results: ResultStore;
}

/**
 * Which rows are wanted. Times are window starts, in [fromMs, toMs); without them the newest window. Where a window's start stands, a joined
 * row has the earlier of its two times.
 */
export interface ViewQuery {
  readonly view: string;
  /** Canonical. */
  readonly key?: string;
  readonly fromMs?: number;
  readonly toMs?: number;
  /** The `top` rows with the highest value in column `by`; by default all, in the order of window start and key. */
  readonly top?: number;
  readonly by?: string;
}

export interface Reader {
  readonly rows: (query: ViewQuery) => Promise<readonly PrintedRow[]>;
  readonly counts: () => Promise<Counts>;
  /**
   * Per source and stage the least watermark over all slots, in milliseconds; null while a slot has none. A step whose rows are a stream
   * again is a source too.
   */
  readonly progress: () => Promise<readonly Progress[]>;
}

/** Records by what became of them, and the numbers of each step. Consistent once the pipeline has caught up. */
export interface Counts extends Readonly<Dispositions> {
  readonly duplicates: number;
  /** Final rows that wait for their file. */
  readonly waiting: number;
  readonly steps: Readonly<Record<string, StepCounts>>;
}

export interface Progress {
  readonly source: string;
  readonly stage: Stage;
  readonly watermarkMs: number | null;
  /** Slots that have a checkpoint. */
  readonly slots: number;
}

/** One query never gives more rows than this; a larger one is refused, not cut. */
export const rowsMax = 100_000;

/** Reads the views: rows with their derived columns, totals merged from the slots' partials, finality by rule 16. */
export function createReader(options: ReaderOptions): Reader {
  const pipeline = compile(options.pipeline);
  return {
    rows: (query) => readRows(options, pipeline, query),
    counts: () => readCounts(options, pipeline),
    progress: () => readProgress(options, pipeline),
  };
}

async function readRows(
  options: ReaderOptions,
  pipeline: CompiledPipeline,
  query: ViewQuery,
): Promise<readonly PrintedRow[]> {
  // Without a sink a step's rows are a stream, and no view.
  const views = pipeline.steps.filter(({ plan }) => plan.sinks.length > 0);
  const step = views.find((candidate) => candidate.plan.id === query.view);
  if (step === undefined) {
    const known = views.map((candidate) => candidate.plan.id).join(', ');
    throw new MillraceError('VIEW_UNKNOWN', `pipeline ${pipeline.id} has no view ${query.view}; it has ${known}.`);
  }
  if (step.sinks.table === undefined) {
    const out = step.sinks.files === undefined ? 'its stream' : "the archive bucket's files";
    throw new MillraceError(
      'QUERY_INVALID',
      `view ${query.view} is not in the results table, so it cannot be queried; its rows go into ${out}. Give it dynamodb({ ttl }) besides.`,
    );
  }
  const columns = step.projection?.columns ?? [...step.columns, ...columnsOf(step.plan).derived];
  if (query.by !== undefined && !columns.includes(query.by)) {
    throw new MillraceError(
      'QUERY_INVALID',
      `view ${query.view} has no column ${query.by}; it has ${columns.join(', ')}.`,
    );
  }
  const printed =
    step.op === 'aggregate'
      ? await readWindows(options, pipeline, step, query)
      : printFinal(step, await findRows(options.results, query));
  return query.top === undefined ? printed : topOf(printed, query.top, query.by ?? (columns[0] as string));
}

async function readWindows(
  { state, results }: ReaderOptions,
  pipeline: CompiledPipeline,
  step: CompiledAggregate,
  query: ViewQuery,
): Promise<readonly PrintedRow[]> {
  // Rule 16: every slot's W first, then the partials.
  const watermarkMs = await leastWatermark(state, pipeline, step);
  const rows = withoutOutdated(step, await findRows(results, query));
  const totals = new Map<string, Totals>();
  if (step.totals.length > 0) {
    for (const [startMs, ofStart] of Map.groupBy(rows, (row) => row.windowStartMs)) {
      const partials = await results.readTotals(query.view, startMs);
      for (const endMs of new Set(ofStart.map((row) => row.windowEndMs))) {
        const ofWindow = partials.filter(({ windowEndMs }) => windowEndMs === endMs);
        totals.set(`${startMs}/${endMs}`, mergeTotals(step, ofWindow));
      }
    }
  }
  const printed = rows.flatMap((row): readonly PrintedRow[] => {
    const total = totals.get(`${row.windowStartMs}/${row.windowEndMs}`);
    // A share is final only when the total is: when all slots have passed the window.
    const final =
      row.final && (total === undefined || watermarkMs >= closesAtMs(row.windowEndMs, step.plan.allowedLatenessMs));
    return printRows(step, final === row.final ? row : { ...row, final }, total ?? {});
  });
  return printed;
}

/**
 * Rows of a step that makes none but final ones. The store orders ranks as texts, and joined rows of one key and the same times by positions,
 * which no two hosts share; their texts are the same everywhere.
 */
function printFinal(step: CompiledStep, rows: readonly Row[]): readonly PrintedRow[] {
  if (step.op === 'top') return [...rows].sort(compareInOrder(step)).flatMap((row) => printRows(step, row, {}));
  const isTie = (a: Row, b: Row): boolean =>
    a.windowStartMs === b.windowStartMs && a.windowEndMs === b.windowEndMs && a.key === b.key;
  return rows
    .map((row, at) => ({ row, at, printed: printRows(step, row, {}) }))
    .sort((a, b) => (isTie(a.row, b.row) && compareTexts(a.printed, b.printed)) || a.at - b.at)
    .flatMap(({ printed }) => printed);
}

async function findRows(results: ResultStore, query: ViewQuery): Promise<readonly Row[]> {
  const { view, key } = query;
  let { fromMs = Number.MIN_SAFE_INTEGER, toMs = Number.MAX_SAFE_INTEGER } = query;
  if (key !== undefined) {
    const rows = await results.rowsOfKey({ view, key, fromMs, toMs, rowsMax: rowsMax + 1 });
    if (rows.length === 0) await checkKey(results, view, key);
    return limited(rows);
  }
  if (query.fromMs === undefined && query.toMs === undefined) {
    const newest = await results.newestWindow(view);
    if (newest === undefined) return [];
    fromMs = newest;
    toMs = newest + 1;
  }
  return limited(await results.rowsOfView({ view, fromMs, toMs, rowsMax: rowsMax + 1 }));
}

/**
 * Refuses a key without rows whose columns are not those of the view's newest rows: most often it is a part of a key. Only rows tell
 * what columns a key has, so in a view without rows any key is taken.
 */
async function checkKey(results: ResultStore, view: string, key: string): Promise<void> {
  const newestMs = await results.newestWindow(view);
  if (newestMs === undefined) return;
  const [row] = await results.rowsOfView({ view, fromMs: newestMs, toMs: newestMs + 1, rowsMax: 1 });
  if (row === undefined) return;
  const columns = columnsOfKey(row.key);
  const asked = columnsOfKey(key);
  const wrong = [
    ...without(columns, asked).map((column) => `key.${column} is missing`),
    ...without(asked, columns).map((column) => `key.${column} is none of them`),
  ];
  if (wrong.length === 0) return;
  // Keys may have different columns, and this one's rows may lie in other windows.
  const ofKey = { view, key, fromMs: Number.MIN_SAFE_INTEGER, toMs: Number.MAX_SAFE_INTEGER };
  if ((await results.rowsOfKey({ ...ofKey, rowsMax: 1 })).length > 0) return;
  throw new MillraceError(
    'QUERY_INVALID',
    `the keys of view ${view} have the columns ${columns.join(', ')}; ${wrong.join(', ')}. Give each of them once.`,
  );
}

/** A column with another type has the same name: its values are of another type, and that is an answer. */
function without(columns: readonly string[], others: readonly string[]): readonly string[] {
  const nameOf = (column: string): string => column.replace(/:.*/, '');
  const names = others.map(nameOf);
  return columns.filter((column) => !names.includes(nameOf(column)));
}

function limited(rows: readonly Row[]): readonly Row[] {
  if (rows.length <= rowsMax) return rows;
  throw new MillraceError(
    'QUERY_INVALID',
    `the query gives more than ${rowsMax} rows; narrow it with a key or a time range.`,
  );
}

/** A row without a value in the column, such as a ratio to nothing, comes last. */
function topOf(rows: readonly PrintedRow[], top: number, by: string): readonly PrintedRow[] {
  const rank = (row: PrintedRow): number => {
    const value = Number(row[by] ?? Number.NaN);
    return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
  };
  return [...rows].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(b) - rank(a))).slice(0, top);
}

/** The least W of a step over all slots; a slot without a checkpoint counts as minus infinity (rule 16). */
async function leastWatermark(state: StateStore, pipeline: CompiledPipeline, step: CompiledAggregate): Promise<number> {
  const checkpoints = await readCheckpoints(state, pipeline, step.stage);
  return Math.min(...checkpoints.map((checkpoint) => watermarkIn(checkpoint, step) ?? Number.NEGATIVE_INFINITY));
}

/** Of several sources a slot keeps what closes the step's windows, which does not wait for one that is silent. */
function watermarkIn(
  checkpoint: Checkpoint | undefined,
  { plan, sources }: CompiledAggregate,
): number | null | undefined {
  return sources.length > 1 ? checkpoint?.joins?.[plan.id] : checkpoint?.sources[sources[0] as string]?.watermarkMs;
}

function readCheckpoints(
  state: StateStore,
  pipeline: CompiledPipeline,
  stage: Stage,
): Promise<readonly (Checkpoint | undefined)[]> {
  return Promise.all(Array.from({ length: pipeline.slots }, (_, slot) => state.readCheckpoint(stage, slot)));
}

function stagesOf(pipeline: CompiledPipeline): readonly Stage[] {
  return (['aggregate', 'window'] as const).filter((stage) => pipeline.steps.some((step) => step.stage === stage));
}

async function readProgress({ state }: ReaderOptions, pipeline: CompiledPipeline): Promise<readonly Progress[]> {
  const progress: Progress[] = [];
  for (const stage of stagesOf(pipeline)) {
    const checkpoints = await readCheckpoints(state, pipeline, stage);
    for (const source of [...pipeline.sources.keys(), ...pipeline.rowSources.keys()]) {
      const watermarks = checkpoints.map(
        (checkpoint) => checkpoint?.sources[source]?.watermarkMs ?? Number.NEGATIVE_INFINITY,
      );
      const least = Math.min(...watermarks);
      const slots = checkpoints.filter((checkpoint) => checkpoint !== undefined).length;
      progress.push({ source, stage, watermarkMs: Number.isFinite(least) ? least : null, slots });
    }
  }
  return progress;
}

async function readCounts({ state }: ReaderOptions, pipeline: CompiledPipeline): Promise<Counts> {
  const counts = { sent: 0, counted: 0, filtered: 0, late: 0, rejected: 0, duplicates: 0, waiting: 0 };
  const steps: Record<string, StepCounts> = {};
  for (const { counts: origin } of await state.listOrigins()) {
    counts.sent += origin.sent;
    counts.filtered += origin.filtered;
    counts.rejected += origin.rejected;
  }
  let shared = 0;
  for (const stage of stagesOf(pipeline)) {
    for (const checkpoint of await readCheckpoints(state, pipeline, stage)) {
      if (checkpoint === undefined) continue;
      counts.counted += checkpoint.counts.counted;
      counts.late += checkpoint.counts.late;
      counts.duplicates += checkpoint.counts.duplicates;
      shared += checkpoint.counts.shared;
      for (const [step, { counted, late, waiting = 0, threw = 0 }] of Object.entries(checkpoint.steps)) {
        counts.waiting += waiting;
        const sum = steps[step] ?? { counted: 0, late: 0 };
        const thrown = (sum.threw ?? 0) + threw;
        steps[step] = {
          counted: sum.counted + counted,
          late: sum.late + late,
          ...(thrown === 0 ? {} : { threw: thrown }),
        };
      }
    }
  }
  const entirelyLate = await countEntirelyLate(state);
  counts.counted += shared - entirelyLate;
  counts.late += entirelyLate;
  return { ...counts, steps };
}

/** Records that became several outputs or went to several stages, all of which were late: as many marks as shares. */
async function countEntirelyLate(state: StateStore): Promise<number> {
  const missing = new Map<string, number>();
  for (const { source, origin, position, shares } of await state.listLateMarks()) {
    const record = `${source}/${origin}/${position[0]}/${Math.floor(position[1] / outputsPerRecordMax)}`;
    missing.set(record, (missing.get(record) ?? shares) - 1);
  }
  return [...missing.values()].filter((shares) => shares === 0).length;
}
