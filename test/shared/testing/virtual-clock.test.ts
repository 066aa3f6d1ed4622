import { expect, test } from 'vitest';
import { createManualClock } from '#shared/testing/manual-clock.ts';
import { createVirtualClock } from '#shared/testing/virtual-clock.ts';

test('tasks wake up in the order of their times, and at one time in the order in which they fell asleep', async () => {
  const clock = createVirtualClock({ now: () => 100 });
  const woken: string[] = [];
  const nap = (name: string, ms: number) => clock.sleep(ms).then(() => woken.push(`${name} at ${clock.now()}`));
  await Promise.all([nap('c', 30), nap('a', 10), nap('b', 10), nap('now', 0)]);
  expect(woken).toEqual(['now at 100', 'a at 110', 'b at 110', 'c at 130']);
});

test('time goes on only when all sleep', async () => {
  const clock = createVirtualClock({ now: () => 0 });
  let steps = 0;
  const busy = async () => {
    for (; steps < 10_000; steps += 1) await Promise.resolve();
    return clock.now();
  };
  const asleep = clock.sleep(1_000).then(() => steps);
  expect(await busy()).toBe(0);
  expect([await asleep, clock.now()]).toEqual([10_000, 1_000]);
});

test('it is never behind the time that it is ahead of', async () => {
  const base = createManualClock(0);
  const clock = createVirtualClock(base);
  await clock.sleep(50);
  base.move(10);
  expect(clock.now()).toBe(50);
  base.move(100);
  expect(clock.now()).toBe(110);
});
