import { compile } from '#shared/engine/compile/compile.ts';
import type { CallbackFailure, Emission } from '#shared/engine/operators/emit.ts';
import { FinalRows } from '#shared/engine/rows/final-rows.ts';
import {
  DirectRun,
  type Dispositions,
  type FileReader,
  type LinePosition,
  type RejectedRow,
  type StepCounts,
  type Taken,
} from '#shared/engine/run.ts';
import { type Lookups, lookupsInTables } from '#shared/engine/transform/lookups.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { decodeTools } from './decode-tools.ts';

/** A pipeline over bounded input, in one process and without servers. */
export interface BoundedRun {
  /**
   * Takes one line of a source. Gives what became of it; undefined for a line that holds no record. `at` says where it stands, for what
   * fails later.
   */
  readonly takeLine: (source: string, line: string, at?: LinePosition) => Taken | undefined;
  /** Begins a file of a source, in any of its formats; it is no longer compressed. Not where lines are parsed. */
  readonly openFile: (source: string, origin: string) => FileReader;
  /** Takes one value of a source, decoded already. */
  readonly takeValue: (source: string, value: unknown) => Taken;
  /**
   * The input is through: all rows, final, in the order of view, window start, key and window end; of one view when it is named. Each is made
   * when it is asked for.
   */
  readonly finish: (view?: string) => Iterable<PrintedRow>;
  readonly counts: () => Readonly<Dispositions>;
  readonly stepCounts: () => Readonly<Record<string, StepCounts>>;
  /** What the callbacks of process steps threw since the last call. */
  readonly takeFailures: () => readonly CallbackFailure[];
  /** Final rows that could not be used as records again, so far. */
  readonly rejectedRows: () => readonly RejectedRow[];
}

/** The items of the tables that a pipeline looks things up in, by table. They do not change while it runs. */
export type TableItems = Readonly<Record<string, readonly LookupItem[]>>;

export interface BoundedRunOptions {
  /**
   * How lines of JSON are read: by the compiled scanner, as everywhere; by JSON.parse and the compiled check, as lines are that the scanner
   * does not know; or by JSON.parse and the whole schema, whose answers are those of the others too.
   */
  readonly readBy?: 'scanner' | 'check' | 'schema';
}

/** Throws `INPUT_INVALID` when a table is missing, is one too many, or has an item without a key. */
export function createBoundedRun(
  pipeline: Pipeline,
  tables: TableItems = {},
  { readBy = 'scanner' }: BoundedRunOptions = {},
): BoundedRun {
  const compiled = compile(pipeline);
  const views = new Map(
    compiled.steps.flatMap((step) => (step.plan.sinks.length === 0 ? [] : [[step.plan.id, new FinalRows(step)]])),
  );
  const keepRows = ({ rows, totals }: Emission): void => {
    for (const row of rows) views.get(row.view)?.add(row);
    for (const partial of totals) views.get(partial.view)?.addTotal(partial);
    rows.length = 0;
    totals.length = 0;
  };
  const run = new DirectRun(compiled, {
    ...(readBy === 'schema' ? {} : { tools: decodeTools, scans: readBy === 'scanner' }),
    lookups: lookupsOf(pipeline, tables),
    onRows: keepRows,
  });
  return {
    takeLine: (source, line, at) => {
      const taken = run.takeLine(source, line, at);
      if (run.emission.rows.length > 0) keepRows(run.emission);
      return taken;
    },
    openFile: (source, origin) => {
      const file = run.openFile(source, origin);
      return {
        readsLines: file.readsLines,
        read: (bytes, visit) => {
          file.read(bytes, visit);
          if (run.emission.rows.length > 0) keepRows(run.emission);
        },
        end: (visit) => {
          file.end(visit);
          if (run.emission.rows.length > 0) keepRows(run.emission);
        },
      };
    },
    takeValue: (source, value) => {
      const taken = run.takeValue(source, value);
      if (run.emission.rows.length > 0) keepRows(run.emission);
      return taken;
    },
    counts: () => run.dispositions,
    rejectedRows: () => run.rejectedRows,
    stepCounts: () => Object.fromEntries(run.stepCounts),
    takeFailures: () => run.failures.splice(0),
    finish: (view) => {
      run.finish();
      keepRows(run.emission);
      const wanted = [...views.keys()].filter((name) => view === undefined || name === view).sort();
      return FinalRows.print(wanted.map((name) => views.get(name) as FinalRows));
    },
  };
}

function lookupsOf(pipeline: Pipeline, tables: TableItems): Lookups | undefined {
  const names = lookupTablesOf(pipeline.plan).map(({ spec }) => spec.name);
  const missing = names.find((name) => !Object.hasOwn(tables, name));
  if (missing !== undefined)
    throw new MillraceError(
      'INPUT_INVALID',
      `pipeline ${pipeline.id} looks records up in table ${missing}, whose items were not given: add --table ${missing}=FILE.`,
    );
  const lookups = lookupsInItems(pipeline, tables);
  return names.length === 0 ? undefined : lookups;
}

/** Throws `INPUT_INVALID` for a table that the pipeline looks nothing up in, and for an item without its table's key. */
export function lookupsInItems({ id, plan }: Pipeline, tables: TableItems): Lookups {
  const specs = lookupTablesOf(plan).map(({ spec }) => spec);
  const unknown = Object.keys(tables).find((name) => !specs.some((spec) => spec.name === name));
  if (unknown !== undefined)
    throw new MillraceError(
      'INPUT_INVALID',
      `pipeline ${id} looks nothing up in table ${unknown}; it does in ${specs.map(({ name }) => name).join(', ') || 'none'}.`,
    );
  try {
    return lookupsInTables(specs.map((spec) => ({ spec, items: tables[spec.name] ?? [] })));
  } catch (error) {
    throw new MillraceError('INPUT_INVALID', `an item is not one of its table: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}
