import { describe, expect, test } from 'vitest';
import {
  count,
  everyRecords,
  global,
  kinesis,
  milliseconds,
  type Pipeline,
  type Placement,
  session,
  tumbling,
} from '#shared/pipeline/index.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { testDriver } from '#shared/testing/index.ts';
import { pipelineOf, type Reading, readings, sink } from '../../readings.ts';

const keyed = readings().keyBy((reading) => ({ key: reading.key }));
const allowedLateness = milliseconds(0);
const shown = { at: (reading: Reading) => reading.at, amount: (reading: Reading) => reading.amount };

function tens(placement: Placement): Pipeline {
  const table = keyed
    .window(tumbling(milliseconds(10)), { allowedLateness, placement })
    .aggregate('tens', { n: count() });
  return pipelineOf([table.to(sink), table.late('late', shown).to(sink)]);
}

const values: readonly Reading[] = [
  { at: 5, key: 'a', amount: 1 },
  { at: 20, key: 'a', amount: 2 },
  { at: 7, key: 'a', amount: 3 },
  { at: 7, key: 'b', amount: 3 },
  { at: 15, key: 'a', amount: 4 },
];
const lateRows = [
  { final: true, key: 'a', at: 7, amount: 3 },
  { final: true, key: 'b', at: 7, amount: 3 },
  { final: true, key: 'a', at: 15, amount: 4 },
];

describe('a view of late records', () => {
  test.each(['lambda', 'fargate'] as const)(
    'has each once, and there are no dead letters, on %s',
    async (placement) => {
      const driver = testDriver(tens(placement));
      await driver.send('readings', values);
      await driver.close();
      const rows = (await driver.read('late', { from: new Date(0), to: new Date(100) })).map((row) => ({ ...row }));
      expect(rows).toMatchObject(lateRows);
      expect(await driver.deadLetters()).toEqual([]);
      expect(await driver.counts()).toMatchObject({
        ...{ sent: 5, counted: 2, late: 3, rejected: 0, filtered: 0 },
        steps: { tens: { counted: 2, late: 3 }, late: { counted: 3, late: 0 } },
      });
    },
  );

  test('has the same in run', () => {
    const run = createBoundedRun(tens('lambda'));
    expect(values.flatMap((value) => run.takeValue('readings', value).lateSteps)).toEqual([]);
    expect([...run.finish('late')].map(({ key, at }) => [key, at])).toEqual([
      ['a', 7],
      ['b', 7],
      ['a', 15],
    ]);
    expect(run.counts()).toEqual({ sent: 5, counted: 2, late: 3, rejected: 0, filtered: 0 });
    expect(run.stepCounts()).toEqual({ tens: { counted: 2, late: 3 }, late: { counted: 3, late: 0 } });
  });

  test('of sessions has what the session that it would join is closed for', () => {
    const visits = keyed
      .window(session({ gap: milliseconds(5) }), { allowedLateness })
      .aggregate('visits', { n: count() });
    const run = createBoundedRun(pipelineOf([visits.to(sink), visits.late('late', shown).to(sink)]));
    for (const at of [0, 100, 97, 3]) run.takeValue('readings', { at, key: 'a', amount: 0 });
    expect([...run.finish('late')].map(({ at }) => at)).toEqual([3]);
  });

  test.each(['lambda', 'fargate'] as const)('is one of several of a step, on %s as in run', async (placement) => {
    const table = keyed
      .window(tumbling(milliseconds(10)), { allowedLateness, placement })
      .aggregate('tens', { n: count() });
    const views = pipelineOf([
      table.late('amounts', { amount: (reading) => reading.amount }).to(sink),
      table.to(sink),
      table.late('times', { at: (reading) => reading.at }).to(sink),
    ]);
    const expected = { amounts: lateRows.map(({ amount }) => amount), times: lateRows.map(({ at }) => at) };
    const driver = testDriver(views);
    await driver.send('readings', values);
    await driver.close();
    const run = createBoundedRun(views);
    for (const value of values) run.takeValue('readings', value);
    for (const [view, column] of Object.entries({ amounts: 'amount', times: 'at' } as const)) {
      const rows: readonly Readonly<Record<string, unknown>>[] = await driver.read(view);
      expect([...rows].map((row) => row[column])).toEqual(expected[view as 'amounts']);
      expect([...run.finish(view)].map((row) => row[column])).toEqual(expected[view as 'amounts']);
    }
    expect(await driver.deadLetters()).toEqual([]);
    expect(await driver.counts()).toMatchObject({ sent: 5, counted: 2, late: 3, rejected: 0, filtered: 0 });
    expect(run.counts()).toEqual({ sent: 5, counted: 2, late: 3, rejected: 0, filtered: 0 });
  });

  test('leaves the letters of steps that have none', () => {
    const other = keyed.window(tumbling(milliseconds(5)), { allowedLateness }).aggregate('fives', { n: count() });
    const table = keyed.window(tumbling(milliseconds(10)), { allowedLateness }).aggregate('tens', { n: count() });
    const run = createBoundedRun(pipelineOf([table.late('late', shown).to(sink), table.to(sink), other.to(sink)]));
    expect(values.map((value) => run.takeValue('readings', value).lateSteps)).toEqual([
      [],
      [],
      ['fives'],
      ['fives'],
      ['fives'],
    ]);
  });
});

test('a view of late changes of rows has each once, in run too', () => {
  const changes = keyed
    .aggregate('running', { n: count() })
    .asChanges()
    .keyBy(({ key }) => ({ key }));
  const tens = changes.window(tumbling(milliseconds(10)), { allowedLateness }).aggregate('tens', { n: count() });
  const late = tens.late('late', { n: (row) => row.n, change: (row) => row.change });
  const run = createBoundedRun(pipelineOf([tens.to(sink), late.to(sink)]));
  for (const value of values) run.takeValue('readings', value);
  expect([...run.finish('late')].map(({ key, n, change }) => [key, n, change])).toEqual([['b', 1, 1]]);
});

test('a view of what a step finds late needs the step', () => {
  const table = keyed.window(tumbling(milliseconds(10)), { allowedLateness }).aggregate('tens', { n: count() });
  expect(() => pipelineOf([table.late('late', shown).to(sink)])).toThrow(
    'test: step late shows what tens finds late, which is no output of the pipeline. Add tens to the outputs.',
  );
  // Whatever else its window would need as an output.
  const ever = keyed
    .window(global({ trigger: everyRecords(1) }), { allowedLateness })
    .aggregate('ever', { n: count() });
  expect(() => pipelineOf([ever.late('late', shown).to(sink)])).toThrow(
    'test: step late shows what ever finds late, which is no output of the pipeline. Add ever to the outputs.',
  );
});

test('a view of late records is beside its step, and writes no stream there from Lambda', () => {
  const table = keyed.window(tumbling(milliseconds(10)), { allowedLateness }).aggregate('tens', { n: count() });
  expect(tens('lambda').plan.nodes.at(-1)).toMatchObject({ id: 'late', lateOf: 'tens', placement: 'lambda' });
  expect(() => pipelineOf([table.to(sink), table.late('late', shown).to(kinesis())])).toThrow(
    /PLACEMENT_REFUSED: test: step late cannot be placed on lambda: its rows go into a stream.*give the window of tens/,
  );
});

test('a view of late records has no column of the key’s name', () => {
  const table = keyed.window(tumbling(milliseconds(10)), { allowedLateness }).aggregate('tens', { n: count() });
  // @ts-expect-error: `key` is a column of the key.
  table.late('late', { key: (reading) => reading.key });
});
