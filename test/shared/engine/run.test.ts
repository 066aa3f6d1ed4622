import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AnyOutput,
  count,
  max,
  milliseconds,
  type Pipeline,
  rate,
  ratio,
  session,
  shareOfTotal,
  sliding,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { stepsOf } from '#shared/pipeline/plan.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { encodeKey } from '#shared/schemas/key.ts';
import { evaluate, type OracleCell, type OracleRecord, oracle, type Verdict } from '#shared/testing/oracle.ts';
import { windowsAt } from '#shared/testing/window-oracle.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { amounts, columns, pipelineOf, type Reading, readings, sink } from '../readings.ts';

interface Shape {
  readonly outOfOrderness: number;
  readonly lateness: number;
  readonly size: number;
  readonly every: number;
  readonly gap: number;
}

/** One source with a filter and a flatMap, and one window of each kind. */
function pipelineFor({ outOfOrderness, lateness, size, every, gap }: Shape): Pipeline {
  const source = readings({ outOfOrderness });
  const plain = source.filter((reading) => reading.amount % 5 !== 0).keyBy((reading) => ({ key: reading.key }));
  const tagged = source
    .flatMap((reading) => (reading.tags ?? []).map((tag) => ({ ...reading, tag })))
    .keyBy((reading) => ({ tag: reading.tag }));
  const options = { allowedLateness: milliseconds(lateness) };
  const total = sum((reading: Reading) => reading.amount);
  const shared = { amounts, total, n: count<Reading>() };
  const derived = { share: shareOfTotal('total'), each: ratio('total', 'n'), pace: rate('n') } as const;
  const outputs: readonly AnyOutput[] = [
    plain
      .window(tumbling(milliseconds(size)), options)
      .aggregate('tumbling', shared)
      .derive(derived)
      .to(sink),
    tagged
      .window(sliding(milliseconds(Math.max(size, every)), { every: milliseconds(Math.min(size, every)) }), options)
      .aggregate('sliding', { ...shared, last: max((reading: Reading) => reading.at) })
      .derive(derived)
      .to(sink),
    plain
      .window(session({ gap: milliseconds(gap) }), options)
      .aggregate('visits', shared)
      .to(sink),
  ];
  return pipelineOf(outputs);
}

const shape: fc.Arbitrary<Shape> = fc.record({
  outOfOrderness: fc.integer({ min: 0, max: 10 }),
  lateness: fc.integer({ min: 0, max: 6 }),
  size: fc.integer({ min: 1, max: 12 }),
  every: fc.integer({ min: 1, max: 12 }),
  gap: fc.integer({ min: 1, max: 8 }),
});
const values = fc.array(
  fc.record({
    at: fc.integer({ min: -30, max: 60 }),
    key: fc.constantFrom('a', 'b'),
    amount: fc.integer({ min: -4, max: 9 }),
    tags: fc.subarray(['x', 'y']),
  }),
  { maxLength: 14 },
);

function recordsOf(given: readonly Reading[]): readonly OracleRecord[] {
  return given.map((reading, index) => ({
    source: 'readings',
    origin: 'file',
    sequence: String(index + 1),
    data: JSON.stringify(reading),
  }));
}

function run(pipeline: Pipeline, records: readonly OracleRecord[]) {
  const made = createBoundedRun(pipeline);
  for (const { source, data } of records) made.takeLine(source, data as string);
  return { rows: [...made.finish()], numbers: made.counts() };
}

/** `run` calls a record late by the watermark of all records before it: the rule, read word by word for each step on its own. */
function verdictOf(pipeline: Pipeline, records: readonly OracleRecord[], outOfOrderness: number): Verdict {
  const { outputs } = evaluate(pipeline, records);
  const late = new Map(stepsOf(pipeline.plan).map((step) => [step.id, new Set<string>()]));
  const cells = new Map<string, readonly OracleCell[]>();
  for (const step of stepsOf(pipeline.plan)) {
    if (step.op !== 'aggregate') continue;
    let open: readonly OracleCell[] = [];
    const closed: OracleCell[] = [];
    let watermark = Number.NEGATIVE_INFINITY;
    const isClosed = (endMs: number): boolean =>
      watermark >= endMs + step.allowedLatenessMs && (step.window.kind !== 'session' || watermark > endMs);
    for (const [index, { data }] of records.entries()) {
      const ofRecord = [...outputs.values()].filter(
        (output) => output.route === step.input && output.recordId === `readings/file/${index + 1}/0`,
      );
      for (const { id, key, timeMs } of ofRecord) {
        const gapMs = step.window.kind === 'session' ? step.window.gapMs : 0;
        const touched = open.filter(
          (cell) => cell.key === key && cell.startMs <= timeMs + gapMs && cell.endMs >= timeMs,
        );
        const ranges =
          step.window.kind === 'session'
            ? [
                [
                  Math.min(timeMs, ...touched.map((cell) => cell.startMs)),
                  Math.max(timeMs + gapMs, ...touched.map((cell) => cell.endMs)),
                ] as const,
              ]
            : windowsAt(step, timeMs);
        const taken = ranges.filter(([, endMs]) => !isClosed(endMs));
        if (taken.length === 0) late.get(step.id)?.add(id);
        for (const [startMs, endMs] of taken) {
          const joined =
            step.window.kind === 'session'
              ? touched
              : open.filter((cell) => cell.key === key && cell.startMs === startMs);
          const outputIds = [...joined.flatMap((cell) => cell.outputIds), id];
          open = [...open.filter((cell) => !joined.includes(cell)), { key, startMs, endMs, outputIds }];
        }
      }
      watermark = Math.max(watermark, (JSON.parse(data as string) as Reading).at - outOfOrderness);
      closed.push(...open.filter(({ endMs }) => isClosed(endMs)));
      open = open.filter(({ endMs }) => !isClosed(endMs));
    }
    cells.set(step.id, [...closed, ...open]);
  }
  return { late, cells };
}

describe('any small pipeline over any records', () => {
  test('gives the oracle’s rows and numbers when nothing is late', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(shape, values, (given, readingsOfSeed) => {
        const pipeline = pipelineFor({ ...given, outOfOrderness: 1_000 });
        const records = recordsOf(readingsOfSeed);
        expect(run(pipeline, records)).toEqual(sorted(oracle(pipeline, records)));
      }),
      { numRuns: 5_000 },
    );
  });

  test('gives the oracle’s rows and numbers when records are late', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(shape, values, (given, readingsOfSeed) => {
        const pipeline = pipelineFor(given);
        const records = recordsOf(readingsOfSeed);
        const verdict = verdictOf(pipeline, records, given.outOfOrderness);
        const { rows, numbers } = run(pipeline, records);
        const expected = sorted(oracle(pipeline, records, verdict));
        expect(numbers).toEqual(expected.numbers);
        // Two sessions of one key may begin at one time: see below.
        expect([...rows].map((row) => JSON.stringify(row)).sort()).toEqual(
          expected.rows.map((row) => JSON.stringify(row)).sort(),
        );
      }),
      { numRuns: 5_000 },
    );
  });
});

/** The order of `run`: by the view's name, where the oracle has that of the plan. */
function sorted({ rows, numbers }: ReturnType<typeof oracle>) {
  const keyOf = (row: (typeof rows)[number]): string =>
    encodeKey('tag' in row ? { tag: String(row['tag']) } : { key: String(row['key']) });
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return {
    rows: [...rows].sort(
      (a, b) =>
        compare(a.view, b.view) ||
        Date.parse(String(a.windowStart)) - Date.parse(String(b.windowStart)) ||
        compare(keyOf(a), keyOf(b)),
    ),
    numbers,
  };
}

describe('the numbers of a run', () => {
  const pipeline = pipelineFor({ outOfOrderness: 0, lateness: 0, size: 10, every: 5, gap: 3 });
  const lines = (...all: readonly object[]): readonly string[] => all.map((one) => JSON.stringify(one));

  test('count a record once, however many outputs and steps it has', () => {
    const made = createBoundedRun(pipeline);
    for (const line of lines({ at: 1, key: 'a', amount: 1, tags: ['x', 'y'] })) made.takeLine('readings', line);
    expect(made.counts()).toEqual({ sent: 1, counted: 1, filtered: 0, late: 0, rejected: 0 });
  });

  test('call a record late only when every step that wanted it found it late', () => {
    const made = createBoundedRun(pipeline);
    const taken = lines(
      { at: 100, key: 'a', amount: 1 },
      { at: 97, key: 'a', amount: 1 },
      { at: 1, key: 'a', amount: 1 },
    ).map((line) => made.takeLine('readings', line)?.lateSteps);
    expect([taken, made.counts().late]).toEqual([[[], ['tumbling'], ['tumbling', 'visits']], 1]);
  });

  test('hold the invariant sent = counted + filtered + late + rejected for any lines', () => {
    const line = fc.oneof(
      fc
        .record({ at: fc.integer({ min: 0, max: 50 }), key: fc.string(), amount: fc.integer() })
        .map((one) => JSON.stringify(one)),
      fc.string(),
      fc.json(),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (all) => {
        const made = createBoundedRun(pipeline);
        for (const one of all) made.takeLine('readings', one);
        const { sent, counted, filtered, late, rejected } = made.counts();
        expect(counted + filtered + late + rejected).toBe(sent);
      }),
    );
  });
});

test('windows with the longest lateness that can be written are final at the end of the input', () => {
  const output = readings()
    .keyBy((reading) => ({ key: reading.key }))
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(Number.MAX_SAFE_INTEGER) })
    .aggregate('step', columns)
    .to(sink);
  const made = createBoundedRun(pipelineOf([output]));
  made.takeValue('readings', { at: 1, key: 'k', amount: 1 });
  expect([...made.finish()]).toHaveLength(1);
});

test('rows can be asked for by their view', () => {
  const made = createBoundedRun(pipelineFor({ outOfOrderness: 0, lateness: 0, size: 10, every: 5, gap: 3 }));
  made.takeValue('readings', { at: 1, key: 'k', amount: 1, tags: ['x'] });
  expect([...made.finish('visits')].map((row) => row.view)).toEqual(['visits']);
});
