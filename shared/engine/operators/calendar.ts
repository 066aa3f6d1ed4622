import { Temporal } from 'temporal-polyfill';
import type { CalendarWindow } from '#shared/pipeline/window.ts';
import { alignDown, type WindowGrid, type WindowRange } from './window.ts';

/**
 * Days, weeks and months of a place, known by their starts. A unit begins with the first moment of its first day there, and ends where the next
 * one begins; so they lie side by side whatever is done to the clocks, and every moment is in one of them. Where clocks are put back over
 * midnight, the hour that comes again belongs to the day that has begun.
 *
 *     Europe/Berlin, 2024:   [30 Mar 23:00Z -------- 31 Mar 22:00Z)   23 hours
 *
 * Which offset holds when is asked of the runtime's own time zone data, through Temporal. A bound costs some microseconds, so those of the
 * days that were asked for are kept.
 */
export function calendarGrid(window: CalendarWindow): WindowGrid {
  const rangesOfDay = new Map<number, readonly WindowRange[]>();
  let last: WindowRange = { startMs: 0, endMs: 0 };
  const at = (timeMs: number): WindowRange => {
    // Records of one window come together.
    if (timeMs >= last.startMs && timeMs < last.endMs) return last;
    const dayMs = alignDown(timeMs, utcDayMs);
    let ranges = rangesOfDay.get(dayMs);
    if (ranges === undefined) {
      if (rangesOfDay.size >= daysKeptMax) rangesOfDay.clear();
      ranges = rangesIn(window, dayMs, dayMs + utcDayMs);
      rangesOfDay.set(dayMs, ranges);
    }
    last = ranges.find(({ endMs }) => timeMs < endMs) as WindowRange;
    return last;
  };
  return {
    sliceStart: (timeMs) => at(timeMs).startMs,
    sliceEnd: (sliceStartMs) => at(sliceStartMs).endMs,
    namesAt: (timeMs) => [at(timeMs).startMs],
    // A window that was begun under other rules for the clocks keeps its name, and ends where the next one begins under those of today.
    rangeOf: (startMs) => ({ startMs, endMs: at(startMs).endMs }),
    lastEnd: (timeMs) => at(timeMs).endMs,
    nextEnd: (timeMs) => at(timeMs).endMs,
    startOf: (endMs) => at(endMs - 1).startMs,
  };
}

const utcDayMs = 86_400_000;
/** Of a replay that jumps about in time. */
const daysKeptMax = 1_000;

/** The windows that have a part in [fromMs, toMs), in their order. */
function rangesIn(window: CalendarWindow, fromMs: number, toMs: number): readonly WindowRange[] {
  const { timeZone } = window;
  const momentOf = (date: Temporal.PlainDate): number => date.toZonedDateTime(timeZone).epochMilliseconds;
  const local = Temporal.Instant.fromEpochMilliseconds(fromMs).toZonedDateTimeISO(timeZone).toPlainDate();
  let date = firstDay(window, local);
  let startMs = momentOf(date);
  const ranges: WindowRange[] = [];
  while (startMs < toMs) {
    date = date.add(lengths[window.unit]);
    const endMs = momentOf(date);
    // A day that was skipped ends where it begins. Before a moment whose date comes again, the next day may have begun.
    if (endMs > startMs && endMs > fromMs) ranges.push({ startMs, endMs });
    startMs = endMs;
  }
  return ranges;
}

const lengths = { day: { days: 1 }, week: { weeks: 1 }, month: { months: 1 } } as const;

function firstDay({ unit, weekStart }: CalendarWindow, date: Temporal.PlainDate): Temporal.PlainDate {
  switch (unit) {
    case 'day':
      return date;
    case 'week':
      // Monday is 1, Sunday 7.
      return date.subtract({ days: weekStart === 'sunday' ? date.dayOfWeek % 7 : date.dayOfWeek - 1 });
    case 'month':
      return date.with({ day: 1 });
  }
}
