import type { Duration } from './duration.ts';

/** Windows of one size, side by side: each record is in exactly one. Aligned to the epoch; [start, end). */
export interface TumblingWindow {
  readonly kind: 'tumbling';
  readonly sizeMs: number;
}

/** Windows of one size that begin every `slideMs` and overlap (hopping windows). Aligned to the epoch; [start, end). */
export interface SlidingWindow {
  readonly kind: 'sliding';
  readonly sizeMs: number;
  readonly slideMs: number;
}

/** A key's records with less than or exactly `gapMs` between neighbours. Ends `gapMs` after its last record. */
export interface SessionWindow {
  readonly kind: 'session';
  readonly gapMs: number;
}

export type WindowSpec = TumblingWindow | SlidingWindow | SessionWindow;

/** `tumbling(minutes(5))`: [00:00, 00:05), [00:05, 00:10), … */
export function tumbling(size: Duration): TumblingWindow {
  return { kind: 'tumbling', sizeMs: size };
}

/** `sliding(minutes(5), { every: minutes(1) })`: [00:00, 00:05), [00:01, 00:06), … */
export function sliding(size: Duration, options: { readonly every: Duration }): SlidingWindow {
  return { kind: 'sliding', sizeMs: size, slideMs: options.every };
}

/** `session({ gap: minutes(30) })`: a visit ends after half an hour of silence. */
export function session(options: { readonly gap: Duration }): SessionWindow {
  return { kind: 'session', gapMs: options.gap };
}

/**
 * The length of a slice: windows begin and end at multiples of it only, so a window is a whole number of slices
 * (general stream slicing, Traub et al., EDBT 2019).
 */
export function sliceOf(window: TumblingWindow | SlidingWindow): number {
  return window.kind === 'tumbling' ? window.sizeMs : greatestCommonDivisor(window.sizeMs, window.slideMs);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
