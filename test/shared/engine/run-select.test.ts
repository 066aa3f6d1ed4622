import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { count, milliseconds, type Pipeline, sum, tumbling, union } from '#shared/pipeline/index.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { type OracleRecord, oracle } from '#shared/testing/oracle.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { columns, pipelineOf, type Reading, readings, sink } from '../readings.ts';

const first = readings({ name: 'first', outOfOrderness: 1_000 });
const second = readings({ name: 'second', outOfOrderness: 1_000 });
const odd = first.filter((reading) => reading.amount % 2 !== 0).map((reading) => ({ ...reading, key: 'odd' }));
const all = union(odd, second, first, second);

/** Rows without a window, of two streams as one, of a keyed one, and of the rows of a step; and windows over several streams. */
const pipeline: Pipeline = pipelineOf([
  all.select('all', { key: (reading) => reading.key, amount: (reading) => reading.amount }).to(sink),
  first
    .keyBy((reading) => ({ key: reading.key }))
    .select('keyed', {
      amount: (reading) => {
        if (reading.amount === 7) throw new Error('seven');
        return reading.amount;
      },
      tags: ({ tags }) => (tags === undefined ? undefined : [...tags]),
    })
    .to(sink),
  all
    .keyBy((reading) => ({ key: reading.key }))
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), emit: 'on-close' })
    .aggregate('windows', columns)
    .to(sink),
  union(
    all
      .keyBy((reading) => ({ key: reading.key }))
      .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), emit: 'on-close' })
      .aggregate('tens', { requests: count() })
      .asStream()
      .map(({ key, requests }) => ({ key, amount: requests })),
    second.map(({ key, amount }) => ({ key, amount })),
  )
    .select('rows', { of: (row) => row.key, requests: (row) => row.amount })
    .to(sink),
]);

const running = first
  .keyBy((reading) => ({ key: reading.key }))
  .aggregate('running', { requests: count(), total: sum((reading: Reading) => reading.amount) });
/** Rows that are never final, and what changes of them. */
const never: Pipeline = pipelineOf([
  running.to(sink),
  running
    .asChanges()
    .keyBy((row) => ({ few: row.requests < 3 }))
    .aggregate('changes', { keys: sum((row) => row.change), total: sum((row) => row.change * row.total) })
    .to(sink),
  first
    .keyBy((reading) => ({ key: reading.key }))
    .join(
      second.keyBy((reading) => ({ key: reading.key })),
      { within: 'ever' },
    )
    .select('ever', { left: { l: (reading) => reading.amount }, right: { r: (reading) => reading.amount } })
    .to(sink),
]);

const records: fc.Arbitrary<readonly OracleRecord[]> = fc
  .array(
    fc.record({
      source: fc.constantFrom('first', 'second'),
      at: fc.integer({ min: -30, max: 60 }),
      key: fc.constantFrom('a', 'b'),
      amount: fc.integer({ min: 0, max: 7 }),
      tags: fc.option(fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }), { nil: undefined }),
    }),
    { maxLength: 12 },
  )
  .map((given) =>
    given.map(({ source, ...reading }, index) => ({
      source,
      origin: 'file',
      sequence: String(index + 1),
      data: JSON.stringify(reading),
    })),
  );

describe.each([
  ['rows of records, and several streams as one,', pipeline],
  ['rows that are never final, what changes of them, and all pairs ever', never],
])('%s', (_, pipeline) => {
  test('are the oracle’s', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(records, (given) => {
        const run = createBoundedRun(pipeline);
        for (const { source, data } of given) run.takeLine(source, data as string);
        // A key that all rows have left stays, with sums of nothing.
        const rows = [...run.finish()].filter((row) => row['keys'] !== 0).map((row) => JSON.stringify(row));
        const right = oracle(pipeline, given);
        expect(rows.sort()).toEqual(right.rows.map((row) => JSON.stringify(row)).sort());
        expect(run.counts()).toEqual(right.numbers);
      }),
      { numRuns: 1_000 },
    );
  });
});

function rowsOf(values: readonly Reading[], source = readings({ outOfOrderness: 5 })) {
  const run = createBoundedRun(
    pipelineOf([source.select('view', { amount: ({ amount }) => amount, tags: ({ tags }) => tags?.[0] }).to(sink)]),
  );
  for (const value of values) run.takeValue('readings', value);
  return { rows: [...run.finish()], counts: run.counts() };
}

test('a row has its record’s columns and nothing of a window, and no record is late for it', () => {
  const { rows, counts } = rowsOf([
    { at: 100, key: 'a', amount: 1, tags: ['x'] },
    { at: 3, key: 'a', amount: 2 },
  ]);
  expect(rows).toEqual([
    { view: 'view', final: true, amount: 2 },
    { view: 'view', final: true, amount: 1, tags: 'x' },
  ]);
  expect(counts).toEqual({ sent: 2, counted: 2, filtered: 0, late: 0, rejected: 0 });
});

test('equal records have a row each', () => {
  const reading = { at: 1, key: 'a', amount: 1 };
  expect(rowsOf([reading, reading]).rows).toHaveLength(2);
});

test('a value that JSON cannot hold rejects its record', () => {
  expect(rowsOf([{ at: 1, key: 'a', amount: Number.NaN }]).counts).toMatchObject({ counted: 0, rejected: 1 });
});

test('what is in one of several streams waits for the slowest of them', () => {
  const run = createBoundedRun(
    pipelineOf([
      union(readings({ name: 'first' }), readings({ name: 'second' }))
        .keyBy((reading) => ({ key: reading.key }))
        .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
        .aggregate('view', { requests: count() })
        .to(sink),
    ]),
  );
  run.takeValue('first', { at: 5, key: 'a', amount: 1 });
  run.takeValue('first', { at: 500, key: 'a', amount: 1 });
  // The window is open while the second stream may have something for it, and closed when both are past it.
  expect(run.takeValue('second', { at: 6, key: 'a', amount: 1 }).lateSteps).toEqual([]);
  run.takeValue('second', { at: 500, key: 'a', amount: 1 });
  expect(run.takeValue('second', { at: 7, key: 'a', amount: 1 }).lateSteps).toEqual(['view']);
  expect([...run.finish()].map((row) => row['requests'])).toEqual([2, 2]);
});
