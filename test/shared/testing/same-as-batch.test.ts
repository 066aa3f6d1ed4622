import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type AnyOutput,
  count,
  countDistinct,
  countWindow,
  covariance,
  everyRecords,
  global,
  hours,
  kinesis,
  max,
  mean,
  milliseconds,
  min,
  quantile,
  quantiles,
  rate,
  ratio,
  session,
  shareOfTotal,
  sliding,
  sum,
  topK,
  tumbling,
  variance,
} from '#shared/pipeline/index.ts';
import { expectSameAsBatch, sent } from '#shared/testing/index.ts';
import { amounts, pipelineOf, type Reading, readings, sink } from '../readings.ts';

const keyed = readings({ outOfOrderness: 5 }).keyBy((reading) => ({ key: reading.key }));
const allowedLateness = milliseconds(3);
const amount = (reading: Reading): number => reading.amount;
const columns = {
  n: count<Reading>(),
  some: count((reading: Reading) => reading.amount > 3),
  total: sum(amount),
  mean: mean(amount),
  min: min(amount),
  max: max(amount),
  p50: quantile(0.5, amount),
  different: countDistinct(amount),
};
const derived = { each: ratio('total', 'n'), perSecond: rate('n'), share: shareOfTotal('total') } as const;

const tens = keyed.window(tumbling(milliseconds(10)), { allowedLateness }).aggregate('tens', columns);
const slides = keyed
  .window(sliding(milliseconds(10), { every: milliseconds(4) }), { allowedLateness })
  .aggregate('slides', columns);
const visits = keyed.window(session({ gap: milliseconds(4) }), { allowedLateness }).aggregate('visits', columns);
const closed = keyed
  .window(tumbling(milliseconds(10)), { allowedLateness, emit: 'on-close' })
  .aggregate('closed', { total: columns.total });
const perKey = closed
  .asStream()
  .keyBy((row) => ({ key: row.key }))
  .window(tumbling(milliseconds(30)), { allowedLateness: milliseconds(0), emit: 'on-close' })
  .aggregate('per-key', { windows: count(), most: max((row) => row.total) });
const pairs = keyed
  .join(
    readings({ name: 'others', outOfOrderness: 5 }).keyBy((reading) => ({ key: reading.key })),
    { within: [milliseconds(-4), milliseconds(4)], kind: 'full', allowedLateness: milliseconds(0) },
  )
  .select('pairs', { left: { amount }, right: { other: (reading) => [reading.amount] } });

const all: readonly AnyOutput[] = [
  tens.derive(derived).to(sink),
  slides.derive(derived).to(sink),
  visits.derive({ each: derived.each, perSecond: derived.perSecond }).to(sink, kinesis()),
  closed.top('busiest', 2, { by: 'total' }).to(sink),
  perKey.to(kinesis()),
  pairs.to(sink),
];

const reading = fc.record({
  at: fc.integer({ min: -20, max: 60 }),
  key: fc.constantFrom('a', 'b', 'c'),
  amount: fc.integer({ min: 0, max: 9 }),
});
const history = fc
  .array(fc.tuple(fc.constantFrom('readings', 'others'), reading), { maxLength: 25 })
  .map((records) => records.flatMap(([stream, record]) => sent(stream, [record])));

test('windows, joins, ranks and aggregates of aggregates have the rows of a batch, late records included', async () => {
  const pipeline = pipelineOf(all, { slots: 2 });
  await fc.assert(
    fc.asyncProperty(history, (records) => expectSameAsBatch(pipeline, records)),
    { numRuns: 40 },
  );
});

test('and so they have whatever goes wrong', async () => {
  const pipeline = pipelineOf(all, { slots: 2 });
  await fc.assert(
    fc.asyncProperty(history, fc.integer({ min: 1 }), (records, seed) =>
      expectSameAsBatch(pipeline, records, { driver: { faults: { seed }, exchangeShards: 2 } }),
    ),
    { numRuns: 10 },
  );
});

const others = readings({ name: 'others', outOfOrderness: 5 }).keyBy((reading) => ({ key: reading.key }));
const within = { n: columns.n, total: columns.total };
const inOrder: readonly AnyOutput[] = [
  keyed.window(countWindow(2), { allowedLateness }).aggregate('pairs', within).to(sink),
  keyed
    .window(countWindow(3, { incomplete: 'emit', ttl: milliseconds(6) }), { allowedLateness })
    .aggregate('threes', within)
    .to(sink),
  keyed
    .window(global({ trigger: everyRecords(2) }), { allowedLateness })
    .aggregate('whole', columns)
    .derive({ each: derived.each })
    .to(sink),
  keyed
    .window(global({ trigger: everyRecords(2), ttl: milliseconds(6) }), { allowedLateness })
    .aggregate('lately', within)
    .to(sink),
  keyed.aggregate('ever', columns).to(sink),
  keyed.dedupe('firsts', { columns: { amount }, within: milliseconds(7), allowedLateness }).to(sink),
  keyed
    .joinTable(others, {
      kind: 'left',
      deletes: (one) => one.amount % 3 === 0,
      ttl: milliseconds(9),
      allowedLateness,
    })
    .select('versions', { left: { amount }, right: { version: (one) => one.amount } })
    .to(sink),
];

test('what takes the records of a key in their order has the rows of a batch', async () => {
  const pipeline = pipelineOf(inOrder, { slots: 2 });
  // Few keys and, for the most part, times that go on: silences and repetitions of any length.
  const dense = fc
    .array(fc.tuple(fc.constantFrom('readings', 'readings', 'others'), fc.integer({ min: -4, max: 11 }), reading), {
      minLength: 8,
      maxLength: 25,
    })
    .map((records) => {
      let at = 0;
      return records.flatMap(([stream, step, { amount }]) => {
        at += step;
        return sent(stream, [{ at, key: amount === 9 ? 'b' : 'a', amount }]);
      });
    });
  await fc.assert(
    fc.asyncProperty(dense, (records) => expectSameAsBatch(pipeline, records)),
    { numRuns: 40 },
  );
});

test('a step that reads records and rows is compared where no record is late, and else refused', async () => {
  const rows = closed.asStream().keyBy((row) => ({ key: row.key }));
  const mixed = rows
    .join(others, { within: [milliseconds(-20), milliseconds(20)], allowedLateness })
    .select('mixed', { left: { total: (row) => row.total }, right: { other: amount } });
  const pipeline = pipelineOf([mixed.to(sink)]);
  const [first, second, late] = [40, 50, 1].map((at) => sent('others', [{ at, key: 'a', amount: at }]));
  const records = [...sent('readings', [{ at: 35, key: 'a', amount: 2 }]), ...(first ?? []), ...(second ?? [])];
  await expectSameAsBatch(pipeline, records);
  await expect(expectSameAsBatch(pipeline, [...records, ...(late ?? [])])).rejects.toThrow(
    'no query says what step mixed does: it reads records and rows, which are judged by each other, and some records are late',
  );
});

test('so is one that reads what was joined of late records', async () => {
  const pairs = keyed
    .join(keyed, { within: 'ever' })
    .select('pairs', { left: { one: amount }, right: { other: amount } });
  const counted = pairs
    .asStream()
    .keyBy((row) => ({ key: row.key }))
    .window(countWindow(1), { allowedLateness: milliseconds(0) })
    .aggregate('counted', { n: count() });
  const ever = pairs.asStream().keyBy((row) => ({ key: row.key }));
  const pipeline = pipelineOf([counted.to(sink), ever.aggregate('ever', { n: count() }).to(sink)]);
  const [first = [], second = [], late = []] = [40, 50, 1].map((at) =>
    sent('readings', [{ at, key: `${at}`, amount: at }]),
  );
  await expectSameAsBatch(pipeline, [...first, ...second]);
  await expectSameAsBatch(pipeline, [...first, ...second, ...late], { views: ['ever'] });
  await expect(expectSameAsBatch(pipeline, [...first, ...second, ...late])).rejects.toThrow(
    'no query says what step counted does: it reads what a join has made of late records, which is late or not as they came',
  );
});

test('what is ranked may be off as it may where it was made', async () => {
  const rows = keyed
    .window(tumbling(milliseconds(10)), { allowedLateness, emit: 'on-close' })
    .aggregate('rows', { ...columns, spread: variance(amount) });
  const ranked = pipelineOf([
    rows.top('first', 2, { by: 'n' }).to(sink),
    rows.rank('equal', 1, { by: 'total', as: 'place' }).to(sink),
  ]);
  const records = [1, 7, 9, 100, 3].map((amount, at) => ({ at, key: 'ab'.charAt(at % 2), amount: amount / 7 }));
  await expectSameAsBatch(ranked, sent('readings', records));
});

test('what is derived of a part of a column may be off as the part may', async () => {
  const parts = keyed
    .window(tumbling(milliseconds(10)), { allowedLateness })
    .aggregate('parts', { n: columns.n, sizes: quantiles({ p50: 0.5, p99: 0.99 }, amount) })
    .derive({ each: ratio('sizes.p99', 'n'), perSecond: rate('sizes.p50'), share: shareOfTotal('sizes.p99') })
    .to(sink);
  const records = [7, 31, 53].map((amount, at) => ({ at, key: 'ab'.charAt(at % 2), amount }));
  await expectSameAsBatch(pipelineOf([parts]), sent('readings', records));
});

test('what is divided by what is nothing but for roundings has any value or none', async () => {
  const spread = keyed
    .window(tumbling(milliseconds(10)), { allowedLateness })
    .aggregate('spread', { n: columns.n, together: covariance(amount, (reading) => (reading.at + 1) / 7) })
    .derive({ each: ratio('n', 'together') })
    .to(sink);
  // The same amounts at either time, so that the exact covariance is 0.
  const records = [0.1, 0.2, 0.4, 0.1, 0.2, 0.4].map((amount, index) => ({
    at: Math.floor(index / 3),
    key: 'a',
    amount,
  }));
  await expectSameAsBatch(pipelineOf([spread]), sent('readings', records));
});

test('windows of one key at one time have the rows of a batch in whatever order', async () => {
  const ones = keyed
    .window(countWindow(1), { allowedLateness })
    .aggregate('ones', { total: sum(amount), half: mean((reading) => reading.amount / 3) });
  const records = [5, 3, 20, 11, 4].map((amount) => ({ at: 1, key: 'a', amount }));
  await expectSameAsBatch(pipelineOf([ones.to(sink)]), sent('readings', records));
});

test('what is different is said', async () => {
  const pipeline = pipelineOf([tens.to(sink)]);
  const records = sent('readings', [{ at: 1, key: 'a', amount: 2 }]);
  let calls = 0;
  const wrong = { ...pipeline, bindings: new Map(pipeline.bindings) };
  const binding = wrong.bindings.get('readings');
  if (binding?.op !== 'source') throw new Error('the source has a binding');
  // A callback that is not pure: each time it is called the record is older.
  wrong.bindings.set('readings', { ...binding, timestamp: () => 10 - 10 * calls++ });
  await expect(expectSameAsBatch(wrong, records)).rejects.toThrow(
    /the rows are not those of a batch:\n {2}the run lacks the row \{"view":"tens","windowStart":"1970-01-01T00:00:00.010Z"/,
  );
  await expectSameAsBatch(pipeline, records);
});

test('what no query says is refused by the name of its step, unless other views are named', async () => {
  const first = keyed.throttle('first', { columns: { amount }, limit: 1, per: hours(1), allowedLateness }).to(sink);
  const own = keyed
    .window(tumbling(milliseconds(10)), { allowedLateness })
    .aggregate('own', { amounts })
    .to(sink);
  const pipeline = pipelineOf([first, own, tens.to(sink)]);
  const records = sent('readings', [
    { at: 1, key: 'a', amount: 2 },
    { at: 2, key: 'a', amount: 1 },
  ]);
  await expect(expectSameAsBatch(pipeline, records)).rejects.toThrow('no query says what step first does');
  await expect(expectSameAsBatch(pipeline, records, { views: ['own'] })).rejects.toThrow(
    'step own does: its column amounts is of kind amounts; say in the option aggregates how it is computed',
  );
  await expectSameAsBatch(pipeline, records, { views: ['tens'] });
  await expectSameAsBatch(pipeline, records, {
    views: ['tens', 'own'],
    aggregates: {
      amounts: {
        inputs: [{ type: 'DOUBLE', cell: (selected: number) => selected }],
        sql: ([v]) => `array_to_string(list_sort(list(${v}::BIGINT)), ' ')`,
      },
    },
  });
});

test('a function of the pipeline is compared with the rows of a query that says what it does', async () => {
  const rises = keyed
    .process('rises', {
      columns: { amount },
      emits: { by: 'number' },
      state: () => ({ last: 0 }),
      onEvent: (reading, { state, emit }) => {
        if (reading.amount > state.get().last) emit({ by: reading.amount - state.get().last });
        state.set({ last: reading.amount });
      },
      ttl: hours(1),
      allowedLateness,
    })
    .to(sink);
  const pipeline = pipelineOf([rises], { slots: 2 });
  const functionOf = (first: number) => ({
    rises: {
      inputs: {
        amount: { type: 'DOUBLE', cell: (selected: { readonly amount?: unknown }) => Number(selected.amount) },
      },
      sql: `SELECT history, key, t, amount - before FROM (
        SELECT *, lag(amount, 1, ${first}) OVER (PARTITION BY history, key ORDER BY number) AS before FROM taken
      ) WHERE amount > before`,
    } as const,
  });
  await fc.assert(
    fc.asyncProperty(history, (records) =>
      expectSameAsBatch(
        pipeline,
        records.filter(({ stream }) => stream === 'readings'),
        { functions: functionOf(0) },
      ),
    ),
    { numRuns: 20 },
  );
  const records = sent('readings', [{ at: 1, key: 'a', amount: 2 }]);
  await expect(expectSameAsBatch(pipeline, records, { functions: functionOf(1) })).rejects.toThrow(
    'the run lacks the row {"view":"rises","final":true,"key":"a","time":"1970-01-01T00:00:00.001Z","by":1}',
  );
});

test('a key that all rows have left may be there or not, with sums of nothing', async () => {
  const sizes = keyed
    .aggregate('sizes', { n: columns.n, total: columns.total })
    .asChanges()
    .keyBy((row) => ({ n: row.n }))
    .aggregate('by-size', { keys: sum((row) => row.change), total: sum((row) => row.change * row.total) })
    .to(sink);
  const wrong = keyed
    .aggregate('sizes', { n: columns.n })
    .asChanges()
    .keyBy((row) => ({ n: row.n }))
    .aggregate('by-size', { keys: count() })
    .to(sink);
  const ofReadings = history.map((records) => records.filter(({ stream }) => stream === 'readings'));
  await fc.assert(
    fc.asyncProperty(ofReadings, (records) => expectSameAsBatch(pipelineOf([sizes], { slots: 2 }), records)),
    { numRuns: 20 },
  );
  const twice = sent(
    'readings',
    [1, 2].map((at) => ({ at, key: 'a', amount: 2 })),
  );
  await expect(expectSameAsBatch(pipelineOf([wrong]), twice)).rejects.toThrow('the batch has not');
});

test('values that are counted by estimate are refused, and by the size that would count them', async () => {
  const top = (capacity: number) =>
    keyed
      .window(tumbling(milliseconds(10)), { allowedLateness })
      .aggregate('top', { top: topK(amount, { k: 1, capacity }) })
      .to(sink);
  const records = sent(
    'readings',
    [1, 2, 3, 3].map((one) => ({ at: 1, key: 'a', amount: one })),
  );
  await expectSameAsBatch(pipelineOf([top(4)]), records);
  await expect(expectSameAsBatch(pipelineOf([top(3)]), records)).rejects.toThrow(
    'topK counts 3 different values with a capacity of 3, and estimates',
  );
});
