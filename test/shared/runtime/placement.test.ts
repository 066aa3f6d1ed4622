import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type AlignedWindow,
  type AnyOutput,
  argMax,
  argMin,
  calendar,
  collect,
  correlation,
  count,
  countDistinct,
  cumulative,
  decimalSum,
  distinct,
  ewma,
  exactDistinct,
  first,
  histogram,
  last,
  linearRegression,
  max,
  mean,
  milliseconds,
  min,
  multipleRegression,
  type Pipeline,
  part,
  prediction,
  quantile,
  quantiles,
  rate,
  rateOfChange,
  ratio,
  sampled,
  session,
  shareOfTotal,
  sliding,
  sum,
  topK,
  tumbling,
  variance,
  type WindowSpec,
  zScore,
} from '#shared/pipeline/index.ts';
import type { Placement } from '#shared/pipeline/placement.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { amounts, pipelineOf, type Reading, readings, sink } from '../readings.ts';
import { linesOf, punctuation, rawRecord, World } from './world.ts';

// The results of a step must be the same rows wherever it is placed (DESIGN 3): one input through preprocess, exchange, and the aggregate
// stage or the worker, and through `run`, compared byte for byte.

// Beyond the end of a day.
const far = 1_000_000_000;

/** One step behind a filter, a map and a flatMap. */
function pipelineFor(window: WindowSpec, placement: Placement): Pipeline {
  const keyed = readings({ outOfOrderness: far })
    .filter((reading) => reading.amount !== 13)
    .map((reading) => ({ ...reading, amount: reading.amount / 3 }))
    .flatMap((reading) => (reading.tags ?? []).map((tag) => ({ ...reading, tag })))
    .keyBy((reading) => ({ tag: reading.tag, key: reading.key, odd: reading.at % 2 === 1 }));
  const columns = {
    amounts,
    n: count<Reading>(),
    total: sum((reading: Reading) => reading.amount),
    mean: mean((reading: Reading) => reading.amount),
    min: min((reading: Reading) => reading.amount),
    max: max((reading: Reading) => reading.amount),
    p50: quantile(0.5, (reading: Reading) => reading.amount),
    keys: countDistinct((reading: Reading) => reading.at),
    first: first((reading: Reading) => ({ at: reading.at, amount: reading.amount })),
    last: last((reading: Reading) => reading.amount),
    least: argMin((reading: Reading) => reading.at, { by: (reading) => reading.amount }),
    most: argMax((reading: Reading) => reading.at, { by: (reading) => reading.amount }),
    spread: variance((reading: Reading) => reading.amount),
    related: correlation(
      (reading: Reading) => reading.amount,
      (reading, timeMs) => timeMs - reading.amount,
    ),
    exact: decimalSum((reading: Reading) => reading.amount),
    list: collect((reading: Reading) => reading.amount, { max: 3, keep: 'last' }),
    values: distinct((reading: Reading) => reading.amount, { max: 3 }),
    different: exactDistinct((reading: Reading) => reading.amount, { max: 2 }),
    sample: sampled((reading: Reading) => reading.amount, { size: 2 }),
    sizes: histogram((reading: Reading) => reading.amount, { bounds: [0, 1] }),
    parts: quantiles({ p50: 0.5, p90: 0.9 }, (reading: Reading) => reading.amount),
    frequent: topK((reading: Reading) => reading.at, { k: 2, capacity: 200 }),
    recent: ewma((reading: Reading) => reading.amount, { halfLife: milliseconds(5) }),
    change: rateOfChange((reading: Reading) => reading.amount),
    score: zScore((reading: Reading) => reading.amount),
    trend: linearRegression(
      (reading: Reading) => reading.at,
      (reading) => reading.amount,
    ),
    both: multipleRegression(
      { at: (reading: Reading) => reading.at, odd: (reading) => reading.at % 2 },
      (reading) => reading.amount,
    ),
  };
  const derived = {
    each: ratio('total', 'n'),
    perSecond: rate('n'),
    small: ratio('sizes.0', 'n'),
    p90: part('parts.p90'),
    next: prediction('trend', { at: 100 }),
    here: prediction('both', { at: { at: 'n', odd: 1 } }),
  } as const;
  const allowedLateness = milliseconds(0);
  const output: AnyOutput =
    window.kind === 'session'
      ? keyed.window(window, { allowedLateness }).aggregate('view', columns).derive(derived).to(sink)
      : keyed
          .window(window as AlignedWindow, { allowedLateness, placement, refresh: milliseconds(1) })
          .aggregate('view', columns)
          .derive({ ...derived, share: shareOfTotal('total'), shareOfSmall: shareOfTotal('sizes.0') })
          .to(sink);
  return pipelineOf([output], { slots: 4, expectedKeys: 128 });
}

interface Input {
  /** By raw record: the shard, and its lines. */
  readonly records: readonly { readonly shard: string; readonly lines: readonly string[] }[];
  readonly splitAt: number;
  readonly batchMax: number;
}

const line = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .record({
        at: fc.integer({ min: -40, max: 80 }),
        key: fc.constantFrom('a', 'b&=', 'ü', '🌊'),
        amount: fc.constantFrom(13, 1, 2, 0.1, -7, 1e15),
        tags: fc.subarray(['x', 'y', '']),
      })
      .map((reading) => JSON.stringify(reading)),
  },
  { weight: 1, arbitrary: fc.constantFrom('no reading', '{"other": 1}', '{"at": "soon", "key": "a"}') },
);

const input: fc.Arbitrary<Input> = fc.record({
  records: fc.array(
    fc.record({ shard: fc.constantFrom('a', 'b'), lines: fc.array(line, { minLength: 1, maxLength: 4 }) }),
    { minLength: 1, maxLength: 12 },
  ),
  splitAt: fc.nat(12),
  batchMax: fc.integer({ min: 1, max: 5 }),
});

/** The input through the hosts. */
async function through(
  pipeline: Pipeline,
  { records, splitAt, batchMax }: Input,
  shards: readonly string[] = ['a', 'b'],
): Promise<World> {
  const world = new World(pipeline, shards);
  const preprocess = world.preprocess();
  for (const [index, { shard, lines }] of records.entries()) {
    if (index === splitAt) world.exchange.split();
    await preprocess.process({ shardId: shard, records: [rawRecord(index + 1, lines.join('\n'))] });
    world.clock.move(10);
    if (index % 3 === 2) {
      await world.aggregate(batchMax);
      await world.work(2);
    }
  }
  // The end of the input: nothing older follows in any shard.
  for (const shard of shards)
    await preprocess.process({ shardId: shard, records: [punctuation(records.length + 1, far)] });
  await world.aggregate(batchMax);
  await world.work();
  return world;
}

function direct(pipeline: Pipeline, { records }: Input) {
  const run = createBoundedRun(pipeline);
  for (const { lines } of records) for (const text of lines) run.takeLine('readings', text);
  return { lines: linesOf([...run.finish()]), counts: run.counts() };
}

const ten = tumbling(milliseconds(10));
const windows: readonly (readonly [string, WindowSpec])[] = [
  ['tumbling', ten],
  ['sliding', sliding(milliseconds(10), { every: milliseconds(4) })],
  ['cumulative', cumulative(milliseconds(20), { step: milliseconds(5) })],
  ['calendar', calendar('day', { timeZone: 'UTC' })],
];

test.each(windows)(
  '%s windows have the same rows on lambda, on fargate and in run',
  { timeout: fuzzTimeoutMs },
  async (_, window) => {
    await fc.assert(
      fc.asyncProperty(input, async (given) => {
        const expected = direct(pipelineFor(window, 'lambda'), given);
        for (const placement of ['lambda', 'fargate'] as const) {
          const world = await through(pipelineFor(window, placement), given);
          expect([placement, await world.lines('view')]).toEqual([placement, expected.lines]);
          expect(await world.counts()).toMatchObject({ ...expected.counts });
        }
      }),
      { numRuns: 50 },
    );
  },
);

test('sessions have the same rows on fargate and in run', { timeout: fuzzTimeoutMs }, async () => {
  await fc.assert(
    fc.asyncProperty(input, async (given) => {
      const pipeline = pipelineFor(session({ gap: milliseconds(6) }), 'fargate');
      const world = await through(pipeline, given);
      expect(await world.lines('view')).toEqual(direct(pipeline, given).lines);
    }),
    { numRuns: 50 },
  );
});

test('every row is final in the end', async () => {
  const given: Input = {
    records: [{ shard: 'a', lines: ['{"at":1,"key":"a","amount":1,"tags":["x"]}'] }],
    splitAt: 0,
    batchMax: 1,
  };
  const world = await through(pipelineFor(ten, 'lambda'), given);
  expect((await world.lines('view')).map((row) => JSON.parse(row)['final'])).toEqual([true]);
});

// Records that come ever older and each join an open session take its start back to that of one that has closed.
test('a session that grows back to the start of a closed one leaves the row of that one', async () => {
  const strict = pipelineOf([
    readings()
      .keyBy((reading) => ({ key: reading.key }))
      .window(session({ gap: milliseconds(10) }), { allowedLateness: milliseconds(0) })
      .aggregate('view', { n: count<Reading>() })
      .to(sink),
  ]);
  const times = [0, 8, 29, 28, 20, 12, 4, 0];
  const lines = times.map((at) => JSON.stringify({ at, key: 'k', amount: 1 }));
  const given: Input = { records: lines.map((text) => ({ shard: 'a', lines: [text] })), splitAt: 99, batchMax: 1 };
  const world = await through(strict, given, ['a']);
  expect(await world.lines('view')).toEqual(direct(strict, given).lines);
});
