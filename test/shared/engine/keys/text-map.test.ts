import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TextMap } from '#shared/engine/keys/text-map.ts';

test('finds what a Map finds', () => {
  const text = fc.oneof(fc.string({ maxLength: 2 }), fc.string({ unit: 'binary', maxLength: 20 }));
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.integer())), fc.array(text), (entries, others) => {
      const map = new Map<string, number>();
      const texts = new TextMap<number>();
      for (const [name, value] of entries) {
        map.set(name, value);
        texts.set(name, value);
      }
      expect(texts.size).toBe(map.size);
      for (const name of [...map.keys(), ...others]) expect(texts.get(name)).toBe(map.get(name));
    }),
  );
});
