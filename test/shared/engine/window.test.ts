import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { alignDown, isClosed, lastStart, windowStarts } from '#shared/engine/window.ts';
import { milliseconds, sliding, tumbling } from '#shared/pipeline/index.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';

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

describe('windowStarts', () => {
  test('a record at the window end belongs to the next window', () => {
    expect(windowStarts(tumbling(milliseconds(10)), 10)).toEqual([10]);
  });

  test('a record at the window start belongs to the window', () => {
    expect(windowStarts(tumbling(milliseconds(10)), 0)).toEqual([0]);
  });

  test('windows before 1970 are aligned downwards too', () => {
    expect(windowStarts(tumbling(milliseconds(10)), -1)).toEqual([-10]);
  });

  test('a record before 1970 at a start belongs to the window that starts there', () => {
    expect(windowStarts(tumbling(milliseconds(10)), -10)).toEqual([-10]);
  });

  test('a record in overlapping windows is in all of them, the earliest first', () => {
    expect(windowStarts(tenEveryFive, 7)).toEqual([0, 5]);
  });

  test('a record just before 1970 is in windows on both sides', () => {
    expect(windowStarts(tenEveryFive, -1)).toEqual([-10, -5]);
  });

  test('a size that is no multiple of the slide holds some records once more than others', () => {
    const window = sliding(milliseconds(10), { every: milliseconds(8) });
    expect([windowStarts(window, 8), windowStarts(window, 12)]).toEqual([[0, 8], [8]]);
  });

  test('gives no -0, which would be another window to a test and to Object.is', () => {
    expect(
      [-0, 0, 1, 9].flatMap((timeMs) => windowStarts(tenEveryFive, timeMs)).some((start) => Object.is(start, -0)),
    ).toBe(false);
  });

  test('is what asking every window gives', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(anySliding, anyTime, (window, timeMs) => {
        expect(windowStarts(window, timeMs)).toEqual(naiveStarts(window, timeMs));
      }),
      { numRuns: 10_000 },
    );
  });

  test('ends with lastStart', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(anySliding, anyTime, (window, timeMs) => {
        expect(windowStarts(window, timeMs).at(-1)).toBe(lastStart(window, timeMs));
      }),
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
