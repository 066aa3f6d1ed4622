import { describe, expect, test } from 'vitest';
import { type CompiledAggregate, compile } from '#shared/engine/compile/compile.ts';
import { printerOf } from '#shared/engine/rows/print.ts';
import { mergeTotals } from '#shared/engine/rows/read.ts';
import { milliseconds, rate, ratio, shareOfTotal, sum, tumbling } from '#shared/pipeline/index.ts';
import { logPosition } from '#shared/schemas/position.ts';
import type { Row } from '#shared/schemas/row.ts';
import { columns, pipelineOf, type Reading, readings, sink } from '../../readings.ts';

const output = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(tumbling(milliseconds(10_000)), { allowedLateness: milliseconds(0) })
  .aggregate('view', { ...columns, total: sum((reading: Reading) => reading.amount) })
  .derive({ share: shareOfTotal('total'), each: ratio('total', 'requests'), perSecond: rate('requests') })
  .to(sink);
const [step] = compile(pipelineOf([output])).steps as [CompiledAggregate];

function partial(slot: number, total: number) {
  return {
    view: 'view',
    slot,
    windowStartMs: 0,
    windowEndMs: 10_000,
    final: true,
    position: logPosition(1, '1'),
    columns: { total },
    expiresMs: 0,
  };
}

function row(change: Partial<Row> = {}): Row {
  return {
    view: 'view',
    key: 'ip=1.2.3.4&n:n=5',
    windowStartMs: 0,
    windowEndMs: 10_000,
    final: false,
    position: logPosition(1, '1'),
    columns: { requests: 2, total: 3 },
    expiresMs: 0,
    ...change,
  };
}

describe('totals', () => {
  test('are the slots’ partials, merged', () => {
    expect(mergeTotals(step, [partial(0, 1), partial(1, 2), partial(2, 4)])).toEqual({ total: 7 });
  });

  test('of no partials are those of nothing', () => {
    expect(mergeTotals(step, [])).toEqual({ total: 0 });
  });

  test('hold only what a share needs', () => {
    expect(Object.keys(mergeTotals(step, [partial(0, 1)]))).toEqual(['total']);
  });

  test('do not change the partials', () => {
    const one = partial(0, 1);
    mergeTotals(step, [one, partial(1, 2)]);
    expect(one.columns).toEqual({ total: 1 });
  });
});

describe('a printed row', () => {
  test('has view, window, key, columns and derived columns, in this order', () => {
    expect(JSON.stringify(printerOf(step).print(row(), { total: 12 }))).toBe(
      JSON.stringify({
        view: 'view',
        windowStart: '1970-01-01T00:00:00.000Z',
        windowEnd: '1970-01-01T00:00:10.000Z',
        final: false,
        ip: '1.2.3.4',
        n: 5,
        requests: 2,
        total: 3,
        share: 0.25,
        each: 1.5,
        perSecond: 0.2,
      }),
    );
  });

  test('has a share of 0 of a total of 0', () => {
    expect(printerOf(step).print(row({ columns: { requests: 1, total: 0 } }), { total: 0 })['share']).toBe(0);
  });

  test('has its own times, however many windows were printed before', () => {
    const starts = Array.from({ length: 200 }, (_, index) => index * 10_000);
    const printed = [...starts, ...starts].map(
      (windowStartMs) =>
        printerOf(step).print(row({ windowStartMs, windowEndMs: windowStartMs + 10_000 }), { total: 1 }).windowStart,
    );
    expect(printed).toEqual([...starts, ...starts].map((start) => new Date(start).toISOString()));
  });
});
