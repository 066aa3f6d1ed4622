import { expect, test } from 'vitest';
import { plainFields } from '#shared/adapters/telemetry/quietly.ts';

test('a circle is cut where it closes, and the same thing twice is no circle', () => {
  const inner = { a: 1 };
  const circle: Record<string, unknown> = { inner, again: inner };
  circle['self'] = circle;
  expect(plainFields({ circle })).toEqual({ circle: { inner, again: inner, self: '[circular]' } });
});

test('what is very deep is cut', () => {
  let deep: unknown = 'end';
  for (let depth = 0; depth < 10_000; depth += 1) deep = { deep };
  expect(JSON.stringify(plainFields({ deep }))).toContain('[deep]');
});

test('a number of any size is written as its digits', () => {
  expect(plainFields({ big: 2n ** 70n })).toEqual({ big: '1180591620717411303424' });
});

test('what knows its JSON is written as that', () => {
  expect(plainFields({ at: new Date(0) })).toEqual({ at: '1970-01-01T00:00:00.000Z' });
});
