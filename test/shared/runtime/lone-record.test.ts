import { describe, expect, test } from 'vitest';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { attemptsMax, LoneRecord } from '#shared/runtime/lone-record.ts';
import { rawRecord } from './world.ts';

function attempts() {
  const state = createMemoryStateStore();
  const start = (plan = 'plan') => new LoneRecord(state, plan, 'visits', 'a', rawRecord(1, 'x'));
  return { start, tries: async () => (await state.readOrigin('visits', 'a'))?.attempt?.count };
}

test('what is waited for outside of a try is no try, even beside others that wait too', async () => {
  const { start, tries } = attempts();
  const [one, other] = [start(), start()];
  expect([await one.begin(), await other.begin()]).toEqual([false, false]);
  for (let times = 0; times < attemptsMax + 3; times += 1) {
    await one.outside(async () => expect(await tries()).toBe(1));
    await other.outside(() => one.outside(async () => expect(await tries()).toBeUndefined()));
  }
  expect(await tries()).toBe(2);
});

test('whoever dies outside of a try has not tried', async () => {
  const { start, tries } = attempts();
  for (let times = 0; times < attemptsMax + 3; times += 1) {
    const attempt = start();
    expect(await attempt.begin()).toBe(false);
    await expect(attempt.outside(() => Promise.reject(new Error('gone')))).rejects.toThrow('gone');
  }
  expect(await tries()).toBeUndefined();
});

test('whoever dies within a try has tried, and a few such tries are enough', async () => {
  const { start } = attempts();
  for (let times = 0; times < attemptsMax; times += 1) expect(await start().begin()).toBe(false);
  expect(await start().begin()).toBe(true);
});

test('a record that has come through once is not tried any more', async () => {
  const { start, tries } = attempts();
  const attempt = start();
  await attempt.begin();
  await attempt.outside(async () => undefined);
  await attempt.pass();
  for (let times = 0; times < attemptsMax + 3; times += 1) expect(await start().begin()).toBe(false);
  expect(await tries()).toBe(0);
});

test('a record that has come through is tried anew by another plan, whose callbacks it may kill', async () => {
  const { start, tries } = attempts();
  const attempt = start();
  await attempt.begin();
  await attempt.pass();
  for (let times = 1; times <= attemptsMax; times += 1) {
    expect(await start('next').begin()).toBe(false);
    expect(await tries()).toBe(times);
  }
  expect(await start('next').begin()).toBe(true);
});

describe('the records of an aggregate that is poison as a whole', () => {
  const places = 4;

  async function poisonous() {
    const { start, tries } = attempts();
    for (let times = 0; times <= attemptsMax; times += 1) await start().begin();
    return { start, tries };
  }

  test('are not poison because several attempts try them at once', async () => {
    const { start } = await poisonous();
    const found = await Promise.all(
      Array.from({ length: attemptsMax + 3 }, () => start().poisonIn(places, () => undefined)),
    );
    expect(found).toEqual(found.map(() => new Set()));
  });

  test('are what attempts that die of them say, and the same for all attempts behind', async () => {
    const { start } = await poisonous();
    const tried: number[] = [];
    const probe = (place: number): void => {
      tried.push(place);
      if (place % 2 === 1) throw new Error('dead');
    };
    for (let deaths = 0; deaths < 2 * attemptsMax; deaths += 1)
      await expect(start().poisonIn(places, probe)).rejects.toThrow('dead');
    const found = await start().poisonIn(places, probe);
    expect([...found]).toEqual([1, 3]);
    expect(tried).toEqual([0, 1, 1, 1, 2, 3, 3, 3]);
    expect(await start().poisonIn(places, () => expect.unreachable())).toEqual(found);
  });
});
