import { expect, test } from 'vitest';
import { createAlarm } from '#local/event-source-mapping/alarm.ts';
import { createVirtualClock, settle } from './world.ts';

test('a ring ends the sleep', async () => {
  const alarm = createAlarm(createVirtualClock());
  const sleep = ended(alarm.sleepUntil(1_000));
  alarm.ring();
  await settle();
  expect(sleep.isOver).toBe(true);
});

test('a ring before the sleep ends it at once', async () => {
  const alarm = createAlarm(createVirtualClock());
  alarm.ring();
  const sleep = ended(alarm.sleepUntil(1_000));
  await settle();
  expect(sleep.isOver).toBe(true);
});

test('a ring ends one sleep only', async () => {
  const alarm = createAlarm(createVirtualClock());
  alarm.ring();
  await alarm.sleepUntil(1_000);
  const sleep = ended(alarm.sleepUntil(1_000));
  await settle();
  expect(sleep.isOver).toBe(false);
});

test('an earlier time than that of a sleep still running is kept', async () => {
  const clock = createVirtualClock();
  const alarm = createAlarm(clock);
  void alarm.sleepUntil(1_000);
  alarm.ring();
  await settle();
  const sleep = ended(alarm.sleepUntil(100));
  await clock.advance(100);
  expect(sleep.isOver).toBe(true);
});

function ended(sleep: Promise<void>): { isOver: boolean } {
  const state = { isOver: false };
  void sleep.then(() => {
    state.isOver = true;
  });
  return state;
}
