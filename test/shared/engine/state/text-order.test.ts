import fc from 'fast-check';
import { expect, test } from 'vitest';
import { orderNumbers, orderTexts } from '#shared/engine/state/text-order.ts';

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: fc.constantFrom('\0', '\u0001', 'a', 'b', '~', '\u007f', '\u0080', '\uffff'), maxLength: 10 }),
  fc.ipV4(),
);

test('numbers never say otherwise than the texts', () => {
  fc.assert(
    fc.property(fc.array(texts, { maxLength: 8 }), fc.constantFrom('', 'ip=', 'é'), (ends, start) => {
      const all = ends.map((end) => `${start}${end}`);
      const numbers = orderNumbers(all);
      for (const [a, textA] of all.entries())
        for (const [b, textB] of all.entries())
          if ((numbers[a] as number) < (numbers[b] as number)) expect(textA < textB).toBe(true);
    }),
    { numRuns: 5_000 },
  );
});

test('numbers tell most texts apart', () => {
  const ips = ['ip=10.0.0.1', 'ip=10.0.1.1', 'ip=9.9.9.9', 'ip=10.0', 'ip=1'];
  expect(new Set(orderNumbers(ips)).size).toBe(ips.length);
  // Fourteen characters of twelve kinds, the last of which decides.
  const whole = ['ip=203.119.13.200', 'ip=203.119.13.201', 'ip=198.51.46.7'];
  expect(new Set(orderNumbers(whole)).size).toBe(whole.length);
});

test('texts are put in the order in which they sort', () => {
  fc.assert(
    fc.property(fc.array(texts, { maxLength: 40 }), fc.constantFrom('', 'ip=10.', 'é'), (ends, start) => {
      const all = ends.map((end) => `${start}${end}`);
      expect([...orderTexts(all)].map((place) => all[place])).toEqual([...all].sort());
    }),
    { numRuns: 2_000 },
  );
});
