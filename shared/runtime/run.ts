import { type CompiledStep, compile } from '#shared/engine/compile.ts';
import type { CallbackFailure, Emission } from '#shared/engine/emit.ts';
import { type Lookups, lookupsInTables } from '#shared/engine/lookups.ts';
import {
  compareInOrder,
  compareTexts,
  isRankKeyed,
  mergeTotals,
  type PrintableRow,
  printRows,
  type RowPlace,
  type Totals,
} from '#shared/engine/read.ts';
import {
  DirectRun,
  type Dispositions,
  type FileReader,
  type LinePosition,
  type RejectedRow,
  type StepCounts,
  type Taken,
} from '#shared/engine/run.ts';
import { orderNumbers } from '#shared/engine/text-order.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';
import type { PrintedRow, Row, TotalPartial } from '#shared/schemas/row.ts';
import { decodeTools } from './decode-tools.ts';

/** A pipeline over bounded input, in one process and without servers. */
export interface BoundedRun {
  /**
   * Takes one line of a source. Gives what became of it; undefined for a line that holds no record. `at` says where it stands, for what
   * fails later.
   */
  readonly takeLine: (source: string, line: string, at?: LinePosition) => Taken | undefined;
  /** Begins a file of a source, in any of its formats; it is no longer compressed. */
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

/** Throws `INPUT_INVALID` when a table is missing, is one too many, or has an item without a key. */
export function createBoundedRun(pipeline: Pipeline, tables: TableItems = {}): BoundedRun {
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
    tools: decodeTools,
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
      return printViews(wanted.map((name) => views.get(name) as FinalRows));
    },
  };
}

function lookupsOf(pipeline: Pipeline, tables: TableItems): Lookups | undefined {
  const wanted = lookupTablesOf(pipeline.plan);
  const names = wanted.map(({ spec }) => spec.name);
  const missing = names.find((name) => !Object.hasOwn(tables, name));
  if (missing !== undefined)
    throw new MillraceError(
      'INPUT_INVALID',
      `pipeline ${pipeline.id} looks records up in table ${missing}, whose items were not given: add --table ${missing}=FILE.`,
    );
  const unknown = Object.keys(tables).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new MillraceError(
      'INPUT_INVALID',
      `pipeline ${pipeline.id} looks nothing up in table ${unknown}; it does in ${names.join(', ') || 'none'}.`,
    );
  if (wanted.length === 0) return undefined;
  try {
    return lookupsInTables(wanted.map(({ spec }) => ({ spec, items: tables[spec.name] ?? [] })));
  } catch (error) {
    throw new MillraceError('INPUT_INVALID', `an item is not one of its table: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

function* printViews(views: readonly FinalRows[]): Generator<PrintedRow> {
  for (const view of views) yield* view.print();
}

/**
 * The final rows of one view, kept until the input is through, since views follow one another and a session may begin before one
 * that closed earlier. They are kept by column, a few bytes each, and printed one by one.
 */
class FinalRows {
  readonly #step: CompiledStep;
  readonly #order: (a: RowPlace, b: RowPlace) => number;
  readonly #keys: string[] = [];
  readonly #startMs: number[] = [];
  readonly #endMs: number[] = [];
  readonly #columns: { readonly name: string; readonly values: unknown[] }[];
  /** Of a global window, whose one row changes, where each key's is. */
  readonly #places: Map<string, number> | undefined;
  readonly #isFinal: boolean;
  /** By window start and end. */
  readonly #totals = new Map<number, Map<number, Totals>>();

  constructor(step: CompiledStep) {
    this.#step = step;
    this.#order = compareInOrder(step);
    this.#columns = step.columns.map((name) => ({ name, values: [] }));
    const window = step.op === 'aggregate' ? step.plan.window : undefined;
    this.#places = window?.kind === 'global' ? new Map() : undefined;
    // The row of a key that was given up may change when the key comes again.
    this.#isFinal = window?.kind !== 'global' || window.ttlMs === undefined;
  }

  add(row: Row): void {
    if (isRankKeyed(this.#step)) this.#addColumns(row);
    const known = this.#places?.get(row.key);
    if (known !== undefined) {
      for (const { name, values } of this.#columns) values[known] = row.columns[name];
      return;
    }
    this.#places?.set(row.key, this.#keys.length);
    this.#keys.push(row.key);
    this.#startMs.push(row.windowStartMs);
    this.#endMs.push(row.windowEndMs);
    for (const { name, values } of this.#columns) values.push(row.columns[name]);
  }

  /** A ranked row has the columns of its key too, which no plan knows. */
  #addColumns(row: Row): void {
    for (const name of Object.keys(row.columns)) {
      if (this.#columns.some((column) => column.name === name)) continue;
      this.#columns.push({ name, values: this.#keys.map(() => undefined) });
    }
  }

  addTotal(partial: TotalPartial): void {
    if (this.#step.op !== 'aggregate') return;
    const { windowStartMs, windowEndMs } = partial;
    const ofStart = this.#totals.get(windowStartMs) ?? new Map<number, Totals>();
    this.#totals.set(windowStartMs, ofStart.set(windowEndMs, mergeTotals(this.#step, [partial])));
  }

  *print(): Generator<PrintedRow> {
    const keyOrder = this.#step.op === 'top' ? undefined : orderNumbers(this.#keys);
    const order = this.#keys.map((_, at) => at).sort((a, b) => this.#compare(a, b, keyOrder));
    for (const at of order) yield* this.#printAt(at);
  }

  #printAt(at: number): readonly PrintedRow[] {
    const row = this.#rowAt(at);
    return printRows(this.#step, row, this.#totals.get(row.windowStartMs)?.get(row.windowEndMs) ?? {});
  }

  #compare(a: number, b: number, keyOrder: Float64Array | undefined): number {
    const byStart = (this.#startMs[a] as number) - (this.#startMs[b] as number);
    if (byStart !== 0) return byStart;
    if (keyOrder !== undefined) {
      // Nearly all of them are told apart here, without an object for each.
      const byOrder = (keyOrder[a] as number) - (keyOrder[b] as number);
      if (byOrder !== 0) return byOrder;
      const [keyA, keyB] = [this.#keys[a] as string, this.#keys[b] as string];
      if (keyA !== keyB) return keyA < keyB ? -1 : 1;
    }
    // Windows of a key that have the same bounds were made in their order.
    if (this.#step.op === 'aggregate') return this.#order(this.#placeAt(a), this.#placeAt(b));
    // Only rows without a window may have one key and the same times.
    return this.#order(this.#placeAt(a), this.#placeAt(b)) || compareTexts(this.#printAt(a), this.#printAt(b));
  }

  #rowAt(at: number): PrintableRow {
    const columns: Record<string, unknown> = {};
    for (const { name, values } of this.#columns) if (values[at] !== undefined) columns[name] = values[at];
    return { view: this.#step.plan.id, ...this.#placeAt(at), final: this.#isFinal, columns };
  }

  #placeAt(at: number): RowPlace {
    return {
      key: this.#keys[at] as string,
      windowStartMs: this.#startMs[at] as number,
      windowEndMs: this.#endMs[at] as number,
    };
  }
}
