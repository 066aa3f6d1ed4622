import { setTimeout } from 'node:timers/promises';
import type { Clock } from '#shared/ports/clock.ts';

/** The machine's clock, going on where it is set back. */
export const wallClock: Clock = createWallClock({ wall: () => Date.now(), steady: () => performance.now() });

/**
 * A clock that never goes back: turns, leases and checkpoints are awaited by it, and would be for as long as the wall clock was set back.
 * It is then ahead of that one, which does no harm: the time of records is Kinesis' own. The steady clock alone would not do, as it stands
 * still while a Lambda environment is frozen or a laptop asleep.
 */
export function createWallClock({
  wall,
  steady,
}: {
  readonly wall: () => number;
  /** Goes as fast as the wall clock, and is never set. */
  readonly steady: () => number;
}): Clock {
  let nowMs = wall();
  let steadyMs = steady();
  return {
    now: () => {
      const steadyNowMs = steady();
      nowMs = Math.max(wall(), nowMs + steadyNowMs - steadyMs);
      steadyMs = steadyNowMs;
      return Math.floor(nowMs);
    },
    sleep: (ms) => setTimeout(ms),
  };
}
