import { expect, test } from 'vitest';
import { days, hours, minutes, seconds } from '#shared/pipeline/index.ts';

test('a duration with decimals that is a whole number of milliseconds is that number', () => {
  const units = [
    [seconds, 1_000],
    [minutes, 60_000],
    [hours, 3_600_000],
    [days, 86_400_000],
  ] as const;
  for (const [of, unitMs] of units)
    for (let thousandths = -1_000; thousandths < 20_000; thousandths += 1) {
      const exactMs = (thousandths * unitMs) / 1_000;
      expect(of(thousandths / 1_000) - exactMs).toBe(0);
    }
});

test('what is no whole number of milliseconds stays what it is', () => {
  expect([seconds(0.0005), seconds(Number.NaN), seconds(Number.POSITIVE_INFINITY)]).toEqual([
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ]);
});
