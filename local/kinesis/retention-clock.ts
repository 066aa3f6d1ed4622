/** The clock that retention goes by, and who tells it when something was there. */
export interface RetentionClock {
  readonly now: () => number;
  /** Something happened then, before this clock was made. */
  readonly saw: (ms: number) => void;
}

/** While a stack runs, its tick comes every minute. */
const absenceMsMin = 600_000;

/**
 * A clock that stands still while nobody looks at it: readers that were stopped, or slept with their laptop, find what they had not read.
 * In AWS they would not, but there they do not stop.
 *
 *     now        [ runs ]    four days    [ runs ]
 *     retention  [ runs ][ runs ]
 */
export function createRetentionClock(now: () => number): RetentionClock {
  let absentMs = 0;
  let seenMs: number | undefined;
  return {
    saw: (ms) => {
      seenMs = Math.max(seenMs ?? ms, ms);
    },
    now: () => {
      const nowMs = now();
      const quietMs = nowMs - (seenMs ?? nowMs);
      if (quietMs > absenceMsMin) absentMs += quietMs;
      seenMs = nowMs;
      return nowMs - absentMs;
    },
  };
}
