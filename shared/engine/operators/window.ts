import { oncePer } from '#shared/engine/compile/once-per.ts';
import type { AlignedWindow, CumulativeWindow, SlidingWindow, TumblingWindow } from '#shared/pipeline/window.ts';
import { isAllTime, sliceOf } from '#shared/pipeline/window.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import { calendarGrid } from './calendar.ts';

/** [startMs, endMs): a record at the end belongs to the next window. */
export interface WindowRange {
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * How event time is cut into the windows of a step, the same for all keys. Slices lie side by side; windows begin and end between slices only,
 * so all records of a slice are in the same windows. A window is known by one number, its name: its start or, where several begin
 * together, its end. Names are kept in state, so a window has the same one for ever.
 */
export interface WindowGrid {
  /** Where the slice begins that holds the time. */
  sliceStart(timeMs: number): number;
  /** Where the slice ends that begins there. */
  sliceEnd(sliceStartMs: number): number;
  /** The names of all windows that hold the time, the first to end first. */
  namesAt(timeMs: number): readonly number[];
  rangeOf(nameMs: number): WindowRange;
  /** The end of the last window that holds the time. */
  lastEnd(timeMs: number): number;
  /** The first end of a window after the time. */
  nextEnd(timeMs: number): number;
  /** The start of the window that ends there. */
  startOf(endMs: number): number;
}

/** The grid of a step's windows: one for all slots, since a calendar's remembers what it has looked up. */
export const gridOf: (window: AlignedWindow) => WindowGrid = oncePer(createGrid);

function createGrid(window: AlignedWindow): WindowGrid {
  switch (window.kind) {
    case 'tumbling':
      return isAllTime(window) ? allTimeGrid(window) : slidingGrid(window, window.sizeMs);
    case 'sliding':
      return slidingGrid(window, window.slideMs);
    case 'cumulative':
      return cumulativeGrid(window);
    case 'calendar':
      return calendarGrid(window);
  }
}

/** Of how many slices a window is made, at the most. */
export function slicesOf(window: AlignedWindow): number {
  switch (window.kind) {
    case 'sliding':
      return window.sizeMs / sliceOf(window);
    case 'cumulative':
      return window.sizeMs / window.stepMs;
    default:
      return 1;
  }
}

/** The largest multiple of `step` at or below `timeMs`, also before 1970. */
export function alignDown(timeMs: number, step: number): number {
  const rest = timeMs % step;
  return rest < 0 ? timeMs - rest - step : timeMs - rest;
}

/**
 * The watermark that closes a window: at its end and the allowed lateness, and at the latest when the streams are over, since nothing comes then
 * that could be late.
 */
export function closesAtMs(endMs: number, allowedLatenessMs: number): number {
  return Math.min(endMs + allowedLatenessMs, endOfStreamMs);
}

/** A window is closed when the watermark has reached its end and the allowed lateness: what comes then is late. */
export function isClosed(endMs: number, allowedLatenessMs: number, watermarkMs: number): boolean {
  return watermarkMs >= endMs + allowedLatenessMs;
}

/**
 * Windows of one size are known by their starts.
 *
 *     size 10, slide 5, t = 7:   [0--------10)
 *                                     [5--------15)
 */
function slidingGrid(window: TumblingWindow | SlidingWindow, slideMs: number): WindowGrid {
  const { sizeMs } = window;
  const sliceMs = sliceOf(window);
  return {
    sliceStart: (timeMs) => alignDown(timeMs, sliceMs),
    sliceEnd: (sliceStartMs) => sliceStartMs + sliceMs,
    namesAt: (timeMs) => {
      const starts: number[] = [];
      for (let start = alignDown(timeMs, slideMs); start > timeMs - sizeMs; start -= slideMs) starts.push(start);
      return starts.reverse();
    },
    rangeOf: (startMs) => ({ startMs, endMs: startMs + sizeMs }),
    lastEnd: (timeMs) => alignDown(timeMs, slideMs) + sizeMs,
    nextEnd: (timeMs) => alignDown(timeMs - sizeMs, slideMs) + slideMs + sizeMs,
    startOf: (endMs) => endMs - sizeMs,
  };
}

/** Every time is in the window that begins in 1970. That before it, which state of older versions may hold, closes as it did. */
function allTimeGrid(window: TumblingWindow): WindowGrid {
  return {
    ...slidingGrid(window, window.sizeMs),
    sliceStart: () => 0,
    namesAt: () => [0],
    lastEnd: () => window.sizeMs,
  };
}

/**
 * Windows that begin together are known by their ends.
 *
 *     size 15, step 5, t = 7:   [0--------10)
 *                               [0-------------15)
 */
function cumulativeGrid({ sizeMs, stepMs }: CumulativeWindow): WindowGrid {
  const startOf = (endMs: number): number => alignDown(endMs - 1, sizeMs);
  return {
    sliceStart: (timeMs) => alignDown(timeMs, stepMs),
    sliceEnd: (sliceStartMs) => sliceStartMs + stepMs,
    namesAt: (timeMs) => {
      const ends: number[] = [];
      const lastMs = alignDown(timeMs, sizeMs) + sizeMs;
      for (let end = alignDown(timeMs, stepMs) + stepMs; end <= lastMs; end += stepMs) ends.push(end);
      return ends;
    },
    rangeOf: (endMs) => ({ startMs: startOf(endMs), endMs }),
    lastEnd: (timeMs) => alignDown(timeMs, sizeMs) + sizeMs,
    nextEnd: (timeMs) => alignDown(timeMs, stepMs) + stepMs,
    startOf,
  };
}
