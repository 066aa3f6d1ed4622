import { expect, test } from 'vitest';
import { sqlPipeline } from '#shared/sql/index.ts';
import { agree } from './agree.ts';
import type { Suite } from './suite.ts';
import { suites, untold, untoldOf } from './suites.ts';

// A few histories of each pipeline; `npm run agree -- --histories 10000` has as many as one wants.

const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? 1);

test.each(suites)('$name: DuckDB, a run and the hosts agree', async (suite) => {
  const { difference } = await agree(suite, { histories: 6, seed });
  expect(difference).toBeUndefined();
});

test('every pipeline of the registry is compared', () => {
  expect(untold).toEqual([]);
});

test('a pipeline of other streams and tables is told what it needs to be compared, beside the others', () => {
  const read = sqlPipeline("CREATE TABLE unheard (a BIGINT) WITH ('connector' = 'kinesis'); SELECT a FROM unheard", {
    id: 'a',
  });
  expect(untoldOf(read)).toEqual(['how records of unheard are drawn, in "drawn"']);
});

test('a difference is found, and its history cut down to what it takes', async () => {
  const suite = suites.find(({ name }) => name === 'tumbling') as Suite;
  const one = new Map(suite.pipeline.bindings);
  const view = one.get('view');
  if (view?.op !== 'aggregate') throw new Error('the step aggregates');
  const { n } = view.aggregates;
  if (n === undefined) throw new Error('it counts');
  // Wrong from the third record on.
  const add = (count: number, selected: number): number => (count === 2 ? 2 : count + selected);
  one.set('view', { ...view, aggregates: { ...view.aggregates, n: { ...n, add } } });
  const wrong = { ...suite, pipeline: { ...suite.pipeline, bindings: one } };
  const { difference } = await agree(wrong, { histories: 40, seed: 1 });
  expect(difference?.lines[0]).toMatch(/^the run has n = 2 where the batch has 3, in the row/);
  expect(difference?.records.length).toBeLessThanOrEqual(3);
});
