import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AnyOutput,
  milliseconds,
  type Pipeline,
  type ProcessContext,
  type TableJoinKind,
} from '#shared/pipeline/index.ts';
import { inputsOf, stepsOf } from '#shared/pipeline/plan.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { evaluate, type OracleRecord, type OracleResult, oracle, type Verdict } from '#shared/testing/oracle.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { pipelineOf, type Reading, readings, sink } from '../readings.ts';

interface Shape {
  readonly outOfOrderness: number;
  readonly lateness: number;
  readonly ttl: number;
}

interface Seen {
  readonly amounts: readonly number[];
  readonly timers: number;
}
type Context = ProcessContext<{ readonly key: string }, Seen, { readonly what: string; readonly amounts: string }>;

/** Does a bit of everything, as the amount says, in a way in which the order of any two calls shows. */
function onEvent({ amount, tags }: { readonly amount: number; readonly tags: unknown }, context: Context): void {
  const { state, timeMs } = context;
  const seen = state.get();
  state.set({ ...seen, amounts: [...seen.amounts, amount] });
  context.emit({ what: `event ${JSON.stringify(tags)}`, amounts: state.get().amounts.join(' ') });
  if (amount === 1) context.setTimer(timeMs + 1);
  if (amount === 2) context.setTimer(Math.ceil((timeMs + 1) / 5) * 5);
  if (amount === 3) context.deleteTimer(Math.ceil((timeMs + 1) / 5) * 5);
  if (amount === 4) state.clear();
  if (amount === 5) throw new Error('five');
  if (amount === 6 && seen.amounts.length > 1) throw new Error('six and others');
}

function onTimer(timeMs: number, context: Context): void {
  const seen = context.state.get();
  context.emit({ what: `timer ${seen.timers}`, amounts: seen.amounts.join(' ') });
  context.state.set({ ...seen, timers: seen.timers + 1 });
  context.setTimer(timeMs + 2);
  if (seen.timers % 4 === 3) throw new Error('four timers');
}

/** A function, the removal of duplicates, and joins with a table of each kind, one of them of a stream with itself. */
function pipelineFor({ outOfOrderness, lateness, ttl }: Shape): Pipeline {
  const keyed = (name: string) =>
    readings({ name, outOfOrderness })
      .filter((reading) => reading.amount !== 0)
      .keyBy((reading) => ({ key: reading.key }));
  const lefts = keyed('lefts');
  const table = keyed('table');
  const allowedLateness = milliseconds(lateness);
  const columns = { amount: (one: Reading) => one.amount, tags: (one: Reading) => one.tags ?? null };
  const joined = (name: string, kind: TableJoinKind, right: typeof lefts, withTtl: boolean): AnyOutput =>
    lefts
      .joinTable(right, {
        kind,
        deletes: (reading) => reading.amount === 4,
        allowedLateness,
        ...(withTtl ? { ttl: milliseconds(ttl) } : {}),
      })
      .select(name, { left: { amount: columns.amount }, right: { version: columns.amount, tags: columns.tags } })
      .to(sink);
  return pipelineOf([
    lefts
      .process('a-process', {
        columns,
        emits: { what: 'string', amounts: 'string' },
        state: (): Seen => ({ amounts: [], timers: 0 }),
        onEvent,
        onTimer,
        ttl: milliseconds(ttl),
        allowedLateness,
      })
      .to(sink),
    lefts.dedupe('b-dedupe', { columns, within: milliseconds(ttl), allowedLateness }).to(sink),
    joined('c-inner', 'inner', table, false),
    joined('d-left', 'left', table, true),
    joined('e-itself', 'left', lefts, false),
  ]);
}

const shape: fc.Arbitrary<Shape> = fc.record({
  outOfOrderness: fc.integer({ min: 0, max: 10 }),
  lateness: fc.integer({ min: 0, max: 6 }),
  ttl: fc.integer({ min: 5, max: 15 }),
});
const records: fc.Arbitrary<readonly OracleRecord[]> = fc
  .array(
    fc.record({
      source: fc.constantFrom('lefts', 'lefts', 'table'),
      at: fc.integer({ min: -20, max: 20 }),
      key: fc.constantFrom('a', 'b'),
      amount: fc.integer({ min: 0, max: 6 }),
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

function run(pipeline: Pipeline, all: readonly OracleRecord[]): OracleResult {
  const made = createBoundedRun(pipeline);
  for (const { source, data, sequence } of all)
    made.takeLine(source, data as string, { origin: 'file', line: Number(sequence) });
  const rows = [...made.finish()];
  const threw = new Map<string, string[]>();
  for (const { step, source, origin, sequence, sub, timeMs, isTimer } of made.takeFailures()) {
    const id = `${source}/${origin}/${sequence}/${sub}${isTimer ? ` at ${timeMs}` : ''}`;
    threw.set(step.plan.id, [...(threw.get(step.plan.id) ?? []), id]);
  }
  for (const [step, { threw: count = 0 }] of Object.entries(made.stepCounts()))
    expect(count).toBe(threw.get(step)?.length ?? 0);
  return { rows, numbers: made.counts(), threw, rejectedRows: [] };
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

const texts = ({ rows, numbers, threw }: OracleResult) => [
  ...rows.map((row) => JSON.stringify(row)),
  numbers,
  [...threw].flatMap(([step, ids]) => ids.map((id) => `${step} ${id}`)).sort(),
];

describe('any function, duplicates and tables over any records', () => {
  test('give the oracle’s rows, in its order, its numbers and what threw when nothing is late', {
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

  test('give the oracle’s rows, in its order, its numbers and what threw when records are late', {
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

test('the order in which records come does not show in the rows', { timeout: fuzzTimeoutMs }, () => {
  fc.assert(
    fc.property(
      shape,
      records.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray([...all], { minLength: all.length }))),
      (given, [all, shuffled]) => {
        const pipeline = pipelineFor({ ...given, outOfOrderness: 1_000 });
        expect(texts(run(pipeline, shuffled))).toEqual(texts(run(pipeline, all)));
      },
    ),
    { numRuns: 2_000 },
  );
});
