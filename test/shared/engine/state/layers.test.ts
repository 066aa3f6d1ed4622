import { expect, test } from 'vitest';
import { type Codec, entriesOf, MemoryLayer } from '#shared/engine/state/layers.ts';

const codec: Codec<number> = {
  encode: (value) => value,
  decode: (encoded) => encoded as number,
  isGone: () => false,
};

test('one layer in memory is read from front to back, and none of its keys is looked up', () => {
  const layer = new MemoryLayer<number>({
    part: 0,
    touchedMs: 0,
    keys: ['b', 'a'],
    valueAt: (place) => 10 * place,
    valueOf: (key) => {
      throw new Error(`${key} was looked up`);
    },
  });
  expect([...entriesOf([layer], codec)]).toEqual([
    ['b', { value: 0 }],
    ['a', { value: 10 }],
  ]);
});
