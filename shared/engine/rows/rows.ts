import type { CompiledStep } from '#shared/engine/compile/compile.ts';
import { gridOf } from '#shared/engine/operators/window.ts';
import { foreverMs } from '#shared/pipeline/join.ts';
import { timeColumnsOf } from '#shared/pipeline/plan.ts';
import { type AlignedWindow, isOrdered } from '#shared/pipeline/window.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { Row } from '#shared/schemas/row.ts';

// What the final rows of a step are as a stream: records with an event time, in an order of their own, behind a watermark.

/** The event time of a final row: the last millisecond of its window or, without a window, the later one of its times. */
export function timeOfRow({ op }: CompiledStep, row: Row): number {
  return hasWindow(op) ? row.windowEndMs - 1 : row.windowEndMs;
}

/** A step whose rows are a stream and have windows; an id of theirs tells those of the same bounds apart. */
function hasWindow(op: CompiledStep['op']): boolean {
  return op === 'aggregate' || op === 'top';
}

/**
 * The event time below which no row of the step follows any more in a slot, once W of the step has come to `watermarkMs` there and the
 * rows of what it closed are made. No higher one would do: a row that is still to come may have just this time.
 *
 *     tumbling 10, lateness 3:   W 22 has closed [0, 10) and not [10, 20), so the next row is at 19, and at W 23 at 29
 */
export function watermarkOfRows(step: CompiledStep, watermarkMs: number): number {
  // When the streams are over, so are the rows.
  if (watermarkMs === Number.NEGATIVE_INFINITY || watermarkMs >= endOfStreamMs) return watermarkMs;
  switch (step.op) {
    case 'aggregate': {
      const { window, allowedLatenessMs } = step.plan;
      // Sessions that end just now are still open (see `SessionAggregate`).
      // Of every n records the last may be at this time; a session ends where the next record at its end would have joined it.
      if (isOrdered(window)) return watermarkMs - allowedLatenessMs - (window.kind === 'session' ? 1 : 0);
      if (window.kind === 'session') return watermarkMs - Math.max(allowedLatenessMs, 1);
      const closedMs = watermarkMs - allowedLatenessMs;
      return gridOf(window as AlignedWindow).nextEnd(closedMs) - 1;
    }
    case 'join': {
      const { kind, lowerMs, upperMs, allowedLatenessMs } = step.plan;
      // Nothing is late for it, and nothing is waited for: only a pair of two records that are older has a time before W.
      if (allowedLatenessMs === foreverMs) return watermarkMs;
      // A record that stays alone gives its row only when nothing can join it any more.
      const waitMs = kind === 'inner' ? 0 : Math.max(0, upperMs, kind === 'full' ? -lowerMs : 0);
      return watermarkMs - allowedLatenessMs - waitMs;
    }
    case 'process':
      // Timers are set for later than what sets them.
      return watermarkMs - step.plan.allowedLatenessMs;
    case 'top':
      return watermarkMs;
    case 'running':
    case 'select':
      // They take what is late, and what it leads to is late behind them.
      return watermarkMs;
  }
}

/** The row as the callbacks behind the step see it. */
export function valueOfRow({ op, plan }: CompiledStep, row: Row): Readonly<Record<string, unknown>> {
  if (hasWindow(op)) {
    const { windowStartMs, windowEndMs } = row;
    const bounds = { windowStart: new Date(windowStartMs), windowEnd: new Date(windowEndMs) };
    return { ...decodeKey(row.key), ...bounds, ...row.columns };
  }
  const value: Record<string, unknown> = { ...decodeKey(row.key), ...row.columns };
  for (const column of timeColumnsOf(plan)) value[column] = dateOf(value[column]);
  return value;
}

function dateOf(text: unknown): Date | null {
  return typeof text === 'string' ? new Date(text) : null;
}

/**
 * The one order in which the rows of a block go on, by window, key and id, which no two rows of a view share: state that was restored holds
 * keys in another order than state that has grown, and both must give a row the same position (rule 2) and the same file.
 */
export function compareRows(a: Row, b: Row): number {
  return (
    a.windowStartMs - b.windowStartMs ||
    a.windowEndMs - b.windowEndMs ||
    compareTexts(a.key, b.key) ||
    compareTexts(a.id ?? '', b.id ?? '')
  );
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a === b ? 0 : 1;
}
