import { compile } from '#shared/engine/compile.ts';
import { decodeLine } from '#shared/engine/decode.ts';
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
  return {
    takeLine: (source, line) => run.takeLine(source, line),
    takeValue: (source, value) => run.takeValue(source, value),
    timeOf: (name, line) => {
      const source = compiled.sources.get(name);
      const decoded = source === undefined ? undefined : decodeLine(source, line);
      return decoded?.kind === 'decoded' ? decoded.timeMs : undefined;
    },
    counts: () => run.dispositions,
    stepCounts: () => Object.fromEntries(run.stepCounts),
    finish: (view) => {
      const { rows, totals } = run.finish();
      const steps = new Map(compiled.steps.map((step) => [step.plan.id, step]));
      const byWindow = new Map<string, Totals>();
      for (const partial of totals) {
        const step = steps.get(partial.view);
        if (step !== undefined) byWindow.set(windowName(partial), mergeTotals(step, [partial]));
      }
      return rows
        .filter((row) => view === undefined || row.view === view)
        .sort(compareRows)
        .map((row) =>
          printRow(steps.get(row.view) as (typeof compiled.steps)[number], row, byWindow.get(windowName(row)) ?? {}),
        );
    },
  };
}

function windowName({ view, windowStartMs }: Row | TotalPartial): string {
  return `${view}/${windowStartMs}`;
}
