import { expect, test } from 'vitest';
import { pipelines } from '#pipelines/index.ts';
import { nexmark } from '#pipelines/nexmark/index.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { nexmarkLines } from '#shared/testing/nexmark.ts';

/** Rows without their order, without what is nothing, and without windows, which one of both may show. */
function rowsOf(
  pipeline: Pipeline,
  lines: readonly string[],
): { readonly rows: readonly string[]; readonly late: number } {
  const run = createBoundedRun(pipeline);
  for (const line of lines) run.takeLine('events', line);
  const rows = [...run.finish()].map((row) =>
    JSON.stringify(
      Object.entries(row)
        .filter(([name, value]) => value !== null && name !== 'windowStart' && name !== 'windowEnd')
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
  );
  return { rows: rows.sort(), late: run.counts().late };
}

test.each(
  nexmark
    .filter(({ id }) => pipelines.some((other) => other.id === id.replace('nexmark-', 'nexmark-sql-')))
    .map(({ id }) => id),
)('%s gives the same rows in SQL, late events included', (id) => {
  const [typed, written] = [id, id.replace('nexmark-', 'nexmark-sql-')].map(
    (name) => pipelines.find((one) => one.id === name) as Pipeline,
  ) as [Pipeline, Pipeline];
  for (const seed of [1, 2]) {
    const lines = [...nexmarkLines({ count: 4_000, seed, late: 0.02 })];
    const expected = rowsOf(typed, lines);
    expect(expected.rows.length).toBeGreaterThan(0);
    expect(rowsOf(written, lines)).toEqual(expected);
  }
});

test('nine of the queries are written in SQL too', () => {
  expect(
    pipelines.filter(({ id }) => id.startsWith('nexmark-sql-')).map(({ id }) => id.replace('nexmark-sql-', '')),
  ).toEqual(['q0', 'q1', 'q11', 'q12', 'q2', 'q3', 'q5', 'q7', 'q8']);
});
