import { setTimeout } from 'node:timers/promises';
import type { Clock } from '#shared/ports/clock.ts';

/** The machine's clock. */
export const wallClock: Clock = {
  now: () => Date.now(),
  sleep: (ms) => setTimeout(ms),
};
