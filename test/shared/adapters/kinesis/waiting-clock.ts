import type { Clock } from '#shared/ports/clock.ts';

/** A clock on which who sleeps waits until the time was passed. */
export interface WaitingClock extends Clock {
  readonly passMs: (ms: number) => void;
  /** Gives what `work` comes to. While nothing happens, time passes for who pauses before a request, but not for who watches for silence. */
  readonly settle: <T>(work: Promise<T>) => Promise<T>;
}

const pauseMsMax = 5_000;

export function createWaitingClock(): WaitingClock {
  let nowMs = 1_700_000_000_000;
  let sleepers: { readonly ms: number; readonly untilMs: number; readonly wake: () => void }[] = [];
  const passMs = (ms: number) => {
    nowMs += ms;
    const due = sleepers.filter(({ untilMs }) => untilMs <= nowMs);
    sleepers = sleepers.filter(({ untilMs }) => untilMs > nowMs);
    for (const { wake } of due) wake();
  };
  return {
    now: () => nowMs,
    sleep: (ms) => new Promise<void>((wake) => sleepers.push({ ms, untilMs: nowMs + ms, wake })),
    passMs,
    settle: async (work) => {
      let isDone = false;
      const done = work.finally(() => {
        isDone = true;
      });
      done.catch(() => {});
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (isDone) return done;
        const pausing = sleepers.filter(({ ms }) => ms <= pauseMsMax);
        if (pausing.length > 0) passMs(Math.min(...pausing.map(({ untilMs }) => untilMs)) - nowMs);
      }
    },
  };
}
