import type { Aggregator, Json } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { givenOptions } from '../refuse.ts';
import { compareJson, isKept, plainOf, refuseKept } from './json-order.ts';
import { plainNumber, refuseNumber, unreadable } from './numeric.ts';

/** The greatest `by` and the values of all records that have it, in the order of `compareJson`; undefined before the first. */
type Tied = { by: number; readonly values: Json[] } | undefined;

/**
 * The values of all records with the greatest `by`, as a list: `argMaxAll((r) => r.bidder, { by: (r) => r.price })` is everybody who bid the
 * most. Where one will do there is `argMax`.
 *
 * Exact, and in an order of the values' own, so it does not depend on the order of arrival. It keeps all values that are tied, however many, so
 * its step is placed on the worker; but a row of DynamoDB has 400 KB: where thousands may be, give `by` something finer.
 */
export function argMaxAll<In, Value extends Json>(
  of: (record: In, timeMs: number) => Value,
  options: { readonly by: (record: In, timeMs: number) => number },
): Aggregator<In, readonly [number, Json], Tied, readonly Value[]> {
  const { by } = givenOptions('argMaxAll', options, ['by'], '{ by: (record) => record.price }');
  return {
    kind: 'arg-max-all',
    gives: 'json',
    config: {},
    keptMax: Number.POSITIVE_INFINITY,
    select: readingThrough(
      (record, timeMs) => [plainNumber(by(record, timeMs)), plainOf(of(record, timeMs))],
      [by, of],
    ),
    refuse: ([rank, value]) => refuseNumber(rank) ?? refuseKept(value),
    create: () => undefined,
    add: (tied, [rank, value]) => {
      if (tied === undefined || rank > tied.by) return { by: rank, values: [value] };
      if (rank === tied.by) insert(tied.values, value);
      return tied;
    },
    merge: (into, from) => {
      if (from === undefined || (into !== undefined && into.by > from.by)) return into;
      if (into === undefined || into.by < from.by) return { by: from.by, values: [...from.values] };
      for (const value of from.values) insert(into.values, value);
      return into;
    },
    result: (tied) => [...(tied?.values ?? [])] as Value[],
    encode: (tied) => (tied === undefined ? null : [tied.by, ...tied.values]),
    decode,
  };
}

/** Behind those that are not above it. */
function insert(values: Json[], value: Json): void {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareJson(values[middle] as Json, value) <= 0) low = middle + 1;
    else high = middle;
  }
  values.splice(low, 0, value);
}

function decode(encoded: Json): Tied {
  if (encoded === null) return undefined;
  const [by, ...values] = Array.isArray(encoded) ? (encoded as readonly Json[]) : [];
  if (refuseNumber(by) !== undefined || values.length === 0 || !values.every(isKept))
    throw unreadable('arg-max-all', 'null or [by, value, ...]', encoded);
  return { by: (by as number) + 0, values: values.map(plainOf) };
}
