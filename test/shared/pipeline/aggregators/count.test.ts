import fc from 'fast-check';
import { expect, test } from 'vitest';
import { count } from '#shared/pipeline/aggregators/count.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';

aggregatorLaws('count', () => count(), fc.constantFrom(0, 1));

test('counts every record', () => {
  const all = count<string>();
  expect(['a', 'b', 'a'].map(all.select).reduce(all.add, all.create())).toBe(3);
});

test('counts the records for which the condition holds', () => {
  const failed = count((request: { readonly status: number }) => request.status >= 500);
  const records = [{ status: 200 }, { status: 500 }, { status: 404 }, { status: 503 }];
  expect(records.map(failed.select).reduce(failed.add, failed.create())).toBe(2);
});

test('a condition that gives no boolean counts as 0 or 1', () => {
  const named = count((user: { readonly name: string }) => user.name as unknown as boolean);
  expect([{ name: 'ann' }, { name: '' }].map(named.select)).toEqual([1, 0]);
});

test('a count with a condition is another aggregator in the plan', () => {
  expect(count(() => true).config).not.toEqual(count().config);
});

test.each([-1, 1.5, 2 ** 53, '1', null, []])('%j is no count', (encoded) => {
  expect(() => count().decode(encoded)).toThrow('the state of count must be a whole number, and is');
});
