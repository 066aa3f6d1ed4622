import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventTimeMsMax, eventTimeMsMin } from '#shared/engine/decode/decode.ts';
import { alignDown, gridOf, isClosed } from '#shared/engine/operators/window.ts';
import { type AlignedWindow, calendar, cumulative, milliseconds, sliding, tumbling } from '#shared/pipeline/index.ts';
import type { AggregatePlan } from '#shared/pipeline/plan.ts';
import { allTime } from '#shared/pipeline/window.ts';
import { windowsAt } from '#shared/testing/window-oracle.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';

const tenEveryFive = sliding(milliseconds(10), { every: milliseconds(5) });
const anySliding = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }))
  .map(([a, b]) => sliding(milliseconds(Math.max(a, b)), { every: milliseconds(Math.min(a, b)) }));
const anyTime = fc.oneof(
  fc.integer({ min: -200, max: 200 }),
  fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }),
);

/** Every start that holds the time, by asking each multiple of the slide. */
function naiveStarts(window: ReturnType<typeof sliding>, timeMs: number): readonly number[] {
  const { sizeMs, slideMs } = window;
  const starts: number[] = [];
  for (let index = Math.floor(timeMs / slideMs) - sizeMs; index <= Math.floor(timeMs / slideMs) + 1; index += 1) {
    const startMs = index * slideMs;
    if (startMs <= timeMs && timeMs < startMs + sizeMs) starts.push(startMs + 0);
  }
  return starts;
}

describe('the windows of a time', () => {
  test('a record at the window end belongs to the next window', () => {
    expect(gridOf(tumbling(milliseconds(10))).namesAt(10)).toEqual([10]);
  });

  test('a record at the window start belongs to the window', () => {
    expect(gridOf(tumbling(milliseconds(10))).namesAt(0)).toEqual([0]);
  });

  test('windows before 1970 are aligned downwards too', () => {
    expect(gridOf(tumbling(milliseconds(10))).namesAt(-1)).toEqual([-10]);
  });

  test('every time is in the one window of all time', () => {
    const grid = gridOf(allTime);
    const times = [eventTimeMsMin, -1, 0, 1, eventTimeMsMax];
    for (const timeMs of times) {
      expect([grid.namesAt(timeMs), grid.sliceStart(timeMs), grid.lastEnd(timeMs)]).toEqual([[0], 0, eventTimeMsMax]);
      expect(windowsAt({ window: allTime } as AggregatePlan, timeMs)).toEqual([[0, eventTimeMsMax]]);
    }
    // What older versions had put there.
    expect(grid.rangeOf(-eventTimeMsMax)).toEqual({ startMs: -eventTimeMsMax, endMs: 0 });
  });

  test('a record before 1970 at a start belongs to the window that starts there', () => {
    expect(gridOf(tumbling(milliseconds(10))).namesAt(-10)).toEqual([-10]);
  });

  test('a record in overlapping windows is in all of them, the earliest first', () => {
    expect(gridOf(tenEveryFive).namesAt(7)).toEqual([0, 5]);
  });

  test('a record just before 1970 is in windows on both sides', () => {
    expect(gridOf(tenEveryFive).namesAt(-1)).toEqual([-10, -5]);
  });

  test('a size that is no multiple of the slide holds some records once more than others', () => {
    const window = sliding(milliseconds(10), { every: milliseconds(8) });
    expect([gridOf(window).namesAt(8), gridOf(window).namesAt(12)]).toEqual([[0, 8], [8]]);
  });

  test('gives no -0, which would be another window to a test and to Object.is', () => {
    expect(
      [-0, 0, 1, 9].flatMap((timeMs) => gridOf(tenEveryFive).namesAt(timeMs)).some((start) => Object.is(start, -0)),
    ).toBe(false);
  });

  test('is what asking every window gives', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(anySliding, anyTime, (window, timeMs) => {
        expect(gridOf(window).namesAt(timeMs)).toEqual(naiveStarts(window, timeMs));
      }),
      { numRuns: 10_000 },
    );
  });
});

describe('alignDown', () => {
  test('gives the largest multiple at or below', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(anyTime, fc.integer({ min: 1, max: 1e9 }), (timeMs, step) => {
        const aligned = alignDown(timeMs, step);
        expect(aligned <= timeMs && timeMs < aligned + step && Math.abs(aligned % step) === 0).toBe(true);
      }),
      { numRuns: 10_000 },
    );
  });
});

const anyCumulative = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 20 }))
  .map(([step, steps]) => cumulative(milliseconds(step * steps), { step: milliseconds(step) }));
const anyCalendar = fc
  .tuple(
    fc.constantFrom('day', 'month', 'monday', 'sunday'),
    fc.constantFrom('Europe/Berlin', 'America/St_Johns', 'Pacific/Apia', 'UTC'),
  )
  .map(([unit, timeZone]) =>
    unit === 'day' || unit === 'month'
      ? calendar(unit, { timeZone })
      : calendar('week', { timeZone, weekStart: unit as 'monday' | 'sunday' }),
  );
const windowsWithTimes: fc.Arbitrary<readonly [AlignedWindow, number]> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.oneof(anySliding, anyCumulative), anyTime) },
  { weight: 1, arbitrary: fc.tuple(anyCalendar, fc.integer({ min: -1_000_000_000_000, max: 2_000_000_000_000 })) },
);

function naiveRanges(window: AlignedWindow, timeMs: number): readonly (readonly [number, number])[] {
  return windowsAt({ window } as AggregatePlan, timeMs);
}

describe('the grid of windows that all keys share', () => {
  test('has the windows that asking every window finds', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(windowsWithTimes, ([window, timeMs]) => {
        const grid = gridOf(window);
        const ranges = grid.namesAt(timeMs).map((name) => grid.rangeOf(name));
        expect(ranges.map(({ startMs, endMs }) => [startMs, endMs])).toEqual(naiveRanges(window, timeMs));
        expect(grid.lastEnd(timeMs)).toBe(Math.max(...ranges.map(({ endMs }) => endMs)));
        for (const { startMs, endMs } of ranges) expect(grid.startOf(endMs)).toBe(startMs);
      }),
      { numRuns: 5_000 },
    );
  });

  test('has slices side by side, whose times are all in the same windows', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(
        windowsWithTimes,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        ([window, timeMs], share) => {
          const grid = gridOf(window);
          const startMs = grid.sliceStart(timeMs);
          const endMs = grid.sliceEnd(startMs);
          expect(startMs <= timeMs && timeMs < endMs && grid.sliceStart(endMs) === endMs).toBe(true);
          const other = startMs + Math.floor(share * (endMs - startMs));
          expect([grid.sliceStart(other), grid.namesAt(other)]).toEqual([startMs, grid.namesAt(timeMs)]);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  test('knows which window ends next', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(windowsWithTimes, ([window, timeMs]) => {
        const grid = gridOf(window);
        const endMs = grid.nextEnd(timeMs);
        // Of all windows around, none ends between; and that one holds what comes just before its end.
        const ends = [timeMs, grid.sliceEnd(grid.sliceStart(timeMs)), endMs - 1].flatMap((at) =>
          naiveRanges(window, at).map(([, end]) => end),
        );
        expect(endMs).toBe(Math.min(...ends.filter((end) => end > timeMs)));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('cumulative windows', () => {
  test('begin together, and hold all that came since', () => {
    const grid = gridOf(cumulative(milliseconds(15), { step: milliseconds(5) }));
    expect(grid.namesAt(7).map((name) => grid.rangeOf(name))).toEqual([
      { startMs: 0, endMs: 10 },
      { startMs: 0, endMs: 15 },
    ]);
    expect(grid.namesAt(15).map((name) => grid.rangeOf(name).startMs)).toEqual([15, 15, 15]);
  });
});

describe('a window with end 10 and an allowed lateness of 5', () => {
  test.each([
    [14, false],
    [15, true],
    [16, true],
    [Number.NEGATIVE_INFINITY, false],
    [Number.POSITIVE_INFINITY, true],
  ])('is closed at watermark %d: %s', (watermark, closed) => {
    expect(isClosed(10, 5, watermark)).toBe(closed);
  });
});
