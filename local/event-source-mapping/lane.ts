import type { Batch, ReadRecord } from './batch.ts';
import { newBatch } from './batch.ts';
import { eventBytesMax, quietWindowMs, windowStateBytesMax } from './limits.ts';
import type { WindowState } from './response.ts';
import type { MappingSettings } from './settings.ts';

/**
 * One of the `parallelizationFactor` queues of a shard. A record's key decides its lane and a lane has at most one batch in
 * flight, so the records of a key stay in order.
 */
export interface Lane {
  /** Read, and in no batch yet. */
  waiting: ReadRecord[];
  waitingBytes: number;
  /** Batches that failed, and what is left of them; they go before anything that waits. */
  again: Batch[];
  inFlight: Batch | undefined;
  /** When the last invocation ended. The batching window begins there. */
  idleSinceMs: number;
  /** The size that the next batch is to have; drawn once for each batch, since it may be drawn by lot. */
  batchSize: number;
  window: OpenWindow | undefined;
}

/** A tumbling window between two invocations. */
export interface OpenWindow {
  readonly startMs: number;
  readonly state: WindowState;
  readonly isFull: boolean;
}

export type Decision =
  | { readonly kind: 'offer'; readonly batch: Batch }
  /** Nothing to do before this time, or before records come. */
  | { readonly kind: 'wait'; readonly untilMs: number };

type Settings = Pick<MappingSettings, 'batchingWindowMs' | 'tumblingWindowMs'>;

export function createLane(nowMs: number, batchSize: number, window?: OpenWindow): Lane {
  return { waiting: [], waitingBytes: 0, again: [], inFlight: undefined, idleSinceMs: nowMs, batchSize, window };
}

/** What the lane offers next. What it offers leaves the lane. */
export function decideNext(
  lane: Lane,
  situation: {
    readonly settings: Settings;
    readonly nowMs: number;
    /** Nothing more will come. */
    readonly ended: boolean;
    /** Nothing more is there at present. */
    readonly atTip: boolean;
  },
): Decision {
  const { settings, nowMs } = situation;
  if (lane.inFlight !== undefined) return { kind: 'wait', untilMs: Number.POSITIVE_INFINITY };
  const first = lane.again[0];
  if (first !== undefined) {
    if (first.notBeforeMs > nowMs) return { kind: 'wait', untilMs: first.notBeforeMs };
    lane.again.shift();
    return { kind: 'offer', batch: first };
  }
  const closing = decideClosing(lane, situation);
  if (closing?.kind === 'offer') return closing;
  const oldest = lane.waiting[0];
  if (oldest === undefined) return closing ?? { kind: 'wait', untilMs: Number.POSITIVE_INFINITY };
  const dueMs = situation.ended || isFull(lane, settings) ? nowMs : gatheringEndMs(lane, oldest, settings);
  return dueMs > nowMs ? { kind: 'wait', untilMs: dueMs } : { kind: 'offer', batch: cutBatch(lane, settings) };
}

/** Whether more records would make the next batch a larger one. */
export function wantsRecords(lane: Lane, settings: Settings): boolean {
  return lane.inFlight === undefined && lane.again.length === 0 && !isFull(lane, settings);
}

/** Keeps what the function returned for the window; more than 1 MB ends the window early. */
export function keepState(lane: Lane, state: WindowState): void {
  if (lane.window === undefined) return;
  const isTooLarge = Buffer.byteLength(JSON.stringify(state)) > windowStateBytesMax;
  lane.window = { ...lane.window, state, isFull: isTooLarge };
}

/** Windows are cut by arrival, and closed by the first later record, by the shard's end or by silence. */
function decideClosing(
  lane: Lane,
  situation: { readonly settings: Settings; readonly nowMs: number; readonly ended: boolean; readonly atTip: boolean },
): Decision | undefined {
  if (lane.window === undefined) return undefined;
  const close = (closes: 'at-end' | 'early'): Decision => ({ kind: 'offer', batch: { ...newBatch([]), closes } });
  if (lane.window.isFull) return close('early');
  const next = lane.waiting[0];
  const endMs = lane.window.startMs + situation.settings.tumblingWindowMs;
  if (next !== undefined) return next.record.arrivalMs >= endMs ? close('at-end') : undefined;
  const quietMs = endMs + quietWindowMs;
  if (situation.ended || (situation.atTip && situation.nowMs >= quietMs)) return close('at-end');
  return { kind: 'wait', untilMs: Math.max(quietMs, situation.nowMs + 1) };
}

function isFull(lane: Lane, settings: Settings): boolean {
  if (lane.waiting.length >= lane.batchSize || lane.waitingBytes >= eventBytesMax) return true;
  const first = lane.waiting[0];
  const last = lane.waiting.at(-1);
  if (settings.tumblingWindowMs === 0 || first === undefined || last === undefined) return false;
  return last.record.arrivalMs >= windowStartMs(lane, first, settings) + settings.tumblingWindowMs;
}

/** Batching windows follow one another without a gap from the end of the last invocation. */
function gatheringEndMs(lane: Lane, oldest: ReadRecord, settings: Settings): number {
  if (settings.batchingWindowMs === 0) return 0;
  const passed = Math.floor(Math.max(0, oldest.readMs - lane.idleSinceMs) / settings.batchingWindowMs);
  return lane.idleSinceMs + (passed + 1) * settings.batchingWindowMs;
}

/** A batch stays within its size, the payload limit and one tumbling window, but always takes the first record. */
function cutBatch(lane: Lane, settings: Settings): Batch {
  const first = lane.waiting[0];
  let bytes = 0;
  let count = 0;
  let endMs = Number.POSITIVE_INFINITY;
  if (settings.tumblingWindowMs > 0 && first !== undefined) {
    const startMs = windowStartMs(lane, first, settings);
    endMs = startMs + settings.tumblingWindowMs;
    lane.window ??= { startMs, state: {}, isFull: false };
  }
  for (const each of lane.waiting) {
    const fits = count < lane.batchSize && bytes + each.bytes <= eventBytesMax && each.record.arrivalMs < endMs;
    if (count > 0 && !fits) break;
    bytes += each.bytes;
    count += 1;
  }
  lane.waitingBytes -= bytes;
  return newBatch(lane.waiting.splice(0, count));
}

/** A record that arrived before the open window's start, by an uneven clock, belongs to the open window. */
function windowStartMs(lane: Lane, first: ReadRecord, settings: Settings): number {
  if (lane.window !== undefined) return lane.window.startMs;
  return Math.floor(first.record.arrivalMs / settings.tumblingWindowMs) * settings.tumblingWindowMs;
}
