import { createRandom } from '#cli/generate.ts';

/** Seeded flow records for the bursts pipeline: the same options make the same records. */
export interface Load {
  readonly eventCount: number;
  readonly seed: number;
}

export interface Flow {
  readonly ts: number;
  readonly ip: string;
  readonly bytes: number;
}

const startMs = Date.UTC(2026, 0, 1);
const everyMsMin = 2;
/** A small load is spread, so that it fills several windows too. */
const spanMsMin = 20 * 60_000;
/** Below the 4 s that the source allows, so that no record is late in whatever order shards are read. */
const disorderMsMax = 3_000;
/** IPs talk by turns and are then silent for longer than a session's gap. */
const turnMs = 40_000;
const turns = 8;
const ipsPerTurn = 128;
/** Of the records, those of an IP whose turn it is not: short sessions, and some that join others. */
const strayShare = 0.005;
const networks = 32;
/** Longer than any window of the pipeline. */
const windowMsMax = 10 * 60_000;

/** Makes the records one after the other. */
export function createFlows(load: Load): () => Flow {
  const random = createRandom(load.seed);
  const below = (count: number): number => Math.floor(random() * count);
  let made = 0;
  return () => {
    const dueMs = dueMsOf(load, made);
    made += 1;
    const turn = Math.floor(dueMs / turnMs) % turns;
    const host = random() < strayShare ? below(turns * ipsPerTurn) : turn * ipsPerTurn + below(ipsPerTurn);
    const ip = `10.0.${host % networks}.${Math.floor(host / networks)}`;
    return { ts: dueMs - below(disorderMsMax), ip, bytes: 40 + below(9_000) };
  };
}

export function lineOf({ ts, ip, bytes }: Flow): string {
  return `{"ts":${ts},"ip":"${ip}","bytes":${bytes}}`;
}

/** How many records a watermark has passed. */
export function countBefore(load: Load, watermarkMs: number): number {
  return Math.max(0, Math.floor((watermarkMs - startMs) / everyMsOf(load)));
}

/** All windows of the first `count` records begin and end between these. */
export function boundsOf(load: Load, count: number): { readonly fromMs: number; readonly toMs: number } {
  return { fromMs: startMs - windowMsMax, toMs: dueMsOf(load, count) + windowMsMax };
}

function dueMsOf(load: Load, index: number): number {
  return startMs + Math.floor(index * everyMsOf(load));
}

function everyMsOf({ eventCount }: Load): number {
  return Math.max(everyMsMin, spanMsMin / eventCount);
}
