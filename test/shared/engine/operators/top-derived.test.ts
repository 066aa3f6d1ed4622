import { describe, expect, test } from 'vitest';
import {
  count,
  linearRegression,
  milliseconds,
  part,
  prediction,
  rate,
  ratio,
  s3,
  shareOfTotal,
  stddev,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { expectSameAsBatch, sent, testDriver } from '#shared/testing/index.ts';
import { pipelineOf, type Reading, readings, sink } from '../../readings.ts';

const tens = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), emit: 'on-close' });
const table = tens.aggregate('tens', { n: count(), total: sum((reading: Reading) => reading.amount) });
const derived = table.derive({
  share: shareOfTotal('total'),
  perSecond: rate('total'),
  mean: ratio('total', 'n'),
});
const reading = (at: number, key: string, amount: number): Reading => ({ at, key, amount });
const all = { from: new Date(0), to: new Date(1_000) };

async function rowsOf(view: string, outputs: Parameters<typeof pipelineOf>[0], records: readonly Reading[], slots = 4) {
  const driver = testDriver(pipelineOf(outputs, { slots }));
  await driver.send('readings', records);
  await driver.close();
  expect(await driver.deadLetters()).toEqual([]);
  return (await driver.read(view, all)).map(({ view: _, final: __, windowStart: ___, windowEnd: ____, ...row }) => row);
}

describe('ranked rows', () => {
  test('have the columns that are derived, and shares of the total over all keys, also of those without a rank', async () => {
    const records = [reading(1, 'a', 6), reading(2, 'b', 3), reading(3, 'c', 1), reading(4, 'b', 2)];
    expect(await rowsOf('best', [derived.top('best', 2, { by: 'share' }).to(sink)], records)).toEqual([
      { rank: 1, key: 'a', n: 1, total: 6, share: 0.5, perSecond: 600, mean: 6 },
      { rank: 2, key: 'b', n: 2, total: 5, share: 5 / 12, perSecond: 500, mean: 2.5 },
    ]);
  });

  test('rank by each of them', async () => {
    const records = [reading(1, 'a', 6), reading(2, 'b', 4), reading(3, 'c', 5), reading(4, 'b', 3)];
    const best = (by: 'share' | 'perSecond' | 'mean') =>
      rowsOf('best', [derived.top('best', 1, { by }).to(sink)], records);
    expect(await best('share')).toMatchObject([{ key: 'b' }]);
    expect(await best('perSecond')).toMatchObject([{ key: 'b' }]);
    expect(await best('mean')).toMatchObject([{ key: 'a' }]);
  });

  test.each([
    ['negative: the least number has the greatest share', [-6, -3, 1], ['a', 'b', 'c'], [0.75, 0.375, -0.125]],
    ['0: only 0 has a share of it', [3, -3, 0], ['c'], [0]],
    ['positive', [-1, 2, 3], ['c', 'b', 'a'], [0.75, 0.5, -0.25]],
  ])('rank by shares of a total that is %s', async (_, amounts, keys, shares) => {
    const records = amounts.map((amount, index) => reading(index, 'abc'[index] as string, amount));
    const ranked = await rowsOf('best', [derived.rank('best', 3, { by: 'share', as: 'place' }).to(sink)], records);
    const byPlace = ranked.toSorted((a, b) => Number(a['place']) - Number(b['place']));
    expect(byPlace.map(({ key }) => key)).toEqual(keys);
    expect(byPlace.map(({ share }) => share)).toEqual(shares);
  });

  test('have shares also of what rows have that were never made, since they rank nowhere', async () => {
    const noisy = tens
      .aggregate('tens', { total: sum((one: Reading) => one.amount), spread: stddev((one: Reading) => one.amount) })
      .derive({ share: shareOfTotal('total') });
    // Of one record there is no deviation, so all of most slots has no rank.
    const records = [
      reading(1, 'a', 1),
      reading(1, 'a', 3),
      ...['b', 'c', 'd', 'e', 'f'].map((key) => reading(2, key, 4)),
    ];
    expect(await rowsOf('best', [noisy.top('best', 3, { by: 'spread' }).to(sink)], records)).toMatchObject([
      { rank: 1, key: 'a', total: 4, share: 4 / 24 },
    ]);
  });

  test('are a stream with them, and go into files', async () => {
    const best = derived.top('best', 1, { by: 'share' });
    const shares = best
      .asStream()
      .keyBy(() => ({ all: 'all' }))
      .window(tumbling(milliseconds(100)), { allowedLateness: milliseconds(0), emit: 'on-close' })
      .aggregate('shares', { sum: sum((row) => row.share ?? 0) });
    const records = [reading(1, 'a', 6), reading(2, 'b', 2), reading(11, 'b', 1)];
    const outputs = [best.to(sink, s3({ format: 'ndjson' })), shares.to(sink)];
    expect(await rowsOf('shares', outputs, records)).toEqual([{ all: 'all', sum: 1.75 }]);
  });
});

const fitted = tens
  .aggregate('fits', {
    n: count(),
    line: linearRegression<Reading>(
      (one) => one.at,
      (one) => one.amount,
    ),
  })
  .derive({ slope: part('line.slope'), next: prediction('line', { at: 10 }), share: shareOfTotal('n') });

test('they are those of a batch, on all hosts, in several slots and whatever dies', async () => {
  const records = Array.from({ length: 60 }, (_, index) =>
    reading(index, 'abcdefgh'[(index * 7) % 8] as string, ((index * 13) % 17) - 3),
  );
  const outputs = [
    derived.to(sink),
    derived.top('by-share', 3, { by: 'share' }).to(sink),
    derived.rank('by-mean', 2, { by: 'mean', as: 'place' }).to(sink),
    table
      .derive({ each: rate('n') })
      .rank('by-rate', 1, { by: 'each' })
      .to(sink),
    fitted.top('steepest', 2, { by: 'slope' }).to(sink),
    fitted.top('next', 2, { by: 'next' }).to(sink),
    fitted.top('most', 2, { by: 'share' }).to(sink),
  ];
  await expectSameAsBatch(pipelineOf(outputs, { slots: 4 }), sent('readings', records), {
    driver: { faults: { seed: 3, kill: 0.3 } },
  });
});

test.each([
  ['a part of what has no such part', { x: part('total.no') }, 'derived column x needs a number at total.no'],
  ['what is not there', { x: ratio('total', 'no') }, 'derived column x needs no, which is not aggregated.'],
  ['the name of the rank', { rank: ratio('total', 'n') }, 'ranks rows that have a column rank already'],
  ['the name of another column', { n: ratio('total', 'n') }, 'column n has the name of another column'],
  ['no derived column', { x: 1 }, 'derived column x names no columns'],
])('a step that ranks rows with %s is refused', (_, columns, message) => {
  const ranked = table.derive(columns as never).top('best', 1, { by: 'total' });
  expect(() => pipelineOf([ranked.to(sink)])).toThrow(`step best ${message}`);
});
