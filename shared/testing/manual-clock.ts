import type { Clock } from '#shared/ports/clock.ts';

/** Time that moves when somebody sleeps or moves it, and not otherwise. */
export interface ManualClock extends Clock {
  /** How long each sleep was, in milliseconds. */
  readonly slept: readonly number[];
  readonly move: (ms: number) => void;
}

export function createManualClock(startMs = 1_000_000): ManualClock {
  let nowMs = startMs;
  const slept: number[] = [];
  return {
    slept,
    now: () => nowMs,
    sleep: async (ms) => {
      slept.push(ms);
      nowMs += ms;
    },
    move: (ms) => {
      nowMs += ms;
    },
  };
}
