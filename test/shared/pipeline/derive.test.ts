import { describe, expect, test } from 'vitest';
import {
  evaluateDerived,
  part,
  prediction,
  rate,
  ratio,
  shareOfTotal,
  totalledColumns,
} from '#shared/pipeline/derive.ts';
import {
  type AnyAggregator,
  collect,
  count,
  decimalSum,
  first,
  histogram,
  linearRegression,
  minutes,
  quantiles,
  seconds,
  tumbling,
  variance,
} from '#shared/pipeline/index.ts';
import { pipelineOf, readings, sink } from '../readings.ts';

const input = {
  row: { bytes: 25, errors: 3, requests: 12, nothing: 0 },
  totals: { bytes: 100, nothing: 0, errors: 0 },
  windowMs: 60_000,
};

test('a derived column is plain data', () => {
  expect(JSON.parse(JSON.stringify([shareOfTotal('bytes'), ratio('errors', 'requests'), rate('bytes')]))).toEqual([
    { kind: 'share-of-total', columns: ['bytes'] },
    { kind: 'ratio', columns: ['errors', 'requests'] },
    { kind: 'rate', columns: ['bytes'] },
  ]);
});

describe('evaluateDerived', () => {
  test('a share is the part of the total over all keys', () => {
    expect(evaluateDerived(shareOfTotal('bytes'), input)).toBe(0.25);
  });

  test('a ratio is one column divided by another', () => {
    expect(evaluateDerived(ratio('errors', 'requests'), input)).toBe(0.25);
  });

  test('a rate is per second of the window', () => {
    expect(evaluateDerived(rate('requests'), input)).toBe(0.2);
  });

  test('nothing out of nothing is 0', () => {
    expect(evaluateDerived(shareOfTotal('nothing'), input)).toBe(0);
    expect(evaluateDerived(ratio('nothing', 'nothing'), input)).toBe(0);
  });

  test('something out of nothing has no value', () => {
    expect(evaluateDerived(ratio('requests', 'nothing'), input)).toBeNull();
    expect(evaluateDerived(shareOfTotal('errors'), input)).toBeNull();
  });

  test.each([
    ['too large for a number', 1e300, 1e-300],
    ['of infinity', Number.POSITIVE_INFINITY, 2],
    ['of what has no value itself', Number.NaN, 2],
    ['by what has no value itself', 2, Number.NaN],
  ])('a quotient %s has no value', (_, a, b) => {
    expect(evaluateDerived(ratio('a', 'b'), { ...input, row: { a, b } })).toBeNull();
  });

  const fits = {
    latency: { p50: 12, p99: null },
    sizes: [3, 5],
    line: { slope: 2, intercept: 1 },
    plane: { coefficients: { a: 2, b: -1 }, intercept: 10 },
    none: { coefficients: null, intercept: null, slope: null },
    load: 7,
  };
  const row = { ...input, row: { ...input.row, ...fits } };

  test('a part of a column is a column', () => {
    expect(evaluateDerived(part('latency.p50'), row)).toBe(12);
    expect(evaluateDerived(part('sizes.1'), row)).toBe(5);
    expect(evaluateDerived(part('plane.coefficients.b'), row)).toBe(-1);
    expect(evaluateDerived(ratio('latency.p50', 'sizes.0'), row)).toBe(4);
    expect(evaluateDerived(shareOfTotal('latency.p50'), { ...row, totals: { latency: { p50: 24 } } })).toBe(0.5);
  });

  test('a part that has no value is null', () => {
    expect(evaluateDerived(part('latency.p99'), row)).toBeNull();
    expect(evaluateDerived(part('latency.p75'), row)).toBeNull();
    expect(evaluateDerived(part('none.coefficients.a'), row)).toBeNull();
    expect(evaluateDerived(rate('latency.p99'), row)).toBeNull();
  });

  test('a prediction is what the line says at a number or another column', () => {
    expect(evaluateDerived(prediction('line', { at: 10 }), row)).toBe(21);
    expect(evaluateDerived(prediction('line', { at: 'load' }), row)).toBe(15);
    expect(evaluateDerived(prediction('plane', { at: { a: 'load', b: 4 } }), row)).toBe(20);
    expect(evaluateDerived(prediction('plane', { at: { a: 1, b: 'load' } }), row)).toBe(5);
    expect(evaluateDerived(prediction('none', { at: 10 }), row)).toBeNull();
  });

  test('what is totalled is the column that a part is of', () => {
    expect(
      totalledColumns(['a', 'latency', 'b'], { derived: { x: shareOfTotal('latency.p50'), y: ratio('a', 'b') } }),
    ).toEqual([1]);
  });

  test('a column that is not there is an Error that names it', () => {
    expect(() => evaluateDerived(ratio('errors', 'visits'), input)).toThrow('needs "visits", which is not there');
  });

  test('an unknown kind is an Error that names it', () => {
    expect(() => evaluateDerived({ kind: 'median', columns: ['bytes'] }, input)).toThrow('kind "median"');
  });
});

describe('a derived column of what is never a number', () => {
  const bytes = (r: { readonly bytes: number }) => r.bytes;
  const aggregates: Readonly<Record<string, AnyAggregator<never>>> = {
    n: count(),
    sizes: histogram(bytes, { bounds: [10] }),
    money: decimalSum(bytes, { scale: 2 }),
    latency: quantiles({ p50: 0.5 }, bytes),
    spread: variance(bytes),
    most: first((r: { readonly tags: readonly string[] }) => r.tags),
    listed: collect(bytes, { max: 3 }),
    line: linearRegression(bytes, bytes),
  };
  const define = (derived: object) => () => {
    const table = readings()
      .keyBy(({ key }) => ({ key }))
      .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
      .aggregate('step', aggregates as never);
    return pipelineOf([table.derive({ derived } as never).to(sink)]);
  };
  test.each([
    [shareOfTotal('sizes'), 'a number at sizes, and sizes is a list.'],
    [ratio('n', 'money'), 'a number at money, and money is a string.'],
    [rate('latency'), 'a number at latency, and latency is an object with p50.'],
    [part('n.p50'), 'a number at n.p50, and n is a number.'],
    [shareOfTotal('listed'), 'a number at listed, and listed is a list.'],
  ])('%j is refused', (derived, message) => {
    expect(define(derived)).toThrow(`derived column derived needs ${message} Name a part that is a number`);
  });
  test.each([
    shareOfTotal('n'),
    part('sizes.0'),
    part('latency.p50'),
    rate('spread'),
    part('most.x'),
    part('listed.0'),
    prediction('line', { at: 5 }),
  ])('%j may be one', (derived) => {
    expect(define(derived)).not.toThrow();
  });
});
