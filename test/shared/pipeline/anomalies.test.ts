import { expect, test } from 'vitest';
import * as z from 'zod';
import { compile } from '#shared/engine/compile/compile.ts';
import { DirectRun } from '#shared/engine/run.ts';
import {
  type AnomalyOptions,
  anomalies,
  days,
  dynamodb,
  milliseconds,
  pipeline,
  seconds,
  stream,
} from '#shared/pipeline/index.ts';
import { seededRandom } from './aggregators/arbitraries.ts';

interface Reading {
  readonly at: number;
  readonly key: string;
  readonly load: number;
}

const anyOrder = seconds(10_000);
const readings = stream('readings', {
  schema: z.object({ at: z.number(), key: z.string(), load: z.number() }),
  timestamp: (reading) => reading.at,
  outOfOrderness: anyOrder,
});

function rowsOf(list: readonly Reading[], options: Partial<AnomalyOptions> = {}) {
  const odd = readings
    .keyBy((reading) => ({ key: reading.key }))
    .process(
      'odd',
      anomalies((reading) => reading.load, { ttl: days(1), allowedLateness: seconds(0), ...options }),
    )
    .to(dynamodb({ ttl: days(1) }));
  const run = new DirectRun(compile(pipeline('site', [odd])));
  for (const reading of list) run.takeValue('readings', reading);
  run.finish();
  return run.emission.rows
    .sort((a, b) => a.windowStartMs - b.windowStartMs)
    .map(({ columns }) => columns as { readonly mean: number; readonly value: number; readonly z: number | null });
}

const calm = Array.from({ length: 40 }, (_, index) => ({ at: 1_000 * index, key: 'a', load: 10 + (index % 2) }));

test('a value far from what came before it is shown, with what it was held against', () => {
  expect(rowsOf([...calm, { at: 50_000, key: 'a', load: 11.9 }, { at: 60_000, key: 'b', load: 99 }])).toEqual([]);
  const [odd, ...others] = rowsOf([...calm, { at: 50_000, key: 'a', load: 12.5 }]);
  expect(others).toEqual([]);
  expect(odd).toMatchObject({ value: 12.5 });
  expect(odd?.mean).toBeCloseTo(10.5, 12);
  expect(odd?.z).toBeCloseTo(4, 12);
});

test('the order of arrival does not show', () => {
  const random = seededRandom(23);
  const list = Array.from({ length: 300 }, (_, index): Reading => {
    return { at: index * 10, key: index % 3 === 0 ? 'a' : 'b', load: index % 50 === 49 ? 100 : random() };
  });
  const shuffled = [...list].sort((a, b) => ((a.at * 7_919) % 1_009) - ((b.at * 7_919) % 1_009));
  const rows = rowsOf(list);
  expect(rows.length).toBeGreaterThan(3);
  expect(rowsOf(shuffled)).toEqual(rows);
});

test('too short a past judges nothing, and one that never varied everything else', () => {
  const same = Array.from({ length: 5 }, (_, index) => ({ at: index, key: 'a', load: 7 }));
  const list = [...same, { at: 9, key: 'a', load: 8 }];
  expect(rowsOf(list)).toEqual([]);
  expect(rowsOf(list, { recordsMin: 5 })).toMatchObject([{ mean: 7, stddev: 0, value: 8, z: null }]);
});

test('with a half-life a key gets used to what is new', () => {
  const risen = Array.from({ length: 60 }, (_, index) => ({
    at: 40_000 + 1_000 * index,
    key: 'a',
    load: 20 + (index % 2),
  }));
  const shown = rowsOf([...calm, ...risen], { halfLife: seconds(2) }).map(({ value }) => value);
  expect(shown[0]).toBe(20);
  expect(shown.length).toBeLessThan(5);
  const back = rowsOf([...calm, ...risen, { at: 100_000, key: 'a', load: 10 }], { halfLife: seconds(2) });
  expect(back.at(-1)).toMatchObject({ value: 10 });
});

test.each<[Partial<AnomalyOptions>, string]>([
  [{ threshold: 0 }, 'anomalies: threshold is 0; it must be a number above 0.'],
  [{ recordsMin: 0.5 }, 'anomalies: recordsMin is 0.5; it must be a whole number above 0.'],
  [{ halfLife: milliseconds(0) }, 'anomalies: halfLife is 0 ms; it must be a whole number of at least 1 ms.'],
])('%j is refused when the pipeline is written', (options, message) => {
  expect(() => anomalies((value: number) => value, { ttl: days(1), allowedLateness: seconds(0), ...options })).toThrow(
    message,
  );
});
