import { Buffer } from 'node:buffer';
import { isDeepStrictEqual } from 'node:util';
import { BlockScanner } from '#shared/engine/decode/block-scanner.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { mutate } from './decoders.ts';
import { jsonOf } from './line-formats.ts';
import { numberText } from './scanned-values.ts';
import type { Draw, FuzzTarget } from './targets.ts';

/** One for all inputs: what it remembers of a block must be right in the next. */
const scanner = new BlockScanner(decodeTools);
/** By space, the key that each number is of. */
const keysOf = new WeakMap<object, Map<number, string>>();

/** What is scanned of a block must be what JSON.parse makes of the same bytes. */
export const blockTargets: readonly FuzzTarget[] = [{ name: 'scanned-block', group: 'scanner', tryOne: tryBlock }];

function tryBlock(draw: Draw): void {
  const json = Buffer.from(blockOf(draw));
  const bytes = draw.chance(0.6) ? json : Buffer.from(mutate(draw, json));
  const scanned = scanner.scan(bytes);
  if (scanned === undefined) return;
  const text = bytes.toString();
  // JSON.parse is no oracle for names with escapes: see `nameOf`.
  if (/\\[^,]*":/.test(text)) return;
  const expected: unknown = JSON.parse(text);
  if (!isDeepStrictEqual(scanned.value, expected) || JSON.stringify(scanned.value) !== JSON.stringify(expected))
    throw new Error(`${JSON.stringify(text)} is scanned as ${JSON.stringify(scanned.value)}`);
  const routes = (expected as { readonly routes?: unknown }).routes;
  for (const [index, numbers] of scanned.keyNumbers.entries()) {
    if (numbers === undefined) continue;
    const { keys } = (routes as readonly { readonly keys: readonly string[] }[])[index] ?? { keys: [] };
    const known = keysOf.get(numbers.space) ?? new Map<number, string>();
    keysOf.set(numbers.space, known);
    if (keys.length !== numbers.ids.length) throw new Error(`${text} has ${numbers.ids.length} numbers of keys`);
    for (const [place, key] of keys.entries()) {
      const id = numbers.ids[place] as number;
      if ((known.get(id) ?? key) !== key) throw new Error(`${id} is the number of ${key} and of ${known.get(id)}`);
      known.set(id, key);
    }
    if (new Set(known.values()).size !== known.size) throw new Error(`${text} gives a key two numbers`);
  }
}

/** Much as a block is, written by hand, since JSON.stringify does not write all that JSON.parse reads. */
function blockOf(draw: Draw): string {
  const list = (length: number, one: () => string): string => `[${Array.from({ length }, one).join(',')}]`;
  const count = draw.below(6);
  const integer = (): string => (draw.chance(0.1) ? numberText(draw) : String(draw.below(10 ** (1 + draw.below(14)))));
  const key = (): string => JSON.stringify(draw.chance(0.1) ? jsonOf(draw) : `ip=${draw.below(40)}`);
  const value = (): string => (draw.chance(0.5) ? integer() : JSON.stringify(jsonOf(draw)));
  const route = (): string =>
    `{"route":"r","sequences":${list(1, () => `"${draw.below(1e6)}"`)},"sub":${list(count, integer)},"keys":${list(count, key)},"key":${list(count, integer)},"columns":${list(draw.below(3), () => list(count, value))}}`;
  const origin = `{"shard":"s-1","to":["12",9007199254740991],"watermarkMs":${draw.pick(['null', '-1', '1e3'])},"roster":{"keys":["a"],"route":[]}}`;
  return `{"version":1,"slots":4,"slot":${draw.below(4)},"origin":${origin},"routes":${list(draw.below(3), route)}}`;
}
