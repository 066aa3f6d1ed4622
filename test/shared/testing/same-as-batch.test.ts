import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type AnyOutput,
  count,
  countDistinct,
  hours,
  kinesis,
  max,
  mean,
  milliseconds,
  min,
  quantile,
  rate,
  ratio,
  session,
  shareOfTotal,
  sliding,
  sum,
  tumbling,
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
  const first = keyed.dedupe('first', { columns: { amount }, within: hours(1), allowedLateness }).to(sink);
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
