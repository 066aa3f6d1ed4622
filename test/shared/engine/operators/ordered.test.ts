import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compile } from '#shared/engine/compile/compile.ts';
import { contractOf } from '#shared/pipeline/contract.ts';
import { diffContracts } from '#shared/pipeline/contract-diff.ts';
import {
  type AnyOutput,
  count,
  countWindow,
  everyRecords,
  everyTime,
  global,
  milliseconds,
  type Pipeline,
  rate,
  seconds,
  session,
  shareOfTotal,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { testDriver } from '#shared/testing/index.ts';
import { type OracleRecord, oracle } from '#shared/testing/oracle.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { amounts, pipelineOf, type Reading, readings, sink } from '../../readings.ts';

const ms = milliseconds;
const columns = { amounts, n: count<Reading>() };

function keyedOf(outOfOrderness: number) {
  return readings({ outOfOrderness }).keyBy((reading) => ({ key: reading.key }));
}

const branches: Readonly<Record<string, (outOfOrderness: number) => AnyOutput>> = {
  'sessions with a greatest length': (late) =>
    keyedOf(late)
      .window(session({ gap: ms(4), maxLength: ms(9) }), { allowedLateness: ms(2) })
      .aggregate('view', columns)
      .to(sink),
  'every 3 records': (late) =>
    keyedOf(late)
      .window(countWindow(3), { allowedLateness: ms(0) })
      .aggregate('view', columns)
      .to(sink),
  'every 3 records and those that are left': (late) =>
    keyedOf(late)
      .window(countWindow(3, { incomplete: 'emit', ttl: ms(6) }), { allowedLateness: ms(1) })
      .aggregate('view', columns)
      .to(sink),
  'all records, by number and time': (late) =>
    keyedOf(late)
      .window(global({ trigger: [everyRecords(2), everyTime(ms(5))] }), { allowedLateness: ms(0) })
      .aggregate('view', columns)
      .to(sink),
  'all records, of keys that are given up': (late) =>
    keyedOf(late)
      .window(global({ trigger: everyRecords(4), ttl: ms(7) }), { allowedLateness: ms(1) })
      .aggregate('view', columns)
      .to(sink),
};

const reading = fc.record({
  at: fc.integer({ min: -20, max: 40 }),
  key: fc.constantFrom('a', 'b'),
  amount: fc.integer({ min: 0, max: 3 }),
});
const history = fc.array(reading, { maxLength: 30 });

function recordsOf(values: readonly Reading[]): readonly OracleRecord[] {
  return values.map((value, index) => ({
    source: 'readings',
    origin: 'shard',
    sequence: String(index + 1),
    data: JSON.stringify(value),
  }));
}

function rowsOf(pipeline: Pipeline, values: readonly Reading[]) {
  const run = createBoundedRun(pipeline);
  for (const { data } of recordsOf(values)) run.takeLine('readings', data as string);
  return { rows: [...run.finish()], counts: run.counts() };
}

describe.each(Object.entries(branches))('%s', (_, branch) => {
  test('are the oracle’s, whatever the order of arrival', { timeout: fuzzTimeoutMs }, () => {
    const pipeline = pipelineOf([branch(1_000)]);
    fc.assert(
      fc.property(history, (values) => {
        const right = oracle(pipeline, recordsOf(values));
        expect(rowsOf(pipeline, values)).toEqual({ rows: right.rows, counts: right.numbers });
      }),
      { numRuns: 1_000 },
    );
  });

  test('are the same for all who are not late, where some are', { timeout: fuzzTimeoutMs }, () => {
    const strict = pipelineOf([branch(3)]);
    const tolerant = pipelineOf([branch(1_000)]);
    const [step] = compile(strict).steps;
    fc.assert(
      fc.property(history, (values) => {
        // Late is what is further behind the watermark than the allowed lateness.
        let watermarkMs = Number.NEGATIVE_INFINITY;
        const inTime = values.filter(({ at }) => {
          const isInTime = at + (step?.plan.allowedLatenessMs ?? 0) >= watermarkMs;
          watermarkMs = Math.max(watermarkMs, at - 3);
          return isInTime;
        });
        const { rows, counts } = rowsOf(strict, values);
        expect(rows).toEqual(rowsOf(tolerant, inTime).rows);
        expect(counts.late).toBe(values.length - inTime.length);
      }),
      { numRuns: 500 },
    );
  });

  test('are the same behind all hosts', { timeout: fuzzTimeoutMs }, async () => {
    const pipeline = pipelineOf([branch(1_000)], { slots: 2 });
    await fc.assert(
      fc.asyncProperty(history, async (values) => {
        const driver = testDriver(pipeline);
        await driver.send('readings', values as never);
        await driver.close();
        const all = { from: new Date(-1_000), to: new Date(1_000) };
        const found = (await driver.read('view', all)).map((row) => JSON.stringify(row));
        const { rows } = rowsOf(pipeline, values);
        expect(found).toEqual(rows.map(({ view: _, ...row }) => JSON.stringify(row)));
      }),
      { numRuns: 30 },
    );
  });
});

const at = (...times: readonly number[]): readonly Reading[] =>
  times.map((time, index) => ({ at: time, key: 'a', amount: index }));
const bounds = (rows: readonly Readonly<Record<string, unknown>>[]): readonly (readonly unknown[])[] =>
  rows.map(({ windowStart, windowEnd, n }) => [Date.parse(String(windowStart)), Date.parse(String(windowEnd)), n]);

test('a session is cut its greatest length after its first record, and the record there begins the next', () => {
  const pipeline = pipelineOf([(branches['sessions with a greatest length'] as (late: number) => AnyOutput)(1_000)]);
  //     gap 4, at most 9:   0  3  6  8 | 9  12       and alone: 30
  expect(bounds(rowsOf(pipeline, at(12, 9, 8, 6, 3, 0, 30)).rows)).toEqual([
    [0, 9, 4],
    [9, 16, 2],
    [30, 34, 1],
  ]);
});

test('records of one millisecond may fill several windows, and each has its row', async () => {
  const pipeline = pipelineOf([(branches['every 3 records'] as (late: number) => AnyOutput)(0)]);
  const values = at(4, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6);
  expect(bounds(rowsOf(pipeline, values).rows)).toEqual([
    [4, 6, 3],
    [5, 6, 3],
    [5, 6, 3],
  ]);
  const driver = testDriver(pipeline);
  await driver.send('readings', values as never);
  await driver.close();
  expect(await driver.read('view', { from: new Date(0), to: new Date(9) })).toHaveLength(3);
});

test('a global row changes as its triggers say, and is final when the stream is over', async () => {
  const pipeline = pipelineOf([(branches['all records, by number and time'] as (late: number) => AnyOutput)(0)]);
  const driver = testDriver(pipeline);
  const shown = async (): Promise<unknown> =>
    (await driver.read('view', { from: new Date(0), to: new Date(9) })).map(({ n, final }: Record<string, unknown>) => [
      n,
      final,
    ]);
  await driver.send('readings', at(1) as never);
  expect(await shown()).toEqual([]);
  // The third is waited for: the second is taken when nothing can come before it.
  await driver.send('readings', at(2, 3) as never);
  expect(await shown()).toEqual([[2, false]]);
  await driver.send('readings', at(6) as never);
  expect(await shown()).toEqual([[3, false]]);
  await driver.close();
  expect(await shown()).toEqual([[4, true]]);
});

describe('is refused:', () => {
  const keyed = keyedOf(0);
  const allowedLateness = seconds(0);
  test.each<readonly [string, () => AnyOutput, RegExp]>([
    [
      'a window of no records',
      () => keyed.window(countWindow(0), { allowedLateness }).aggregate('v', columns).to(sink),
      /records of a window are 0; there must be a whole number of at least 1/,
    ],
    [
      'a length of nothing',
      () =>
        keyed
          .window(session({ gap: ms(1), maxLength: ms(0) }), { allowedLateness })
          .aggregate('v', columns)
          .to(sink),
      /maxLength is 0 ms/,
    ],
    [
      'a global window without a trigger',
      () =>
        keyed
          .window(global({ trigger: {} }), { allowedLateness })
          .aggregate('v', columns)
          .to(sink),
      /a global window without a trigger/,
    ],
    [
      'a rate of a window without a length',
      () =>
        keyed
          .window(global({ trigger: everyRecords(1) }), { allowedLateness })
          .aggregate('v', { n: count() })
          .derive({ r: rate('n') as never })
          .to(sink),
      /derived column r: a global window has no length/,
    ],
    [
      'a share of windows that keys do not share',
      () =>
        keyed
          .window(countWindow(2), { allowedLateness })
          .aggregate('v', { n: count() })
          .derive({ s: shareOfTotal('n') as never })
          .to(sink),
      /count windows of different keys have different bounds/,
    ],
    [
      'Lambda',
      () => keyed.window(countWindow(2), { allowedLateness, placement: 'lambda' }).aggregate('v', columns).to(sink),
      /cannot be placed on lambda: records of a key wait in one memory/,
    ],
    [
      'incomplete windows that others read',
      () =>
        keyed
          .window(countWindow(2, { incomplete: 'emit' }), { allowedLateness })
          .aggregate('v', { n: count() })
          .asStream()
          .keyBy((row) => ({ key: row.key }))
          .window(tumbling(ms(10)), { allowedLateness })
          .aggregate('w', { n: sum((row) => row.n) })
          .to(sink),
      /emits incomplete windows long after their records/,
    ],
  ])('%s', (_, branch, message) => {
    expect(() => pipelineOf([branch()])).toThrow(message);
  });
});

describe('the contract', () => {
  const keyed = keyedOf(0);
  const allowedLateness = seconds(0);
  const changes = (before: AnyOutput, after: AnyOutput) =>
    diffContracts(contractOf(pipelineOf([before]).plan), contractOf(pipelineOf([after]).plan)).map(({ kind, what }) => [
      kind,
      what,
    ]);
  const shown = (trigger: ReturnType<typeof everyRecords>): AnyOutput =>
    keyed.window(global({ trigger }), { allowedLateness }).aggregate('view', columns).to(sink);
  const visits = (maxLength: number): AnyOutput =>
    keyed
      .window(session({ gap: ms(5), maxLength: ms(maxLength) }), { allowedLateness })
      .aggregate('view', columns)
      .to(sink);

  test('lets state go on when a row is shown at other times', () => {
    expect(changes(shown(everyRecords(2)), shown(everyTime(ms(5))))).toEqual([
      ['compatible', 'step view: everyRecords 2 became null'],
      ['compatible', 'step view: everyMs null became 5'],
    ]);
  });

  test('does not when sessions are cut elsewhere', () => {
    expect(changes(visits(10), visits(20))).toEqual([
      [
        'breaking',
        'step view: window {"gapMs":5,"kind":"session","maxLengthMs":10} became {"gapMs":5,"kind":"session","maxLengthMs":20}',
      ],
    ]);
  });
});
