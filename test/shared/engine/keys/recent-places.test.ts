import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KeySpace } from '#shared/engine/keys/key.ts';
import { absent, RecentPlaces, type SeenKeys, unknown, unseen } from '#shared/engine/keys/recent-places.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';

interface TestSlice {
  keys: string[];
  seen: SeenKeys;
}

type Step =
  | { readonly kind: 'key'; readonly slice: number; readonly space: number; readonly key: string }
  | { readonly kind: 'number anew'; readonly space: number }
  | { readonly kind: 'empty'; readonly slice: number };

const slice = fc.nat({ max: 2 });
const space = fc.nat({ max: 1 });
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    {
      weight: 20,
      arbitrary: fc.record({
        kind: fc.constant('key'),
        slice,
        space,
        key: fc.constantFrom(...Array.from({ length: 20 }, (_, index) => `key=${index}`)),
      }),
    } as never,
    fc.record({ kind: fc.constant('number anew'), space }),
    fc.record({ kind: fc.constant('empty'), slice }),
  ),
  { maxLength: 300, size: 'max' },
);

test('a place is that of the key in its slice, whoever numbers keys and however often', {
  timeout: fuzzTimeoutMs,
}, () => {
  let knownCount = 0;
  let absentCount = 0;
  fc.assert(
    fc.property(steps, (all) => {
      const recent = new RecentPlaces(() => undefined);
      const slices: TestSlice[] = [0, 1, 2].map(() => ({ keys: [], seen: unseen }));
      const newSpace = () => ({ space: { isOneToOne: true }, ids: new Map<string, number>() });
      const spaces = [newSpace(), newSpace()];
      for (const step of all) {
        if (step.kind === 'number anew') {
          spaces[step.space] = newSpace();
          continue;
        }
        const at = slices[step.slice] as TestSlice;
        if (step.kind === 'empty') {
          at.keys = [];
          at.seen = unseen;
          continue;
        }
        const { ids, space: own } = spaces[step.space] as (typeof spaces)[number];
        const id = ids.get(step.key) ?? ids.size;
        ids.set(step.key, id);
        const key = { text: step.key, id, space: own };
        const known = recent.placeOf(at, key);
        if (known === absent) {
          absentCount += 1;
          expect(at.keys).not.toContain(step.key);
        }
        if (known === unknown || known === absent) {
          if (!at.keys.includes(step.key)) at.keys.push(step.key);
          recent.note(at, key, at.keys.indexOf(step.key));
        } else {
          knownCount += 1;
          expect(at.keys[known]).toBe(step.key);
        }
      }
    }),
    { numRuns: 300 },
  );
  expect(knownCount).toBeGreaterThan(1_000);
  expect(absentCount).toBeGreaterThan(1_000);
});

test('a place that is known by its stamp is found without the text of the key', () => {
  const recent = new RecentPlaces(() => undefined);
  const slice = { keys: ['key=a'], seen: unseen };
  const key = {
    get text(): string {
      throw new Error('the text was asked for');
    },
    id: 7,
    space: {},
  };
  recent.note(slice, key, 0);
  expect(recent.placeOf(slice, key)).toBe(0);
});

test('where a key may have two numbers it is never said to be absent', () => {
  const recent = new RecentPlaces(() => undefined);
  const slice = { keys: ['key=b'], seen: unseen };
  const space = {};
  recent.note(slice, { text: 'key=b', id: 0, space }, 0);
  slice.keys.push('key=a');
  recent.note(slice, { text: 'key=a', id: 1, space }, 1);
  expect(recent.placeOf(slice, { text: 'key=a', id: 2, space })).toBe(unknown);
});

test('a space is told once who follows it, however often slices turn to it', () => {
  const recent = new RecentPlaces(() => undefined);
  const space: KeySpace = { isOneToOne: true };
  const followers = [
    { keys: ['key=a'], seen: unseen },
    { keys: ['key=a'], seen: unseen },
  ].map((slice) => {
    recent.note(slice, { text: 'key=a', id: 0, space }, 0);
    return space.follower;
  });
  expect(followers[0]?.deref()).toBe(recent);
  expect(followers[1]).toBe(followers[0]);
});
