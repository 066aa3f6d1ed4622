import type { AggregatePlan } from '#shared/pipeline/plan.ts';
import { isAligned, isAllTime } from '#shared/pipeline/window.ts';
import { calendarWindowAt } from './calendar-oracle.ts';
import type { OracleOutput } from './oracle.ts';

type Range = readonly [startMs: number, endMs: number];

/** [first, last + gap) of each run of records with neighbours at most `gap` apart: windows that touch are one. */
export function sessionsOf(outputs: readonly OracleOutput[], gapMs: number): readonly Range[] {
  const times = outputs.map((output) => output.timeMs).sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const timeMs of times) {
    const last = ranges.at(-1);
    if (last !== undefined && timeMs <= last[1]) last[1] = timeMs + gapMs;
    else ranges.push([timeMs, timeMs + gapMs]);
  }
  return ranges;
}

/** The windows that hold some of the outputs, where all keys share them. */
export function alignedOf(step: AggregatePlan, outputs: readonly OracleOutput[]): readonly Range[] {
  const ranges = new Map<string, Range>();
  for (const { timeMs } of outputs) for (const range of windowsAt(step, timeMs)) ranges.set(range.join('/'), range);
  return [...ranges.values()];
}

/** The windows that hold a time, where all keys share them, found by asking every candidate. */
export function windowsAt(step: AggregatePlan, timeMs: number): readonly Range[] {
  const { window } = step;
  if (!isAligned(window)) throw new Error(`windows of kind ${window.kind} are not aligned`);
  if (window.kind === 'calendar') return [calendarWindowAt(window, timeMs)];
  if (window.kind === 'cumulative') {
    const startMs = Math.floor(timeMs / window.sizeMs) * window.sizeMs + 0;
    return Array.from({ length: window.sizeMs / window.stepMs }, (_, at) => startMs + (at + 1) * window.stepMs)
      .filter((endMs) => timeMs < endMs)
      .map((endMs) => [startMs, endMs]);
  }
  if (window.kind === 'tumbling' && isAllTime(window)) return [[0, window.sizeMs]];
  const slideMs = window.kind === 'sliding' ? window.slideMs : window.sizeMs;
  const found: Range[] = [];
  for (let index = Math.floor((timeMs - window.sizeMs) / slideMs); index * slideMs <= timeMs; index += 1) {
    const startMs = index * slideMs;
    // -0 is 0.
    if (timeMs < startMs + window.sizeMs) found.push([startMs + 0, startMs + window.sizeMs]);
  }
  return found;
}
