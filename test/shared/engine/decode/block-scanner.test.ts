import { expect, test } from 'vitest';
import { BlockScanner } from '#shared/engine/decode/block-scanner.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';

/** A block of one route. */
function blockOf(keys: readonly string[], slot = 0): Buffer {
  return Buffer.from(JSON.stringify({ version: 1, slot, routes: [{ route: 'r', keys }] }));
}

function numbersOf(scanner: BlockScanner, keys: readonly string[], slot?: number) {
  const scanned = scanner.scan(blockOf(keys, slot));
  expect(scanned?.value).toMatchObject({ routes: [{ keys }] });
  return scanned?.keyNumbers[0];
}

test('a key has one number in all blocks of its slot, and is one string', () => {
  const scanner = new BlockScanner(decodeTools);
  const first = numbersOf(scanner, ['a', 'b']);
  expect(first?.ids).toEqual([0, 1]);
  const second = numbersOf(scanner, ['b', 'c', 'a']);
  expect(second).toEqual({ ids: [1, 2, 0], space: first?.space });
  expect(second?.space).toBe(first?.space);
  expect(numbersOf(scanner, ['b'], 1)?.space).not.toBe(first?.space);
});

test('keys that are not plain, empty or very long have no numbers, and neither have those beside them', () => {
  const scanner = new BlockScanner(decodeTools);
  for (const odd of ['ü', 'a"b', '', 'x'.repeat(200)]) expect(numbersOf(scanner, ['a', odd, 'b'])).toBeUndefined();
  expect(numbersOf(scanner, ['a'])?.ids).toEqual([0]);
});

test('more keys than are remembered are numbered anew, in another space', () => {
  const scanner = new BlockScanner(decodeTools);
  const spaces = new Map<object, Map<number, string>>();
  for (let turn = 0; turn < 400; turn += 1) {
    // Each comes some times before it is forgotten.
    const from = 1_000 * Math.floor(turn / 5);
    const keys = Array.from({ length: 1_000 }, (_, index) => `key=${from + index}`);
    const numbers = numbersOf(scanner, keys);
    // The block in which they were forgotten.
    if (numbers === undefined) continue;
    const known = spaces.get(numbers.space) ?? new Map<number, string>();
    spaces.set(numbers.space, known);
    for (const [place, id] of numbers.ids.entries()) {
      expect(known.get(id) ?? keys[place]).toBe(keys[place]);
      known.set(id, keys[place] as string);
    }
  }
  expect(spaces.size).toBeGreaterThan(1);
  expect(Math.max(...[...spaces.values()].map(({ size }) => size))).toBeLessThan(40_000);
});

test('where keys hardly ever come again blocks are left to JSON.parse for a while', () => {
  const scanner = new BlockScanner(decodeTools);
  const scan = (from: number, keyCount = 1_000) =>
    scanner.scan(blockOf(Array.from({ length: keyCount }, (_, index) => `key=${from + index}`)));
  let from = 0;
  while (scan(from) !== undefined) from += 1_000;
  expect(from).toBeGreaterThan(30_000);
  expect(from).toBeLessThan(70_000);
  expect(scanner.scan(blockOf(['a'], 1))?.keyNumbers[0]?.ids).toEqual([0]);
  let left = 1;
  while (scan(from, 200_000) === undefined) left += 1;
  expect(left).toBeGreaterThan(10);
  expect(left).toBeLessThan(50);
});

test.each([
  ['with escapes', '{"routes":[{"route":"\\u00fc\\n","columns":[["ü","a\\"b"]]}]}'],
  ['with numbers of all kinds', '{"routes":[{"sub":[0,-0,1,-5,0.5,1e3,123456789,1234567890,9007199254740993,1e400]}]}'],
  [
    'whose columns hold any JSON',
    '{"routes":[{"columns":[[null,true,false,{"a":[{}]},[],"",{"keys":[1],"route":2}]]}]}',
  ],
  ['with names that come twice', '{"slot":1,"routes":[],"slot":2,"2":1,"1":2}'],
  ['of shards with the names of members', '{"origin":{"roster":{"keys":[],"columns":["a"]}},"routes":[]}'],
])('JSON %s is as JSON.parse reads it', (_, json) => {
  const scanned = new BlockScanner(decodeTools).scan(Buffer.from(json));
  expect(scanned?.value).toEqual(JSON.parse(json));
  expect(JSON.stringify(scanned?.value)).toBe(JSON.stringify(JSON.parse(json)));
});

test.each([
  '',
  '{',
  '{}x',
  '{"a":01}',
  '{"a":1,}',
  '{"a":"b',
  '{"a":"\\"}',
  '{"a":nul}',
  '{"a":tru}',
  '{"a":-}',
  '{"a" :1}',
  '{"routes":[{"keys":[1]}]}',
  '{"routes":[{"keys":["a"',
  '{"__proto__":1}',
  '[1,2',
  '[1 ,2]',
  `${'['.repeat(100)}${']'.repeat(100)}`,
])('%j is left to JSON.parse', (json) => {
  expect(new BlockScanner(decodeTools).scan(Buffer.from(json))).toBeUndefined();
});
