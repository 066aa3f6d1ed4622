import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { count, max, milliseconds, type Pipeline, session, sliding, sum, tumbling } from '#shared/pipeline/index.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { type OracleRecord, oracle } from '#shared/testing/oracle.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { amounts, columns, pipelineOf, type Reading, readings, sink } from '../readings.ts';

interface Shape {
  readonly lateness: number;
  readonly size: number;
  readonly every: number;
  readonly gap: number;
  readonly ranks: number;
}

const onClose = (lateness: number) => ({ allowedLateness: milliseconds(lateness), emit: 'on-close' }) as const;

/** Rows as records of everything that reads records: filters that throw, other keys, windows of all kinds, a join, and rows of rows. */
function pipelineFor({ lateness, size, every, gap, ranks }: Shape): Pipeline {
  const keyed = readings({ outOfOrderness: 1_000 }).keyBy((reading) => ({ key: reading.key }));
  const perKey = keyed
    .window(sliding(milliseconds(Math.max(size, every)), { every: milliseconds(every) }), onClose(lateness))
    .aggregate('per-key', { ...columns, total: sum((reading: Reading) => reading.amount) });
  const rows = perKey.asStream().filter((row) => {
    if (row.total === 7) throw new Error('seven');
    return row.total !== 5;
  });
  const visits = rows
    .flatMap((row) => row.amounts.split(' ').map((amount) => ({ ...row, amount })))
    .keyBy((row) => ({ amount: row.amount }))
    .window(session({ gap: milliseconds(gap) }), { allowedLateness: milliseconds(lateness) })
    .aggregate('visits', { rows: count(), most: max((row) => row.requests) });
  const top = perKey.top('top', ranks, { by: 'requests' });
  const equals = perKey.rank('equals', ranks, { by: 'requests', as: 'place' });
  const pairs = rows
    .keyBy((row) => ({ key: row.key }))
    .join(keyed, {
      within: [milliseconds(-gap), milliseconds(size)],
      kind: 'full',
      allowedLateness: milliseconds(lateness),
    })
    .select('pairs', { left: { amounts: (row) => row.amounts }, right: { amount: (reading) => reading.amount } });
  return pipelineOf([
    perKey.to(sink),
    top.to(sink),
    equals.to(sink),
    equals
      .asStream()
      .keyBy((row) => ({ place: row.place }))
      .window(tumbling(milliseconds(100)), onClose(0))
      .aggregate('places', { times: count(), requests: sum((row) => row.requests) })
      .to(sink),
    pairs.to(sink),
    visits
      .asStream()
      .keyBy((visit) => ({ lasted: Number(visit.windowEnd) - Number(visit.windowStart) }))
      .window(tumbling(milliseconds(size)), { allowedLateness: milliseconds(0) })
      .aggregate('lasting', { visits: count(), rows: sum((visit) => visit.rows) })
      .to(sink),
    top
      .asStream()
      .keyBy((row) => ({ rank: row.rank }))
      .window(tumbling(milliseconds(100)), onClose(0))
      .aggregate('ranks', { times: count(), requests: sum((row) => row.requests) })
      .to(sink),
    pairs
      .asStream()
      .keyBy((pair) => ({ alone: pair.leftTime === null || pair.rightTime === null }))
      .window(tumbling(milliseconds(size)), onClose(0))
      .aggregate('pair-counts', { pairs: count() })
      .to(sink),
  ]);
}

const shape: fc.Arbitrary<Shape> = fc.record({
  lateness: fc.integer({ min: 0, max: 6 }),
  size: fc.integer({ min: 1, max: 12 }),
  every: fc.integer({ min: 1, max: 8 }),
  gap: fc.integer({ min: 1, max: 8 }),
  ranks: fc.integer({ min: 1, max: 3 }),
});
const all: fc.Arbitrary<readonly OracleRecord[]> = fc
  .array(
    fc.record({
      at: fc.integer({ min: -30, max: 60 }),
      key: fc.constantFrom('a', 'b', 'c'),
      amount: fc.integer({ min: -1, max: 7 }),
    }),
    { maxLength: 12 },
  )
  .map((given) =>
    given.map((reading, index) => ({
      source: 'readings',
      origin: 'file',
      sequence: String(index + 1),
      data: JSON.stringify(reading),
    })),
  );

function run(pipeline: Pipeline, records: readonly OracleRecord[]) {
  const made = createBoundedRun(pipeline);
  for (const { source, data } of records) made.takeLine(source, data as string);
  const rows = [...made.finish()].map((row) => JSON.stringify(row));
  const rejected = made.rejectedRows().map(({ row, rejection }) => `${row.view}/${row.key} ${rejection.reason}`);
  return { rows, numbers: made.counts(), rejected: rejected.sort(), late: lateOf(made.stepCounts()) };
}

function lateOf(steps: Readonly<Record<string, { readonly late: number }>>): number {
  return Object.values(steps).reduce((sum_, { late }) => sum_ + late, 0);
}

describe('steps over the rows of steps, over any records,', () => {
  test('give the oracle’s rows, its numbers of raw records, and nothing that is late', {
    timeout: fuzzTimeoutMs,
  }, () => {
    fc.assert(
      fc.property(shape, all, (given, records) => {
        const pipeline = pipelineFor(given);
        const right = oracle(pipeline, records);
        const found = run(pipeline, records);
        const byView = (rows: readonly string[]) => [...rows].sort((a, b) => viewOf(a).localeCompare(viewOf(b)));
        expect(found.rows).toEqual(byView(right.rows.map((row) => JSON.stringify(row))));
        expect(found.numbers).toEqual(right.numbers);
        expect(found.late).toBe(0);
        const rejected = right.rejectedRows.map(({ id, reason }) => `${id.replace(/\/-?\d+$/, '')} ${reason}`);
        expect(found.rejected).toEqual(rejected.sort());
      }),
      { numRuns: 2_000 },
    );
  });
});

function viewOf(row: string): string {
  return (JSON.parse(row) as { readonly view: string }).view;
}

test('a row is a record at the last millisecond of its window, with its bounds as dates', () => {
  const seen: unknown[] = [];
  const rows = readings()
    .keyBy((reading) => ({ key: reading.key }))
    .window(tumbling(milliseconds(10)), onClose(0))
    .aggregate('tens', { amounts })
    .asStream()
    .filter((row) => seen.push(row) > 0)
    .keyBy((row) => ({ key: row.key }))
    .window(tumbling(milliseconds(1)), onClose(0))
    .aggregate('instants', { rows: count() })
    .to(sink);
  const made = createBoundedRun(pipelineOf([rows]));
  for (const at of [3, 12]) made.takeValue('readings', { at, key: 'a', amount: at });
  expect([...made.finish()].map(({ view, windowStart }) => [view, windowStart])).toEqual([
    ['instants', '1970-01-01T00:00:00.009Z'],
    ['instants', '1970-01-01T00:00:00.019Z'],
  ]);
  expect(seen[0]).toEqual({ key: 'a', windowStart: new Date(0), windowEnd: new Date(10), amounts: '3' });
});

test('a step that only feeds others is no view', () => {
  const made = createBoundedRun(pipelineFor({ lateness: 0, size: 1, every: 1, gap: 1, ranks: 1 }));
  made.takeValue('readings', { at: 1, key: 'a', amount: 2 });
  const views = new Set([...made.finish()].map(({ view }) => view));
  expect([...views]).toEqual(['equals', 'lasting', 'pair-counts', 'pairs', 'per-key', 'places', 'ranks', 'top']);
});
