import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CompiledTop, compile } from '#shared/engine/compile/compile.ts';
import { insertRanked } from '#shared/engine/operators/contest.ts';
import { createEmission } from '#shared/engine/operators/emit.ts';
import { TopRows } from '#shared/engine/operators/top.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { count, milliseconds, shareOfTotal, sum, tumbling } from '#shared/pipeline/index.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { pipelineOf, type Reading, readings, sink } from '../../readings.ts';
import { inputOf, keyAs } from './operators.ts';

const table = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), emit: 'on-close' })
  .aggregate('tens', { requests: count(), total: sum((reading: Reading) => reading.amount) });
const step = compile(pipelineOf([table.top('best', 2, { by: 'total' }).to(sink)])).steps.at(-1) as CompiledTop;

function add(top: TopRows, endMs: number, key: string, total: number, watermarkMs = Number.NEGATIVE_INFINITY): boolean {
  return top.add(
    inputOf({ key: keyAs('top=best'), timeMs: endMs - 1, values: [{ key, requests: 1, total }], watermarkMs }),
  );
}

/** `[start, end) key rank columns` of the rows that a watermark gives. */
function rowsAt(top: TopRows, watermarkMs: number): readonly string[] {
  const emission = createEmission();
  top.advance(watermarkMs, { slot: 0, position: logPosition(1, '1'), clockMs: 0 }, emission);
  return emission.rows.map(
    ({ windowStartMs, windowEndMs, key, columns, final }) =>
      `[${windowStartMs}, ${windowEndMs}) ${key} ${JSON.stringify(columns)}${final ? '' : ' not final'}`,
  );
}

/** As it comes out of a base, or out of a base and deltas. */
function restored(...parts: readonly Iterable<Json>[]): TopRows {
  const top = new TopRows(step);
  for (const part of parts) for (const entry of JSON.parse(JSON.stringify([...part])) as Json[]) top.restore(entry);
  return top;
}

test('a window gives its best rows when it closes, the highest first, and of equal ones the lower key', () => {
  const top = new TopRows(step);
  for (const [key, total] of [
    ['d', 1],
    ['c', 5],
    ['b', 5],
    ['a', 4],
  ] as const)
    add(top, 10, key, total);
  add(top, 20, 'a', 1);
  expect([top.keyCount, top.openCount]).toEqual([3, 2]);
  expect(rowsAt(top, 9)).toEqual([]);
  expect(rowsAt(top, 10)).toEqual([
    '[0, 10) rank:n=1 {"key":"b","requests":1,"total":5}',
    '[0, 10) rank:n=2 {"key":"c","requests":1,"total":5}',
  ]);
  expect([top.keyCount, top.openCount]).toEqual([1, 1]);
});

test('a row at the watermark is not late, and one before it is', () => {
  const top = new TopRows(step);
  expect(add(top, 10, 'a', 1, 9)).toBe(true);
  expect(add(top, 10, 'a', 1, 10)).toBe(false);
});

test('what is saved is what was there, as a base or as what has changed since', () => {
  const top = new TopRows(step);
  add(top, 10, 'a', 1);
  add(top, 20, 'a', 1);
  const base = [...top.save()];
  top.markSaved();
  expect([...top.saveChanges()]).toEqual([]);
  expect(rowsAt(top, 10).length).toBe(1);
  add(top, 20, 'b', 2);
  add(top, 30, 'c', 3);
  const delta = [...top.saveChanges()];
  const whole = [...top.save()];
  const expected = rowsAt(top, 1_000);
  expect(expected.length).toBe(3);
  expect(rowsAt(restored(base, delta), 1_000)).toEqual(expected);
  expect(rowsAt(restored(whole), 1_000)).toEqual(expected);
});

describe('totals over all keys', () => {
  const shared = table.derive({ share: shareOfTotal('total') });
  const stepOf = (by: 'total' | 'share') =>
    compile(pipelineOf([shared.top('best', 2, { by }).to(sink)])).steps.at(-1) as CompiledTop;
  const encoded = (total: number): Json => {
    const aggregator = sum<Reading>((one) => one.amount);
    return aggregator.encode(aggregator.add(aggregator.create(), total));
  };
  const addTotal = (top: TopRows, endMs: number, part: Json): boolean =>
    top.add(inputOf({ key: keyAs('top=best'), timeMs: endMs - 1, values: [[part]], watermarkMs: 0 }));
  const filled = (): TopRows => {
    const top = new TopRows(stepOf('share'));
    addTotal(top, 10, { total: encoded(3) });
    add(top, 10, 'a', 4);
    addTotal(top, 20, { total: encoded(0) });
    add(top, 10, 'b', -4);
    addTotal(top, 10, { total: encoded(-11) });
    return top;
  };
  const expected = [
    '[0, 10) rank:n=1 {"key":"b","requests":1,"total":-4,"share":0.5}',
    '[0, 10) rank:n=2 {"key":"a","requests":1,"total":4,"share":-0.5}',
  ];

  test('come in parts, before and behind the rows', () => {
    expect(rowsAt(filled(), 1_000)).toEqual(expected);
  });

  test('are saved, also where nothing is ranked yet', () => {
    const top = new TopRows(stepOf('share'));
    for (const entry of JSON.parse(JSON.stringify([...filled().save()])) as Json[]) top.restore(entry);
    expect(top.openCount).toBe(2);
    add(top, 20, 'a', 0);
    expect(rowsAt(top, 1_000)).toEqual([...expected, '[10, 20) rank:n=1 {"key":"a","requests":1,"total":0,"share":0}']);
    // Both are closed.
    expect(new Set(top.saveChanges())).toEqual(
      new Set([
        [10, []],
        [20, []],
      ]),
    );
  });

  test('that are not known leave shares without a value, and those who rank by them without a rank', () => {
    for (const part of [null, undefined]) {
      for (const by of ['total', 'share'] as const) {
        const top = new TopRows(stepOf(by));
        addTotal(top, 10, { total: encoded(3) });
        if (part === null) addTotal(top, 10, null);
        add(top, 10, 'a', 3);
        const again = new TopRows(stepOf(by));
        for (const entry of top.save()) again.restore(entry);
        addTotal(again, 10, { total: encoded(3) });
        const shown = (share: number | null) => [
          `[0, 10) rank:n=1 {"key":"a","requests":1,"total":3,"share":${share}}`,
        ];
        expect(rowsAt(again, 10)).toEqual(part === undefined ? shown(0.5) : by === 'total' ? shown(null) : []);
      }
    }
  });

  test('are passed over by who shows no shares any more', () => {
    const top = new TopRows(step);
    for (const entry of filled().save()) top.restore(entry);
    expect(addTotal(top, 10, { total: encoded(3) })).toBe(true);
    expect(rowsAt(top, 10)).toEqual([
      '[0, 10) rank:n=1 {"key":"a","requests":1,"total":4}',
      '[0, 10) rank:n=2 {"key":"b","requests":1,"total":-4}',
    ]);
  });

  test('are not in what was saved before there were any', () => {
    const stored: Json = [10, [{ key: 'a', requests: 1, total: 4 }]];
    const top = new TopRows(step);
    top.restore(stored);
    expect([...top.save()]).toEqual([stored]);
  });
});

test('the best of any rows, in any order, are the first of all of them sorted', () => {
  const rows = fc.uniqueArray(fc.record({ by: fc.integer({ min: 0, max: 4 }), key: fc.string({ maxLength: 2 }) }), {
    selector: ({ key }) => key,
  });
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 5 }), (given, ranks) => {
      const ranked: typeof given = [];
      for (const row of given) insertRanked(ranked, row, { count: ranks });
      const sorted = [...given].sort((a, b) => b.by - a.by || (a.key < b.key ? -1 : 1));
      expect(ranked).toEqual(sorted.slice(0, ranks));
    }),
    { numRuns: 5_000 },
  );
});

test('where ties are kept, all are there that less than so many are above', () => {
  const rows = fc.uniqueArray(fc.record({ by: fc.integer({ min: 0, max: 3 }), key: fc.string({ maxLength: 2 }) }), {
    selector: ({ key }) => key,
  });
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 5 }), (given, count) => {
      const ranked: typeof given = [];
      for (const row of given) insertRanked(ranked, row, { count, ties: { as: null } });
      const right = given.filter((row) => given.filter((other) => other.by > row.by).length < count);
      expect(ranked).toEqual(right.sort((a, b) => b.by - a.by || (a.key < b.key ? -1 : 1)));
    }),
    { numRuns: 5_000 },
  );
});

test('rows that may share a rank keep their keys, and show the rank where it has a name', () => {
  const shown = (as: string | undefined): readonly string[] => {
    const output = table.rank('equals', 2, as === undefined ? { by: 'total' } : { by: 'total', as }).to(sink);
    const top = new TopRows(compile(pipelineOf([output])).steps.at(-1) as CompiledTop);
    for (const [key, total] of Object.entries({ a: 1, b: 5, c: 5, d: 4 })) add(top, 10, key, total);
    return rowsAt(top, 10);
  };
  expect(shown(undefined)).toEqual([
    '[0, 10) key=b {"requests":1,"total":5}',
    '[0, 10) key=c {"requests":1,"total":5}',
  ]);
  expect(shown('place')).toEqual([
    '[0, 10) key=b {"place":1,"requests":1,"total":5}',
    '[0, 10) key=c {"place":1,"requests":1,"total":5}',
  ]);
});
