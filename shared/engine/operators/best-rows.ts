import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import type { TopPlan } from '#shared/pipeline/plan.ts';
import type { Accumulators } from './accumulate.ts';
import { insertRanked } from './top.ts';

type Entry = readonly [key: string, accumulators: Accumulators];

interface Ranked {
  readonly by: number;
  readonly key: string;
  readonly accumulators: Accumulators;
}

/**
 * Of a window's keys those whose rows may rank, and those whose rows are not looked at here, since they may be rejected, which must be seen.
 * Which ones they are depends on their values alone, so a window gives the same rows in every attempt, in whatever order it holds its keys.
 */
export function bestOf(contents: Iterable<Entry>, step: CompiledAggregate, top: TopPlan): readonly Entry[] {
  const ranked: Ranked[] = [];
  const rejected: Entry[] = [];
  const { aggregators } = step;
  const by = step.columns.indexOf(top.by);
  for (const entry of contents) {
    const [key, accumulators] = entry;
    let value: unknown;
    let isPlain = by !== -1;
    for (let index = 0; index < aggregators.length && isPlain; index += 1) {
      const result = aggregators[index]?.result(accumulators[index]);
      if (index === by) value = result;
      isPlain = typeof result === 'number' ? Number.isFinite(result) : typeof result === 'string';
    }
    // It has no rank.
    if (value === null) continue;
    if (!isPlain || typeof value !== 'number') rejected.push(entry);
    // Nearly all of them are below the last rank, and need no object.
    else if (!(value < (ranked[top.count - 1]?.by ?? value)))
      insertRanked(ranked, { by: value, key, accumulators }, top);
  }
  return [...rejected, ...ranked.map(({ key, accumulators }): Entry => [key, accumulators])];
}
