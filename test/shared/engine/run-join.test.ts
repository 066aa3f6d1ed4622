import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AnyOutput, type JoinKind, milliseconds, type Pipeline } from '#shared/pipeline/index.ts';
import { inputsOf, stepsOf } from '#shared/pipeline/plan.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { evaluate, type OracleRecord, type OracleResult, oracle, type Verdict } from '#shared/testing/oracle.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { pipelineOf, type Reading, readings, sink } from '../readings.ts';

interface Shape {
  readonly outOfOrderness: number;
  readonly lateness: number;
  readonly lower: number;
  readonly upper: number;
}

/** Joins of each kind of two sources, and of one with itself. Views are named in their order. */
function pipelineFor({ outOfOrderness, lateness, lower, upper }: Shape): Pipeline {
  const keyed = (name: string) =>
    readings({ name, outOfOrderness })
      .filter((reading) => reading.amount !== 0)
      .keyBy((reading) => ({ key: reading.key }));
  const lefts = keyed('lefts');
  const rights = keyed('rights');
  const joined = (name: string, kind: JoinKind, left: typeof lefts, right: typeof lefts): AnyOutput =>
    left
      .join(right, {
        within: [milliseconds(lower), milliseconds(upper)],
        kind,
        allowedLateness: milliseconds(lateness),
      })
      .select(name, {
        left: { amount: (reading) => reading.amount },
        right: { tags: (reading) => reading.tags ?? null },
      })
      .to(sink);
  return pipelineOf([
    joined('a-inner', 'inner', lefts, rights),
    joined('b-left', 'left', rights, lefts),
    joined('c-full', 'full', lefts, rights),
    joined('d-itself', 'full', lefts, lefts),
  ]);
}

const shape: fc.Arbitrary<Shape> = fc
  .record({
    outOfOrderness: fc.integer({ min: 0, max: 10 }),
    lateness: fc.integer({ min: 0, max: 6 }),
    bounds: fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 })),
  })
  .map(({ bounds, ...rest }) => ({ ...rest, lower: Math.min(...bounds), upper: Math.max(...bounds) }));
const records: fc.Arbitrary<readonly OracleRecord[]> = fc
  .array(
    fc.record({
      source: fc.constantFrom('lefts', 'rights'),
      at: fc.integer({ min: -30, max: 30 }),
      key: fc.constantFrom('a', 'b'),
      amount: fc.integer({ min: 0, max: 3 }),
      tags: fc.subarray(['x', 'y']),
    }),
    { maxLength: 16 },
  )
  .map((all) =>
    all.map(({ source, ...reading }, index) => ({
      source,
      origin: 'file',
      sequence: String(index + 1),
      data: JSON.stringify(reading),
    })),
  );

function run(pipeline: Pipeline, all: readonly OracleRecord[]) {
  const made = createBoundedRun(pipeline);
  for (const { source, data } of all) made.takeLine(source, data as string);
  return { rows: [...made.finish()], numbers: made.counts() };
}

/** The rule, read word by word: late is what lies further behind the newest record of the slower source than both latenesses allow. */
function verdictOf(pipeline: Pipeline, all: readonly OracleRecord[], { outOfOrderness, lateness }: Shape): Verdict {
  const outputs = [...evaluate(pipeline, all).outputs.values()];
  const late = stepsOf(pipeline.plan).map((step) => {
    const isLate = (recordId: string, timeMs: number): boolean => {
      const before = all.slice(0, Number(recordId.split('/')[2]) - 1);
      const newest = inputsOf(step).map(({ source }) =>
        Math.max(
          ...before
            .filter((record) => record.source === source)
            .map(({ data }) => (JSON.parse(data as string) as Reading).at),
        ),
      );
      return timeMs + lateness + outOfOrderness < Math.min(...newest);
    };
    const ofStep = outputs.filter(({ route }) => inputsOf(step).some(({ input }) => input === route));
    const ids = ofStep.filter(({ recordId, timeMs }) => isLate(recordId, timeMs)).map(({ id }) => id);
    return [step.id, new Set(ids)] as const;
  });
  return { late: new Map(late), cells: new Map() };
}

const texts = ({ rows, numbers }: Pick<OracleResult, 'rows' | 'numbers'>) => [
  ...rows.map((row) => JSON.stringify(row)),
  numbers,
];

describe('any join over any records', () => {
  test('gives the oracle’s rows, in its order, and its numbers when nothing is late', {
    timeout: fuzzTimeoutMs,
  }, () => {
    fc.assert(
      fc.property(shape, records, (given, all) => {
        const pipeline = pipelineFor({ ...given, outOfOrderness: 1_000 });
        expect(texts(run(pipeline, all))).toEqual(texts(oracle(pipeline, all)));
      }),
      { numRuns: 3_000 },
    );
  });

  test('gives the oracle’s rows, in its order, and its numbers when records are late', {
    timeout: fuzzTimeoutMs,
  }, () => {
    fc.assert(
      fc.property(shape, records, (given, all) => {
        const pipeline = pipelineFor(given);
        const verdict = verdictOf(pipeline, all, given);
        expect(texts(run(pipeline, all))).toEqual(texts(oracle(pipeline, all, verdict)));
      }),
      { numRuns: 3_000 },
    );
  });
});

test('one file after the other gives the same rows as both at once', { timeout: fuzzTimeoutMs }, () => {
  fc.assert(
    fc.property(shape, records, (given, all) => {
      const pipeline = pipelineFor({ ...given, outOfOrderness: 1_000 });
      const bySource = [...all].sort((a, b) => (a.source < b.source ? -1 : a.source > b.source ? 1 : 0));
      expect(texts(run(pipeline, bySource))).toEqual(texts(run(pipeline, all)));
    }),
    { numRuns: 1_000 },
  );
});
