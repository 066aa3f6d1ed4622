import type { CalendarWindow } from '#shared/pipeline/window.ts';

/**
 * The calendar window that holds a time, found naively: what the clock on the wall says is asked moment by moment, and a unit begins with the
 * first moment that has a date of it. Apart from the engine: Intl is asked for labels, and no offset is computed.
 */
export function calendarWindowAt(window: CalendarWindow, timeMs: number): Range {
  const name = JSON.stringify(window);
  const known = found.get(name) ?? [];
  found.set(name, known);
  let range = known.find(([startMs, endMs]) => timeMs >= startMs && timeMs < endMs);
  if (range === undefined) {
    range = findWindow(window, timeMs);
    known.push(range);
  }
  return range;
}

type Range = readonly [startMs: number, endMs: number];
/** Looking for one takes a millisecond. */
const found = new Map<string, Range[]>();

function findWindow(window: CalendarWindow, timeMs: number): Range {
  const unitAt = unitReader(window);
  const own = unitAt(timeMs);
  // Two days on either side hold the edges of every day; a week and a month are as many days more.
  const reachMs = { day: 2, week: 9, month: 33 }[window.unit] * 86_400_000;
  // Where clocks are put back over midnight a later unit may have begun already: the newest that was ever seen counts.
  const newest = latestBefore(unitAt, timeMs, own);
  return [
    firstMomentOf((unit) => unit >= newest, unitAt, timeMs - reachMs, timeMs),
    firstMomentOf((unit) => unit > newest, unitAt, timeMs, timeMs + reachMs),
  ];
}

/** The highest unit on the wall up to `timeMs`: clocks are put back by three hours at most, minute by minute. */
function latestBefore(unitAt: (timeMs: number) => string, timeMs: number, own: string): string {
  let newest = own;
  for (let back = 0; back <= 180; back += 1) {
    const unit = unitAt(timeMs - back * 60_000);
    if (unit > newest) newest = unit;
  }
  return newest;
}

/** The first time in (fromMs, toMs] from which on a unit is reached. `isReached` is false at `fromMs`. Looks by minutes first. */
function firstMomentOf(
  isReached: (unit: string) => boolean,
  unitAt: (timeMs: number) => string,
  fromMs: number,
  toMs: number,
): number {
  // Halving finds an edge; one that comes twice (an hour that is repeated) is looked for minute by minute before it.
  let before = fromMs;
  let after = toMs;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (isReached(unitAt(middle))) after = middle;
    else before = middle;
  }
  let first = after;
  for (let back = 1; back <= 180; back += 1) {
    const at = after - back * 60_000;
    if (at > fromMs && isReached(unitAt(at))) first = at;
  }
  // From the earliest minute that has reached it, back to its first millisecond.
  while (first - 1 > fromMs && first !== after && isReached(unitAt(first - 1))) first -= 1;
  return first;
}

/** Gives a text for the unit that a moment is in, by its date on the wall; later units have greater texts. */
function unitReader({ unit, timeZone, weekStart }: CalendarWindow): (timeMs: number) => string {
  const format = formatOf(timeZone);
  return (timeMs) => {
    const parts = new Map(format.formatToParts(timeMs).map(({ type, value }) => [type, value]));
    const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
    // A day's number, whatever the zone: the days since 1970 of its date.
    const day = Math.round(Date.UTC(number('year'), number('month') - 1, number('day')) / 86_400_000);
    if (unit === 'month') return String(number('year') * 12 + number('month')).padStart(9, '0');
    // 1 January 1970 was a Thursday.
    const shift = weekStart === 'sunday' ? 4 : 3;
    return String((unit === 'week' ? Math.floor((day + shift) / 7) : day) + 1_000_000).padStart(9, '0');
  };
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-u-ca-iso8601-nu-latn', {
      timeZone,
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
    });
    formats.set(timeZone, format);
  }
  return format;
}
