import type { Aggregator, Json } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { givenOptions } from '../refuse.ts';
import { compareJson, isKept, listed, plainOf } from './json-order.ts';
import { checkWhole, describe, isCount, unreadable } from './numeric.ts';

/** One of the most frequent values. Its true count is at most `count`, and at least `count - error`. */
export interface Frequent<Value> {
  readonly count: number;
  readonly error: number;
  readonly value: Value;
}

type Weighted = readonly [value: Json, weight: number];

interface Counter {
  readonly value: Json;
  count: number;
  error: number;
}

/** By the value itself, or by its JSON, which no text begins with. */
type Counters = Map<Json, Counter>;

const topKMax = 100;
const topKCapacityMax = 1_000;

/**
 * The `k` most frequent values: `topK((r) => r.path, { k: 10 })` gives a list of `{ count, error, value }`, the most frequent first and
 * values of one count in their order. With `weight` it is by the sum of a whole number: `{ k: 10, weight: (r) => r.bytes }`.
 *
 * Exact, with every `error` 0, while there are at most `capacity` different values (by default 10 k, at least 100; at most
 * `topKCapacityMax`). Beyond it counts are too high by at most `error`, which is at most N / capacity of a total weight of N, and every
 * value with more than N / capacity is among those that are counted. Only then the order of arrival may show, within these bounds.
 *
 * This is Space-Saving (A. Metwally, D. Agrawal, A. El Abbadi, Efficient computation of frequent and top-k elements in data streams, ICDT
 * 2005), merged so that the bounds hold for whatever was merged (P. K. Agarwal et al., Mergeable summaries, PODS 2012; M. Cafaro,
 * M. Pulimeno, P. Tempesta, A parallel space saving algorithm, 2016).
 */
export function topK<In, Value extends Json>(
  of: (record: In, timeMs: number) => Value,
  options: {
    readonly k: number;
    readonly capacity?: number;
    readonly weight?: (record: In, timeMs: number) => number;
  },
): Aggregator<In, Weighted, Counters, readonly Frequent<Value>[]> {
  const {
    k,
    weight,
    capacity = Math.max(10 * k, 100),
  } = givenOptions('topK', options, ['k', 'weight', 'capacity'], '{ k: 10 }');
  checkWhole({ kind: 'topK', name: 'k', value: k, min: 1, max: topKMax });
  checkWhole({ kind: 'topK', name: 'capacity', value: capacity, min: k, max: topKCapacityMax });
  const refuseListed = listed(capacity);
  return {
    kind: 'top-k',
    gives: 'json',
    config: { k, capacity, weight: weight !== undefined },
    keptMax: capacity,
    select: readingThrough(
      (record, timeMs) => [plainOf(of(record, timeMs)), weight === undefined ? 1 : weight(record, timeMs)],
      weight === undefined ? [of] : [of, weight],
    ),
    refuse: ([value, weighed]) =>
      refuseListed(value) ??
      (isCount(weighed)
        ? undefined
        : `the weight is ${describe(weighed)}; it must be a whole number from 0 to 2^53 - 1`),
    create: () => new Map(),
    add: (counters, [value, weighed]) => {
      if (weighed > 0) increase(counters, capacity, value, weighed);
      return counters;
    },
    merge: (into, from) => mergeCounters(into, from, capacity),
    result: (counters) =>
      sorted(counters)
        .slice(0, k)
        .map(({ value, count, error }) => ({ count, error, value: value as Value })),
    encode: (counters) => sorted(counters).map(({ value, count, error }) => [value, count, error]),
    decode: (encoded) => decode(encoded, capacity),
  };
}

/** An object's is its JSON behind a character; so is that of a text that begins with it, which would be an object's otherwise. */
function placeOf(value: Json): Json {
  const isPlain = typeof value === 'string' ? value.charCodeAt(0) !== 0 : typeof value !== 'object' || value === null;
  return isPlain ? value : `\u0000${JSON.stringify(value)}`;
}

function increase(counters: Counters, capacity: number, value: Json, weight: number): void {
  const place = placeOf(value);
  const counter = counters.get(place);
  if (counter !== undefined) {
    counter.count += weight;
    return;
  }
  let error = 0;
  if (counters.size >= capacity) {
    // The least one makes room, and may have been this value's all along.
    const least = lastOf(counters);
    error = least.count;
    counters.delete(placeOf(least.value));
  }
  counters.set(place, { value, count: error + weight, error });
}

/** What a value that is not counted may have had at most. */
function unseenOf(counters: Counters, capacity: number): number {
  return counters.size < capacity ? 0 : lastOf(counters).count;
}

/** Changes `into`, and not `from`. */
function mergeCounters(into: Counters, from: Counters, capacity: number): Counters {
  const unseenInto = unseenOf(into, capacity);
  const unseenFrom = unseenOf(from, capacity);
  for (const [place, counter] of into) {
    const other = from.get(place);
    counter.count += other?.count ?? unseenFrom;
    counter.error += other?.error ?? unseenFrom;
  }
  for (const [place, { value, count, error }] of from) {
    if (!into.has(place)) into.set(place, { value, count: count + unseenInto, error: error + unseenInto });
  }
  if (into.size > capacity) for (const { value } of sorted(into).slice(capacity)) into.delete(placeOf(value));
  return into;
}

function compare(a: Counter, b: Counter): number {
  return b.count - a.count || compareJson(a.value, b.value);
}

function sorted(counters: Counters): readonly Counter[] {
  return [...counters.values()].sort(compare);
}

function lastOf(counters: Counters): Counter {
  let last: Counter | undefined;
  for (const counter of counters.values()) if (last === undefined || compare(last, counter) < 0) last = counter;
  return last as Counter;
}

function decode(encoded: Json, capacity: number): Counters {
  const expected = `up to ${capacity} different values, each with its count and its error`;
  if (!Array.isArray(encoded) || encoded.length > capacity) throw unreadable('top-k', expected, encoded);
  const counters: Counters = new Map();
  for (const entry of encoded as readonly Json[]) {
    const [value, count, error, ...rest] = Array.isArray(entry) ? (entry as readonly Json[]) : [];
    const isCounter = isKept(value) && isCount(count) && isCount(error) && error < count && rest.length === 0;
    if (!isCounter || counters.has(placeOf(plainOf(value)))) throw unreadable('top-k', expected, encoded);
    counters.set(placeOf(plainOf(value)), { value: plainOf(value), count, error });
  }
  return counters;
}
