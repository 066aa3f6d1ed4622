import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyPlaces } from '#shared/engine/keys/key-places.ts';

test('each key is found at its place, and no other key is', () => {
  const texts = fc.oneof(fc.string({ maxLength: 3 }), fc.ipV4(), fc.string({ unit: 'binary', maxLength: 20 }));
  fc.assert(
    fc.property(fc.uniqueArray(texts, { maxLength: 300, size: 'max' }), fc.array(texts), (held, others) => {
      const keys: string[] = [];
      const places = new KeyPlaces(keys);
      for (const key of held) {
        expect(places.get(key)).toBeUndefined();
        expect(places.take(key)).toBe(keys.length - 1);
        expect(places.take(key)).toBe(keys.length - 1);
      }
      expect(keys).toEqual(held);
      for (const key of [...held, ...others])
        expect(places.get(key)).toBe(held.includes(key) ? held.indexOf(key) : undefined);
    }),
    { numRuns: 200 },
  );
});

test('keys that others put behind the last are found like those that were looked for', () => {
  const added = fc.record({ key: fc.stringMatching(/^[a-c]{0,3}$/), isLookedFor: fc.boolean() });
  fc.assert(
    fc.property(fc.array(added, { maxLength: 200, size: 'max' }), (all) => {
      const keys: string[] = [];
      const places = new KeyPlaces(keys);
      for (const { key, isLookedFor } of all) {
        if (isLookedFor) expect(keys[places.take(key)]).toBe(key);
        else if (!keys.includes(key)) keys.push(key);
      }
      expect(new Set(keys).size).toBe(keys.length);
      for (const { key } of all) expect(places.get(key)).toBe(keys.indexOf(key));
    }),
  );
});

test('the places of keys that others put there are found some at a time', () => {
  const keys = Array.from({ length: 1_000 }, (_, index) => `key ${index}`);
  let looks = 0;
  const looked = new Proxy(keys, {
    get: (target, name, receiver) => {
      if (name !== 'length') looks += 1;
      return Reflect.get(target, name, receiver);
    },
  });
  const places = new KeyPlaces(looked);
  for (let times = 0; times < 100; times += 1) {
    looks = 0;
    places.work(10);
    expect(looks).toBe(10);
  }
  places.work(10);
  looks = 0;
  expect(places.get('key 999')).toBe(999);
  expect(looks).toBeLessThan(10);
});

test('keys that were chosen to meet take no longer than others', () => {
  const pairs = pairsThatMeet();
  const chosen = Array.from({ length: 2 ** pairs.length }, (_, number) =>
    pairs.map((pair, bit) => pair[(number >> bit) & 1]).join(''),
  );
  const keys: string[] = [];
  let looks = 0;
  const places = new KeyPlaces(
    new Proxy(keys, {
      get: (target, name, receiver) => {
        looks += 1;
        return Reflect.get(target, name, receiver);
      },
    }),
  );
  for (const [at, key] of chosen.entries()) {
    if (at % 2 === 0) places.take(key);
    else keys.push(key);
  }
  places.get('');
  looks = 0;
  for (const [at, key] of chosen.entries()) expect(places.get(key)).toBe(at);
  expect(looks).toBeLessThan(2 * chosen.length);
});

/** Of each pair either text leads the hash to the same: whoever knows it can make any number of keys that have one. */
function pairsThatMeet(): readonly (readonly [string, string])[] {
  const pairs: [string, string][] = [];
  const pairsMax = 8;
  let hash = 2 * pairsMax;
  const step = (text: string): number =>
    Math.imul(Math.imul(hash ^ text.charCodeAt(0), 0x01000193) ^ text.charCodeAt(1), 0x01000193);
  while (pairs.length < pairsMax) {
    const seen = new Map<number, string>();
    for (let number = 0; ; number += 1) {
      const text = String.fromCharCode(number & 0xffff, 0x9e37 * (number >> 16) + 0x100);
      const known = seen.get(step(text));
      seen.set(step(text), text);
      if (known === undefined) continue;
      pairs.push([known, text]);
      hash = step(text);
      break;
    }
  }
  return pairs;
}
