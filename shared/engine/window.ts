import type { SlidingWindow, TumblingWindow } from '#shared/pipeline/window.ts';

/** [startMs, endMs): a record at the end belongs to the next window. */
export interface WindowRange {
  readonly startMs: number;
  readonly endMs: number;
}

type AlignedWindow = TumblingWindow | SlidingWindow;

export function slideOf(window: AlignedWindow): number {
  return window.kind === 'sliding' ? window.slideMs : window.sizeMs;
}

/** The largest multiple of `step` at or below `timeMs`, also before 1970. */
export function alignDown(timeMs: number, step: number): number {
  const rest = timeMs % step;
  return rest < 0 ? timeMs - rest - step : timeMs - rest;
}

/** The start of the last window that holds `timeMs`; the others start `slide` earlier each, while they reach it. */
export function lastStart(window: AlignedWindow, timeMs: number): number {
  return alignDown(timeMs, slideOf(window));
}

/**
 * The starts of all windows that hold `timeMs`, ascending.
 *
 *     size 10, slide 5, t = 7:   [0--------10)
 *                                     [5--------15)
 */
export function windowStarts(window: AlignedWindow, timeMs: number): readonly number[] {
  const slide = slideOf(window);
  const starts: number[] = [];
  for (let start = lastStart(window, timeMs); start > timeMs - window.sizeMs; start -= slide) starts.push(start);
  return starts.reverse();
}

/** A window is closed when the watermark has reached its end and the allowed lateness: what comes then is late. */
export function isClosed(endMs: number, allowedLatenessMs: number, watermarkMs: number): boolean {
  return watermarkMs >= endMs + allowedLatenessMs;
}
