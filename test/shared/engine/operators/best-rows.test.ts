import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { type CompiledAggregate, compile } from '#shared/engine/compile/compile.ts';
import { bestOf } from '#shared/engine/operators/best-rows.ts';
import { count, days, dynamodb, mean, pipeline, seconds, stream, tumbling } from '#shared/pipeline/index.ts';
import type { TopPlan } from '#shared/pipeline/plan.ts';

const sink = dynamodb({ ttl: days(1) });
const counted = stream('clicks', {
  schema: z.object({ at: z.number(), page: z.string(), ms: z.number() }),
  timestamp: (click) => click.at,
  outOfOrderness: seconds(0),
})
  .keyBy(({ page }) => ({ page }))
  .window(tumbling(seconds(10)), { allowedLateness: seconds(0), emit: 'on-close' })
  .aggregate('pages', { clicks: count(), ms: mean((click) => click.ms) });

const made = {
  top: pipeline('top', [counted.top('best', 2, { by: 'clicks' }).to(sink)]),
  rank: pipeline('rank', [counted.rank('best', 2, { by: 'clicks' }).to(sink)]),
};

function stepOf(kind: keyof typeof made): CompiledAggregate {
  return compile(made[kind]).steps.find(({ op }) => op === 'aggregate') as CompiledAggregate;
}

/** Clicks by page; without any the mean is none, and the row is rejected. */
const contents = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...'abcdefgh'), fc.nat({ max: 4 })), { selector: ([page]) => page })
  .map((pages) => pages.map(([page, clicks]) => [`page=${page}`, [clicks, { sum: 0, count: clicks }]] as const));

describe.each(['top', 'rank'] as const)('of the rows that a %s alone reads', (kind) => {
  test('those that rank are made, and those that are rejected, in whatever order they come', () => {
    const step = stepOf(kind);
    fc.assert(
      fc.property(contents, fc.infiniteStream(fc.nat()), (entries, numbers) => {
        const clicksOf = ([, [clicks]]: (typeof entries)[number]): number => clicks as number;
        const ranked = entries
          .filter((entry) => clicksOf(entry) > 0)
          .sort((a, b) => clicksOf(b) - clicksOf(a) || (a[0] < b[0] ? -1 : 1));
        const last = ranked[1];
        const wanted = ranked.filter(
          (entry, at) => at < 2 || (kind === 'rank' && clicksOf(entry) === clicksOf(last ?? entry)),
        );
        const rejected = entries.filter((entry) => clicksOf(entry) === 0);
        const shuffled = entries
          .map((entry) => [numbers.next().value ?? 0, entry] as const)
          .sort(([a], [b]) => a - b)
          .map(([, [key, accumulators]]): readonly [string, unknown[]] => [key, [...accumulators]]);
        const found = bestOf(shuffled, step, step.ranking as TopPlan).map(([key]) => key);
        expect([...found].sort()).toEqual([...rejected, ...wanted].map(([key]) => key).sort());
      }),
    );
  });
});

test('rows that somebody else sees are all made', () => {
  const table = counted.top('best', 2, { by: 'clicks' }).to(sink);
  const both = pipeline('both', [counted.to(sink), table]);
  expect((compile(both).steps[0] as CompiledAggregate).ranking).toBeUndefined();
  const twice = pipeline('twice', [table, counted.rank('ranked', 1, { by: 'clicks' }).to(sink)]);
  expect((compile(twice).steps[0] as CompiledAggregate).ranking).toBeUndefined();
  expect(stepOf('top').ranking?.id).toBe('best');
});
