import { boundsShown } from '#shared/engine/rows/print.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { SelectPlan } from '#shared/pipeline/plan.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { compareTuples } from './join-oracle.ts';
import type { Evaluation } from './oracle.ts';

/** A row of every record, whatever its time; of a view of late records those that are late. */
export function selectedRowsOf(
  pipeline: Pipeline,
  step: SelectPlan,
  evaluation: Evaluation,
  late: (step: string) => ReadonlySet<string>,
): readonly PrintedRow[] {
  return [...evaluation.outputs.values()]
    .filter((output) => output.route === step.input)
    .filter(({ id }) => step.lateOf === undefined || late(step.lateOf).has(id))
    .map(({ key, timeMs, value }) => {
      const shown = step.isKeyed ? decodeKey(key) : {};
      const bounds = step.window && boundsShown(step.window, timeMs);
      const row = { view: step.id, ...bounds, final: true, ...shown, ...selectedRowOf(pipeline, step, value) };
      return { order: [timeMs, key, timeMs, JSON.stringify(row)] as const, row };
    })
    .sort((a, b) => compareTuples(a.order, b.order))
    .map(({ row }) => row as unknown as PrintedRow);
}

/** What the step shows of a record. */
export function selectedRowOf(pipeline: Pipeline, step: SelectPlan, value: unknown): Readonly<Record<string, unknown>> {
  const binding = pipeline.bindings.get(step.id);
  if (binding?.op !== 'select') throw new Error(`the pipeline has no step ${step.id} that selects`);
  return binding.row(value);
}
