import { expect, test } from 'vitest';
import { SaveCadence } from '#shared/runtime/save-cadence.ts';

/** When state is stored of a minute in which it is asked about each millisecond. */
function storedAt(everyMs: number): readonly number[] {
  const cadence = new SaveCadence(everyMs, 0);
  const stored: number[] = [];
  for (let nowMs = 0; nowMs < 60_000; nowMs += 1) {
    if (!cadence.isDue(nowMs)) continue;
    stored.push(nowMs);
    cadence.note(nowMs);
  }
  return stored;
}

test('state is stored soon after the beginning, and then ever less often up to the cadence', () => {
  expect(storedAt(10_000)).toEqual([1_000, 3_000, 7_000, 15_000, 25_000, 35_000, 45_000, 55_000]);
});

test('a cadence that is shorter than the first time is kept from the beginning', () => {
  expect(storedAt(20_000).slice(0, 2)).toEqual([1_000, 3_000]);
  expect(storedAt(400).slice(0, 3)).toEqual([400, 800, 1_200]);
});
