import { expect, test } from 'vitest';
import { fuzzTimeoutMs } from '../shared/fuzz.ts';
import { targets, tryTarget } from './targets.ts';

test.each(targets.map((target) => [target.name, target] as const))(
  '%s takes any input, and agrees with what it is compared with',
  (_, target) => {
    expect(tryTarget(target, { seed: 1, runs: 1_000 })).toBeUndefined();
  },
  fuzzTimeoutMs,
);

test('a target that is wrong says at which seed', () => {
  const wrong = {
    name: 'wrong',
    group: 'none',
    tryOne: ({ below }: { below: (end: number) => number }) => {
      if (below(4) === 0) throw new Error('crash');
    },
  };
  const failure = tryTarget(wrong, { seed: 1, runs: 100 });
  expect(failure).toMatchObject({ seed: expect.any(Number), error: new Error('crash') });
  expect(tryTarget(wrong, { seed: failure?.seed as number, runs: 1 })).toEqual(failure);
});
