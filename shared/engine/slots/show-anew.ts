import type { CompiledPipeline } from '#shared/engine/compile/compile.ts';
import type { SavedCadence } from '#shared/engine/operators/cadence.ts';
import { isSavedCadence } from '#shared/engine/operators/early-keys.ts';
import { notShown as notShownOrdered } from '#shared/engine/operators/ordered.ts';
import { notShown as notShownRunning } from '#shared/engine/operators/running.ts';
import { notShown as notShownSessions } from '#shared/engine/operators/session.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { isAligned, isOrdered } from '#shared/pipeline/window.ts';
import type { StateEntry } from './memory-stage.ts';

/**
 * The entries of the window stage as if nothing of them had been shown. The table of results may be another one than that in which their rows
 * are; of a key of which nothing more comes, a row that is not final would be missing there until it is, and one that never is, for ever.
 */
export function showAnew(pipeline: CompiledPipeline, entries: readonly StateEntry[]): readonly StateEntry[] {
  const steps = new Map(pipeline.steps.map((step) => [step.plan.id, step]));
  return entries.map(([id, entry]): StateEntry => {
    const step = steps.get(id);
    if (step?.op === 'running') return [id, step.sinks.table === undefined ? entry : notShownRunning(entry)];
    if (step?.op !== 'aggregate') return [id, entry];
    const { window } = step.plan;
    if (isSavedCadence(entry)) return [id, notShownYet(entry)];
    if (isAligned(window)) return [id, entry];
    return [id, isOrdered(window) ? notShownOrdered(entry) : notShownSessions(entry)];
  });
}

function notShownYet({ earlyMs: _, ...saved }: SavedCadence): Json {
  return { ...saved, emittedMs: 0 };
}
