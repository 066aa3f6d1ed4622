import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import type { TopPlan } from '#shared/pipeline/plan.ts';
import { rankedBy, rankPathOf } from '#shared/pipeline/ranking.ts';
import { type Accumulators, resultsOf } from './accumulate.ts';
import { Contest } from './contest.ts';

type Entry = readonly [key: string, accumulators: Accumulators];

/**
 * Of a window's keys those whose rows may rank, and those whose rows are not looked at here, since they may be rejected, which must be seen.
 * Which ones they are depends on their values alone, so a window gives the same rows in every attempt, in whatever order it holds its keys.
 */
export function bestOf(contents: Iterable<Entry>, step: CompiledAggregate, top: TopPlan): readonly Entry[] {
  const contest = new Contest<Entry>(top);
  const rejected: Entry[] = [];
  const { aggregators } = step;
  const path = rankPathOf(top);
  const by = path === undefined ? -1 : step.columns.indexOf(path);
  for (const entry of contents) {
    const [key, accumulators] = entry;
    let value: unknown;
    let isPlain = path === undefined || by !== -1;
    for (let index = 0; index < aggregators.length && isPlain; index += 1) {
      const result = aggregators[index]?.result(accumulators[index]);
      if (index === by) value = result;
      isPlain = typeof result === 'number' ? Number.isFinite(result) : typeof result === 'string';
    }
    if (isPlain && path === undefined) value = rankedBy(top, resultsOf(step, accumulators)) ?? null;
    // It has no rank.
    if (value === null) continue;
    if (!isPlain || typeof value !== 'number') rejected.push(entry);
    else contest.add(value, key, entry);
  }
  return [...rejected, ...contest.all()];
}
