import { expect, test } from 'vitest';
import { count, linearRegression, milliseconds, stddev, tumbling } from '#shared/pipeline/index.ts';
import { expectSameAsBatch, sent, testDriver } from '#shared/testing/index.ts';
import { pipelineOf, type Reading, readings, sink } from '../../readings.ts';

const table = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), emit: 'on-close' })
  .aggregate('tens', {
    n: count(),
    spread: stddev((reading: Reading) => reading.amount),
    line: linearRegression<Reading>(
      (reading) => reading.at,
      (reading) => reading.amount,
    ),
  });
const noisiest = table.top('noisiest', 3, { by: 'spread' });
const steepest = table.rank('steepest', 3, { by: 'line.slope', as: 'place' });
const reading = (at: number, key: string, amount: number): Reading => ({ at, key, amount });
/** Of one record of `a` and of `d` there is neither a deviation nor a line. */
const records = [
  reading(1, 'a', 5),
  reading(1, 'b', 1),
  reading(2, 'b', 9),
  reading(3, 'c', 2),
  reading(5, 'c', 3),
  reading(4, 'd', 7),
  reading(11, 'a', 4),
];

test('rows without a value to rank by have no rank, and are no dead letters', async () => {
  const driver = testDriver(pipelineOf([noisiest.to(sink), steepest.to(sink)]));
  await driver.send('readings', records);
  await driver.close();
  const all = { from: new Date(0), to: new Date(1_000) };
  expect(await driver.read('noisiest', all)).toMatchObject([
    { rank: 1, key: 'b' },
    { rank: 2, key: 'c' },
  ]);
  expect(await driver.read('steepest', all)).toMatchObject([
    { place: 1, key: 'b' },
    { place: 2, key: 'c' },
  ]);
  expect(await driver.deadLetters()).toEqual([]);
});

test('they are those of a batch, in several slots and whatever dies', async () => {
  await expectSameAsBatch(pipelineOf([noisiest.to(sink), steepest.to(sink)], { slots: 4 }), sent('readings', records), {
    driver: { faults: { seed: 3, kill: 0.3 } },
  });
});

test('what is not there is refused', () => {
  const ranked = (by: string) => () => pipelineOf([table.top('top', 1, { by: by as 'spread' }).to(sink)]);
  expect(ranked('no')).toThrow('ranks by column "no", which tens does not aggregate');
});
