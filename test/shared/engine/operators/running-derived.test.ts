import { expect, test } from 'vitest';
import { count, linearRegression, part, prediction, rate, ratio, shareOfTotal, sum } from '#shared/pipeline/index.ts';
import { expectSameAsBatch, sent, testDriver } from '#shared/testing/index.ts';
import { pipelineOf, type Reading, readings, sink } from '../../readings.ts';

const model = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .aggregate('model', {
    n: count(),
    total: sum((reading: Reading) => reading.amount),
    line: linearRegression<Reading>(
      (reading) => reading.at,
      (reading) => reading.amount,
    ),
  });
const derived = model
  .derive({ mean: ratio('total', 'n') })
  .derive({ slope: part('line.slope'), next: prediction('line', { at: 10 }) });
const records = [1, 2, 3, 5].map((at) => ({ at, key: 'a', amount: 2 * at + 1 }));

test('columns of rows without a window are derived when they are read', async () => {
  const driver = testDriver(pipelineOf([derived.to(sink)]));
  await driver.send('readings', records);
  await driver.close();
  const [row] = await driver.read('model');
  expect(row).toMatchObject({ key: 'a', n: 4, total: 26, mean: 6.5, slope: 2, next: 21 });
});

test('they are those of a batch', async () => {
  await expectSameAsBatch(pipelineOf([derived.to(sink)]), sent('readings', records));
});

test('what changes goes on without them', async () => {
  const changes = derived
    .asChanges()
    .keyBy(() => ({ all: 'all' }))
    .aggregate('sums', { n: sum((row) => row.change * row.n), mean: sum((row) => ('mean' in row ? 1 : 0)) });
  const driver = testDriver(pipelineOf([derived.to(sink), changes.to(sink)]));
  await driver.send('readings', records);
  await driver.close();
  expect(await driver.read('sums')).toMatchObject([{ n: 4, mean: 0 }]);
});

test.each([
  ['a share', { s: shareOfTotal('n') }, 'derived column s: without a window there is no total over all keys to share.'],
  ['a rate', { r: rate('n') }, 'derived column r: all records together have no length to divide by.'],
  ['what is not there', { m: ratio('total', 'no') }, 'derived column m needs no, which is not aggregated.'],
  ['a part of a number', { p: part('total.no') }, 'derived column p needs a number at total.no'],
  ['a column of its own name', { n: ratio('total', 'n') }, 'column n has the name of another column'],
])('%s is refused', (_, columns, message) => {
  expect(() => pipelineOf([model.derive(columns as never).to(sink)])).toThrow(message);
});
