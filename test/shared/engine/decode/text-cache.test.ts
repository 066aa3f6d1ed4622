import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scanText } from '#shared/engine/decode/json-values.ts';
import { TextCache } from '#shared/engine/decode/text-cache.ts';
import { slotOf } from '#shared/engine/keys/key.ts';
import { KeyDictionary } from '#shared/engine/keys/key-dictionary.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { encodeKey } from '#shared/schemas/key.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';

const texts = fc.string({ unit: 'grapheme-ascii', maxLength: 60 }).filter((text) => !/["\\]/.test(text));

function read(cache: TextCache, text: string): string | undefined {
  return scan(cache, Buffer.from(`${text}"\n`));
}

function scan(cache: TextCache, bytes: Buffer): string | undefined {
  return scanText(bytes, 0, { at: 0 }, cache, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

test('a text is the one that its bytes say, and has one number, which no other has', { timeout: fuzzTimeoutMs }, () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(texts, fc.constantFrom('1.2.3.4', '1.2.3.40')), size), (all) => {
      const cache = new TextCache(decodeTools.ascii);
      cache.keepsAll = true;
      const numbers = new Map<string, number>();
      for (const text of all) {
        expect(read(cache, text)).toBe(text);
        if (text === '' || text.length > cache.lengthMax) continue;
        expect(cache.last).toBe(text);
        expect(cache.lastIndex).toBe(numbers.get(text) ?? numbers.size);
        numbers.set(text, cache.lastIndex);
      }
    }),
    { numRuns: 100 },
  );
});

const size = { maxLength: 400, size: 'max' } as const;

test('texts that were chosen to meet are kept up to a few, and are keys like others', () => {
  const cache = new TextCache(decodeTools.ascii);
  const dictionary = new KeyDictionary(8, new Set());
  dictionary.lookUpIn([cache]);
  const numbers = new Set<number>();
  for (let turn = 0; turn < 2; turn += 1)
    for (const text of textsThatMeet(2_000)) {
      expect(read(cache, text)).toBe(text);
      const found = dictionary.find({ text });
      expect(found).toMatchObject({ text: encodeKey({ text }), slot: slotOf(encodeKey({ text }), 8) });
      numbers.add(cache.lastIndex);
    }
  expect(numbers.size).toBeLessThan(200);
});

test('keys are found when all texts were forgotten, and have other numbers', { timeout: fuzzTimeoutMs }, () => {
  const cache = new TextCache(decodeTools.ascii);
  const dictionary = new KeyDictionary(8, new Set());
  dictionary.lookUpIn([cache]);
  const find = (text: string): string => {
    read(cache, text);
    return `${dictionary.find({ text }).text} ${dictionary.find({ text }).slot}`;
  };
  const expected = (text: string): string => `text=${text} ${slotOf(`text=${text}`, 8)}`;
  for (const text of ['a', 'b', 'c']) expect(find(text)).toBe(expected(text));
  const bytes = Buffer.from('00000000"\n');
  for (let count = 0; cache.epoch === 0; count += 1) {
    bytes.write(count.toString(36), 'latin1');
    scan(cache, bytes);
  }
  for (const text of ['c', 'd', 'a', 'c']) expect(find(text)).toBe(expected(text));
  expect(cache.epoch).toBe(1);
});

/** Texts of two words, the second of which leads each to the same hash. */
function textsThatMeet(count: number): readonly string[] {
  const met: string[] = [];
  const meetingPoint = 0x2f3d1a5b;
  const bytes = Buffer.alloc(8);
  for (let number = 0; met.length < count; number += 1) {
    for (let at = 0; at < 4; at += 1) bytes[at] = 0x30 + ((number >> (5 * at)) & 31);
    const product = Math.imul(bytes.readInt32LE(0), 0x85ebca6b);
    bytes.writeInt32LE(product ^ (product >>> 15) ^ meetingPoint, 4);
    if (bytes.subarray(4).every((byte) => byte > 0x30 && byte < 0x7b && byte !== 0x5c))
      met.push(bytes.toString('latin1'));
  }
  return met;
}
