import type { AnyAggregator, Json } from '#shared/pipeline/aggregator.ts';
import { decodeBlock, encodeBlock } from '#shared/runtime/block-codec.ts';
import { decodePart, encodeParts } from '#shared/runtime/snapshot-codec.ts';
import type { Block } from '#shared/schemas/block.ts';
import { hasCode } from '#shared/schemas/error.ts';
import { decodeKey, encodeKey, type KeyColumns } from '#shared/schemas/key.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { type Checkpoint, stateVersion } from '#shared/schemas/state.ts';
import { all, type Sale } from '../shared/pipeline/aggregators/all.ts';
import type { Draw, FuzzTarget } from './targets.ts';

const oddTexts = ['', 'a', '%', '&', '=', '#', ':n', '\ud800', '\udc00', '\u{1f600}', '\0', '__proto__', 'é', '\u2028'];
const oddNumbers = [0, -0, 1, -1, 0.1, 1e-320, 1e300, -1e300, 2 ** 53, 2 ** 53 + 2, 123_456_789];

function textOf(draw: Draw): string {
  return Array.from({ length: draw.below(6) }, () => draw.pick(oddTexts)).join('');
}

function numberOf(draw: Draw): number {
  return draw.chance(0.5) ? draw.pick(oddNumbers) : (draw.share() - 0.5) * 10 ** draw.below(20);
}

function jsonOf(draw: Draw, depth = 0): Json {
  switch (draw.below(depth > 3 ? 4 : 6)) {
    case 0:
      return draw.pick([null, true, false]);
    case 1:
      return numberOf(draw);
    case 2:
      return textOf(draw);
    case 3:
      return draw.below(100);
    case 4:
      return Array.from({ length: draw.below(5) }, () => jsonOf(draw, depth + 1));
    default:
      return Object.fromEntries(Array.from({ length: draw.below(4) }, () => [textOf(draw), jsonOf(draw, depth + 1)]));
  }
}

/** Some bytes others, some gone, some twice. */
function tear(draw: Draw, bytes: Uint8Array): Uint8Array {
  const torn = [...bytes];
  for (let edits = 1 + draw.below(4); edits > 0; edits -= 1) {
    const at = draw.below(torn.length + 1);
    const kind = draw.below(4);
    if (kind === 0) torn[at] = draw.below(256);
    else if (kind === 1) torn.splice(at, 1 + draw.below(8));
    else if (kind === 2) torn.splice(at, 0, ...torn.slice(draw.below(torn.length + 1)).slice(0, 8));
    else torn.length = at;
  }
  return Uint8Array.from(torn, (byte) => byte ?? 0);
}

function same(found: unknown, right: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(right)];
  if (a !== b) throw new Error(`${what}: ${a} is not ${b}`);
}

const sources = {};
const counts = { counted: 0, late: 0, shared: 0, duplicates: 0 };
const checkpoint: Checkpoint = {
  version: 1,
  plan: 'p',
  slots: 1,
  position: logPosition(1, '7'),
  clockMs: 5,
  sources,
  counts,
  steps: {},
};

/** What was saved comes back as it was; what was not, or was torn, is refused by its name. */
function tryPart(draw: Draw): void {
  const entries = Array.from({ length: draw.below(6) }, () => ['step', jsonOf(draw)] as const);
  const parts = [...encodeParts({ kind: 'base', log: checkpoint, entries }, 1 + draw.below(200))];
  const expected = (index: number) => ({ name: 'x', kind: 'base' as const, index, checkpoint });
  const read = parts.flatMap((part, index) => decodePart(part, expected(index)).entries);
  same(read, entries, 'entries of a snapshot');
  const index = draw.below(parts.length);
  const torn = draw.chance(0.2) ? randomBytes(draw) : tear(draw, parts[index] as Uint8Array);
  if (Buffer.compare(torn, parts[index] as Uint8Array) === 0) return;
  try {
    decodePart(torn, expected(index));
  } catch (error) {
    if (hasCode(error, 'BLOB_CORRUPT')) return;
    throw error;
  }
  throw new Error(`a torn part of state version ${stateVersion} was read: ${Buffer.from(torn).toString('hex')}`);
}

function randomBytes(draw: Draw): Uint8Array {
  return Uint8Array.from({ length: draw.below(64) }, () => draw.below(256));
}

function tryBlock(draw: Draw): void {
  const block = {
    version: 1,
    pipeline: 'p',
    plan: textOf(draw),
    slots: 1,
    slot: 0,
    routes: [{ route: 'r', columns: [[jsonOf(draw)]] }],
  } as unknown as Block;
  const bytes = encodeBlock(block);
  same(decodeBlock(bytes, 'here'), block, 'a block');
  try {
    decodeBlock(draw.chance(0.2) ? randomBytes(draw) : tear(draw, bytes), 'here');
  } catch (error) {
    if (!hasCode(error, 'BLOCK_UNREADABLE')) throw error;
  }
}

function tryKey(draw: Draw): void {
  const value = (): string | number | boolean => draw.pick([textOf(draw), numberOf(draw), true, false]);
  const columns: KeyColumns = Object.fromEntries(
    Array.from({ length: 1 + draw.below(3) }, (_, index) => [`c${index}`, value()]),
  );
  const text = encodeKey(columns);
  same(encodeKey(decodeKey(text)), text, 'a key');
  const shown = Object.fromEntries(Object.entries(columns).map(([name, one]) => [name, one === 0 ? 0 : one]));
  same(decodeKey(text), shown, 'the columns of a key');
}

const aggregators = Object.values(all) as readonly AnyAggregator<Sale>[];

/** Of any values: what is stored and read goes on as if it had not been. Of any JSON: a state, or an Error. */
function tryAggregator(draw: Draw): void {
  const aggregator = draw.pick(aggregators);
  const state = (): unknown => {
    let made = aggregator.create();
    for (let count = draw.below(8); count > 0; count -= 1) {
      const sale = { at: draw.below(1_000), shop: textOf(draw), price: numberOf(draw), amount: draw.below(9) };
      const value = aggregator.select(sale, sale.at);
      if (aggregator.refuse?.(value) === undefined) made = aggregator.add(made, JSON.parse(JSON.stringify(value)));
    }
    return made;
  };
  const stored = JSON.stringify(aggregator.encode(state()));
  const read = (): unknown => aggregator.decode(JSON.parse(stored) as Json);
  same(aggregator.encode(read()), JSON.parse(stored), aggregator.kind);
  aggregator.result(aggregator.merge(read(), state()));
  let decoded: unknown;
  try {
    decoded = aggregator.decode(jsonOf(draw));
  } catch (error) {
    if (error instanceof Error && !(error instanceof TypeError) && !(error instanceof RangeError)) return;
    throw error;
  }
  aggregator.result(aggregator.merge(decoded, read()));
}

export const stateCodecTargets: readonly FuzzTarget[] = [
  { name: 'snapshot-part', group: 'state', tryOne: tryPart },
  { name: 'block', group: 'state', tryOne: tryBlock },
  { name: 'key', group: 'state', tryOne: tryKey },
  { name: 'accumulator', group: 'state', tryOne: tryAggregator },
];
