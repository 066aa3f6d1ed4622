import type { Clock } from '#shared/ports/clock.ts';

/**
 * Time for tasks that sleep side by side and do nothing else that takes time: it goes on only when all of them sleep, and then to the first
 * that wakes up. So no task is left behind, however many steps another one takes. It runs ahead of `base`, and is never behind it.
 */
export function createVirtualClock(base: Pick<Clock, 'now'>): Clock {
  let nowMs = base.now();
  const sleepers: { readonly dueMs: number; readonly wake: () => void }[] = [];
  let isWaiting = false;
  const now = (): number => {
    nowMs = Math.max(nowMs, base.now());
    return nowMs;
  };
  const wakeNext = (): void => {
    isWaiting = false;
    const next = sleepers.shift();
    if (next === undefined) return;
    nowMs = Math.max(now(), next.dueMs);
    next.wake();
    waitForOthers();
  };
  // What waits for nothing but promises that are there has then gone as far as it goes.
  const waitForOthers = (): void => {
    if (isWaiting || sleepers.length === 0) return;
    isWaiting = true;
    setImmediate(wakeNext);
  };
  return {
    now,
    sleep: (ms) =>
      new Promise((resolve) => {
        const dueMs = now() + ms;
        const behind = sleepers.findIndex((other) => other.dueMs > dueMs);
        sleepers.splice(behind === -1 ? sleepers.length : behind, 0, { dueMs, wake: resolve });
        waitForOthers();
      }),
  };
}
