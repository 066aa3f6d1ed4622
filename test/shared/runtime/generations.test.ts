import { expect, test } from 'vitest';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { createGenerations } from '#shared/runtime/generations.ts';

const split = { a: [], b: ['a'], c: ['a'] };
const merged = { ...split, d: ['b', 'c'] };
/** a was split, and one of its children split again, before the others were merged. */
const uneven = { ...split, e: ['b'], f: ['b'], g: ['c', 'e'] };

type Listed = Readonly<Record<string, readonly string[]>>;

function directoryOf(listed: Listed) {
  return { list: async () => Object.entries(listed).map(([shardId, parents]) => ({ shardId, parents })) };
}

test.each<readonly [string, Listed, string, number]>([
  ['a root has generation 1', split, 'a', 1],
  ['a child has one more than its parent', split, 'c', 2],
  ['a merged shard has one more than its parents', merged, 'd', 3],
  ['a merged shard has one more than the higher of its parents', uneven, 'g', 4],
  ['a shard whose parents were never listed is a root', { b: ['gone'] }, 'b', 1],
])('%s', async (_, listed, shard, generation) => {
  expect(await createGenerations(directoryOf(listed), createMemoryStateStore())(shard)).toBe(generation);
});

test('what is recorded outlives the parents in the list', async () => {
  const state = createMemoryStateStore();
  await createGenerations(directoryOf(split), state)('b');
  expect(await createGenerations(directoryOf({ b: ['a'], d: ['b'] }), state)('d')).toBe(3);
});

test('what is recorded stays, whatever the list says later', async () => {
  const state = createMemoryStateStore();
  await createGenerations(directoryOf(merged), state)('d');
  expect(await createGenerations(directoryOf({ d: [] }), state)('d')).toBe(3);
});

test('two hosts that meet a shard at once agree on what was recorded first', async () => {
  const state = createMemoryStateStore();
  // The other host saw the parents, which this one does not any more, between this one's look and its note.
  const directory = {
    list: async () => {
      await state.recordGeneration('d', 3);
      return [{ shardId: 'd', parents: ['b', 'c'] }];
    },
  };
  expect(await createGenerations(directory, state)('d')).toBe(3);
});

test('a shard is looked up once', async () => {
  let lists = 0;
  const directory = {
    list: async () => {
      lists += 1;
      return [{ shardId: 'a', parents: [] }];
    },
  };
  const generationOf = createGenerations(directory, createMemoryStateStore());
  await generationOf('a');
  await generationOf('a');
  expect(lists).toBe(1);
});

test('a shard that is not listed yet is no root: its place in the log is not known', async () => {
  const state = createMemoryStateStore();
  await expect(createGenerations(directoryOf({ a: [] }), state)('b')).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    retry: true,
  });
  expect(await state.readGenerations()).toEqual(new Map());
});
