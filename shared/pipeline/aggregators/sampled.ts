import { hash128 } from '#shared/schemas/hash.ts';
import type { Aggregator, Json } from '../aggregator.ts';
import { refuseJson } from '../join.ts';
import { canonicalJson } from '../plan-hash.ts';
import { readingThrough } from '../reads.ts';
import { givenOptions } from '../refuse.ts';
import { compareJson, isKept, listed, plainOf } from './json-order.ts';
import { checkWhole, describe, unreadable } from './numeric.ts';
import { type FirstFew, isSorted, keep } from './sorted-list.ts';

/** A hash of 53 bits, and what is shown. */
type Drawn = readonly [hash: number, value: Json];

const sampleMax = 1_000;

/**
 * A sample of `size` values, each as likely as any other: `sampled((r) => r.path, { size: 10, by: (r) => r.requestId })`.
 *
 * Chance is a hash of what `by` gives, which should tell records apart; without `by`, of the event time and the value. The values with
 * the least hashes are the sample (bottom-k; E. Cohen, H. Kaplan, Summarizing data using bottom-k sketches, PODC 2007). So retries,
 * merges and the order of arrival cannot change it, records with one `by` count once, and the same records are drawn in another window
 * or step that asks for the same. Of fewer than `size` records it is all of them. The list goes by hash, so its beginning is a smaller
 * sample. What makes up the part p of the records makes up p of the sample with a standard error of sqrt(p (1 - p) / size). `size` is at
 * most `sampleMax`, and the list has room for 40,000 characters as JSON, so each value for its share.
 */
export function sampled<In, Value extends Json>(
  of: (record: In, timeMs: number) => Value,
  options: { readonly size: number; readonly by?: (record: In, timeMs: number) => Json },
): Aggregator<In, Drawn, Drawn[], readonly Value[]> {
  const { size, by } = givenOptions('sampled', options, ['size', 'by'], '{ size: 10 }');
  checkWhole({ kind: 'sampled', name: 'size', value: size, min: 1, max: sampleMax });
  const refuseListed = listed(size);
  const add = (list: Drawn[], entry: Drawn): Drawn[] => {
    const [hash, value] = entry;
    const last = list[size - 1];
    if (last !== undefined && hash > last[0]) return list;
    // Of one identity with several values it is the least, whichever came first.
    const at = list.findIndex((other) => other[0] === hash);
    const there = list[at];
    if (there === undefined) keep(list, entry, few(size));
    else if (compareJson(value, there[1]) < 0) list[at] = entry;
    return list;
  };
  return {
    kind: 'sampled',
    gives: 'json',
    // What makes two records one is a part of what the state means.
    config: { size, by: by !== undefined },
    keptMax: size,
    select: readingThrough(
      (record, timeMs) => {
        const value = plainOf(of(record, timeMs));
        if (refuseListed(value) !== undefined) return [0, value];
        return [hashOf(by === undefined ? [timeMs, value] : identityOf(by(record, timeMs))), value];
      },
      by === undefined ? [of] : [of, by],
    ),
    refuse: ([, value]) => refuseListed(value),
    create: () => [],
    add,
    merge: (into, from) => from.reduce(add, into),
    result: (list) => list.map(([, value]) => value as Value),
    encode: (list) => [...list],
    decode: (encoded) => {
      const list = Array.isArray(encoded) && encoded.every(isDrawn) ? encoded.map(drawnOf) : undefined;
      if (list === undefined || !isSorted(list, few(size)))
        throw unreadable('sampled', `up to ${size} pairs of a hash and a value, sorted`, encoded);
      return list;
    },
  };
}

function few(max: number): FirstFew<Drawn> {
  return { max, compare: (a, b) => a[0] - b[0], keepsAlike: false };
}

const seed = 4;

/** What JSON cannot hold would be null or {}, the same for all. */
function identityOf(found: Json): Json {
  if (refuseJson(found) === undefined) return plainOf(found);
  throw new Error(`by gives ${describe(found)}, which tells no records apart; give a text or a number`);
}

function hashOf(identity: Json): number {
  const [high, low] = hash128(canonicalJson(identity), seed);
  return high * 2 ** 21 + (low >>> 11);
}

function isDrawn(entry: Json): entry is Drawn {
  if (!Array.isArray(entry) || entry.length !== 2) return false;
  return Number.isSafeInteger(entry[0]) && (entry[0] as number) >= 0 && isKept(entry[1]);
}

function drawnOf([hash, value]: Drawn): Drawn {
  return [hash + 0, plainOf(value)];
}
