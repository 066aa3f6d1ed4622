import { describe, expect, test } from 'vitest';
import { evaluateDerived, rate, ratio, shareOfTotal } from '#shared/pipeline/derive.ts';

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

  test('a column that is not there is an Error that names it', () => {
    expect(() => evaluateDerived(ratio('errors', 'visits'), input)).toThrow('needs "visits", which is not there');
  });

  test('an unknown kind is an Error that names it', () => {
    expect(() => evaluateDerived({ kind: 'median', columns: ['bytes'] }, input)).toThrow('kind "median"');
  });
});
