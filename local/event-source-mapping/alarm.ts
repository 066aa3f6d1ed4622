import type { Clock } from '#shared/ports/clock.ts';

/** Sleep that can be cut short. */
export interface Alarm {
  /** Resolves at the time or at the next ring, at once if it rang since the last sleep ended. May resolve too early. */
  readonly sleepUntil: (atMs: number) => Promise<void>;
  readonly ring: () => void;
}

/** Clocks cannot cancel a sleep, so one that is still running is used again rather than a second one begun. */
export function createAlarm(clock: Clock): Alarm {
  let hasRung = false;
  let wake = () => {};
  let nextMs = Number.POSITIVE_INFINITY;

  function ring(): void {
    hasRung = true;
    wake();
  }

  return {
    ring,
    sleepUntil: async (atMs) => {
      if (!hasRung) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (atMs < nextMs) {
          nextMs = atMs;
          void clock.sleep(Math.max(0, atMs - clock.now())).then(() => {
            if (nextMs === atMs) nextMs = Number.POSITIVE_INFINITY;
            ring();
          });
        }
        await woken;
      }
      hasRung = false;
    },
  };
}
