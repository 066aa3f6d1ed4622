import { type CompiledPipeline, type CompiledStep, compile } from '#shared/engine/compile.ts';
import { decodeLine } from '#shared/engine/decode.ts';
import type { Emission } from '#shared/engine/emit.ts';
import { compareRows, mergeTotals, printRow, type Totals } from '#shared/engine/read.ts';
import { DirectRun, type Dispositions, type Taken } from '#shared/engine/run.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { PrintedRow, Row, TotalPartial } from '#shared/schemas/row.ts';

/** A pipeline over bounded input, in one process and without servers. */
export interface BoundedRun {
  /** Takes one line of a source. Gives what became of it; undefined for a line that holds no record. */
  readonly takeLine: (source: string, line: string) => Taken | undefined;
  /** Takes one value of a source, decoded already. */
  readonly takeValue: (source: string, value: unknown) => Taken;
  /** The input is through: all rows, final, in the order of view, window start and key; of one view when it is named. */
  readonly finish: (view?: string) => readonly PrintedRow[];
  /** The event time of a line in milliseconds, without taking it; undefined when it has none. */
  readonly timeOf: (source: string, line: string) => number | undefined;
  readonly counts: () => Readonly<Dispositions>;
  readonly stepCounts: () => Readonly<Record<string, { readonly counted: number; readonly late: number }>>;
}

export function createBoundedRun(pipeline: Pipeline): BoundedRun {
  const compiled = compile(pipeline);
  const run = new DirectRun(compiled);
  const printer = new Printer(compiled);
  return {
    takeLine: (source, line) => {
      const taken = run.takeLine(source, line);
      // Rows are printed as their windows close, so that no more than the printed form of them is kept.
      if (run.emission.rows.length > 0) printer.print(run.emission);
      return taken;
    },
    takeValue: (source, value) => {
      const taken = run.takeValue(source, value);
      if (run.emission.rows.length > 0) printer.print(run.emission);
      return taken;
    },
    timeOf: (name, line) => {
      const source = compiled.sources.get(name);
      const decoded = source === undefined ? undefined : decodeLine(source, line);
      return decoded?.kind === 'decoded' ? decoded.timeMs : undefined;
    },
    counts: () => run.dispositions,
    stepCounts: () => Object.fromEntries(run.stepCounts),
    finish: (view) => {
      run.finish();
      printer.print(run.emission);
      return printer.rows(view);
    },
  };
}

/** Prints the rows of one window at a time, as windows close, and puts them in order at the end. */
class Printer {
  readonly #steps: ReadonlyMap<string, CompiledStep>;
  readonly #printed: PrintedWindow[] = [];

  constructor(pipeline: CompiledPipeline) {
    this.#steps = new Map(pipeline.steps.map((step) => [step.plan.id, step]));
  }

  /** Takes all that was emitted. */
  print(emission: Emission): void {
    const totals = new Map(emission.totals.map((partial) => [windowName(partial), partial]));
    emission.rows.sort(compareRows);
    let window: PrintedWindow | undefined;
    let shared: Totals = {};
    for (const row of emission.rows) {
      const step = this.#steps.get(row.view) as CompiledStep;
      if (window === undefined || window.view !== row.view || window.startMs !== row.windowStartMs) {
        window = { view: row.view, startMs: row.windowStartMs, keys: [], rows: [] };
        this.#printed.push(window);
        const partial = totals.get(windowName(row));
        shared = partial === undefined ? {} : mergeTotals(step, [partial]);
      }
      window.keys.push(row.key);
      window.rows.push(printRow(step, row, shared));
    }
    emission.rows.length = 0;
    emission.totals.length = 0;
  }

  rows(view: string | undefined): readonly PrintedRow[] {
    const windows = this.#printed
      .filter((window) => view === undefined || window.view === view)
      .sort((a, b) => (a.view < b.view ? -1 : a.view > b.view ? 1 : a.startMs - b.startMs));
    const rows: PrintedRow[] = [];
    for (let at = 0; at < windows.length; ) {
      const { view: name, startMs } = windows[at] as PrintedWindow;
      const same: PrintedWindow[] = [];
      for (; windows[at]?.view === name && windows[at]?.startMs === startMs; at += 1)
        same.push(windows[at] as PrintedWindow);
      for (const row of mergeWindows(same)) rows.push(row);
    }
    return rows;
  }
}

interface PrintedWindow {
  readonly view: string;
  readonly startMs: number;
  /** Ascending, one for each row. */
  readonly keys: string[];
  readonly rows: PrintedRow[];
}

/** Sessions that begin at the same time may close at different ones; every other window is printed once. */
function mergeWindows(windows: readonly PrintedWindow[]): readonly PrintedRow[] {
  const [only] = windows;
  if (windows.length === 1 && only !== undefined) return only.rows;
  return windows
    .flatMap(({ keys, rows }) => rows.map((row, index) => ({ key: keys[index] as string, row })))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ row }) => row);
}

function windowName({ view, windowStartMs }: Row | TotalPartial): string {
  return `${view}/${windowStartMs}`;
}
