import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { milliseconds, sliding, tumbling } from '#shared/pipeline/index.ts';
import { sliceOf } from '#shared/pipeline/window.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';

describe('sliceOf', () => {
  test.each([
    [10, 5, 5],
    [10, 10, 10],
    [10, 4, 2],
    [7, 5, 1],
  ])('of windows of %d every %d is %d', (size, every, slice) => {
    expect(sliceOf(sliding(milliseconds(size), { every: milliseconds(every) }))).toBe(slice);
  });

  test('of windows side by side is the window', () => {
    expect(sliceOf(tumbling(milliseconds(10)))).toBe(10);
  });

  test('is the longest that divides every start and every end', { timeout: fuzzTimeoutMs }, () => {
    const anyMs = fc.integer({ min: 1, max: 200 });
    fc.assert(
      fc.property(anyMs, anyMs, (sizeMs, slideMs) => {
        const dividing = Array.from({ length: 200 }, (_, index) => index + 1).filter(
          (ms) => sizeMs % ms === 0 && slideMs % ms === 0,
        );
        expect(sliceOf({ kind: 'sliding', sizeMs, slideMs })).toBe(dividing.at(-1));
      }),
      { numRuns: 2_000 },
    );
  });
});
