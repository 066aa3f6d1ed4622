import type { Performance } from 'node:perf_hooks';
import type { Told } from '#shared/adapters/telemetry/forward.ts';
import { shardSilenceMsMax } from '#shared/adapters/telemetry/prometheus.ts';

/** How a thread was since it was asked last. */
export interface ThreadLoad {
  /** The share of the time in which it did something, from 0 to 1. */
  readonly busyRatio: number;
  /** How far the furthest of its shards was behind. */
  readonly behindMs: number;
}

type Utilization = Performance['eventLoopUtilization'];

/** Measures a thread from outside, so also one that has no time to say how it is. */
export function createThreadLoad(it: {
  /** `performance.eventLoopUtilization` of the thread. */
  readonly utilization: Utilization;
  readonly now: () => number;
}) {
  const behind = new Map<string, { readonly ms: number; readonly heardMs: number }>();
  let before = it.utilization();
  return {
    /** Takes in what the thread told of its shards. */
    hear: (told: Told): void => {
      if (told.kind !== 'metric' || told.name !== 'millis_behind_latest') return;
      behind.set(told.labels['shard'] ?? '', { ms: told.value, heardMs: it.now() });
    },
    take: (): ThreadLoad => {
      const now = it.utilization();
      const busyRatio = it.utilization(now, before).utilization;
      before = now;
      // Another thread reads by now what was not heard of for long.
      for (const [shard, { heardMs }] of behind) if (it.now() - heardMs > shardSilenceMsMax) behind.delete(shard);
      return { busyRatio, behindMs: Math.max(0, ...[...behind.values()].map(({ ms }) => ms)) };
    },
  };
}
