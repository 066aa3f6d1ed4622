import { expect, test } from 'vitest';
import { LookupCache } from '#shared/runtime/lookup-cache.ts';

const table = { spec: { name: 'users', key: [] }, freshnessMs: 10, itemsMax: 2 };
const item = { id: 'ann' };

test('an item is found until it is older than its freshness', () => {
  const cache = new LookupCache(table);
  cache.keep('ann', { item, chars: 5 }, 100);
  expect(cache.find('ann', 110)).toMatchObject({ item, chars: 5 });
  expect(cache.find('ann', 111)).toBeUndefined();
  expect(cache.find('ann', 100)).toBeUndefined();
});

test('an item that was asked for by a clock that was ahead is not taken for fresh', () => {
  const cache = new LookupCache(table);
  cache.keep('ann', { item: undefined, chars: 5 }, 100);
  expect(cache.find('ann', 99)).toBeUndefined();
});

test('the item that was wanted longest ago makes room', () => {
  const cache = new LookupCache(table);
  for (const key of ['a', 'b']) cache.keep(key, { item, chars: 1 }, 0);
  cache.find('a', 0);
  cache.keep('c', { item, chars: 1 }, 0);
  expect(['a', 'b', 'c'].map((key) => cache.find(key, 0) !== undefined)).toEqual([true, false, true]);
});

test('large items make room for one another, and one that is larger than all the room is not kept', () => {
  const cache = new LookupCache({ ...table, itemsMax: 100 }, 10);
  for (const key of ['a', 'b', 'c']) cache.keep(key, { item, chars: 4 }, 0);
  expect(['a', 'b', 'c'].map((key) => cache.find(key, 0) !== undefined)).toEqual([false, true, true]);
  cache.keep('b', { item, chars: 6 }, 0);
  expect(['b', 'c'].map((key) => cache.find(key, 0) !== undefined)).toEqual([true, true]);
  cache.keep('d', { item, chars: 11 }, 0);
  expect(['b', 'c', 'd'].map((key) => cache.find(key, 0) !== undefined)).toEqual([false, false, false]);
});
