import type { Aggregator, Json } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { givenOptions } from '../refuse.ts';
import { compareJson, isKept, listed, plainOf } from './json-order.ts';
import { checkWhole, unreadable } from './numeric.ts';
import { isSorted, keep } from './sorted-list.ts';

/** The different values in a list, and whether that is all of them. */
export interface Distinct<Value> {
  readonly complete: boolean;
  readonly values: readonly Value[];
}

interface Values {
  readonly list: Json[];
  isComplete: boolean;
}

const distinctMax = 1_000;

/**
 * The different values in a list: `distinct((r) => r.country, { max: 50 })` gives `{ complete, values }`. Values go by size, texts by
 * their units behind all numbers, others by their JSON.
 *
 * Exact while there are at most `max` different values. Of more it keeps the `max` that stand first in that order and says
 * `complete: false`, whatever came first. State is the list; `max` is at most `distinctMax`, and the list has room for 40,000 characters,
 * so each value for its share of them. To count without a list use `countDistinct` or `exactDistinct`.
 */
export function distinct<In, Value extends Json>(
  of: (record: In, timeMs: number) => Value,
  options: { readonly max: number },
): Aggregator<In, Json, Values, Distinct<Value>> {
  const { max } = givenOptions('distinct', options, ['max'], '{ max: 10 }');
  checkWhole({ kind: 'distinct', name: 'max', value: max, min: 1, max: distinctMax });
  const few = { max, compare: compareJson, keepsAlike: false };
  const add = (values: Values, value: Json): Values => {
    if (!keep(values.list, value, few)) values.isComplete = false;
    return values;
  };
  return {
    kind: 'distinct',
    gives: 'json',
    config: { max },
    keptMax: max,
    select: readingThrough((record, timeMs) => plainOf(of(record, timeMs)), [of]),
    refuse: listed(max),
    create: () => ({ list: [], isComplete: true }),
    add,
    merge: (into, from) => {
      if (!from.isComplete) into.isComplete = false;
      return from.list.reduce(add, into);
    },
    result: ({ list, isComplete }) => ({ complete: isComplete, values: [...list] as Value[] }),
    encode: ({ list, isComplete }) => [isComplete, [...list]],
    decode: (encoded) => {
      const [isComplete, list, ...rest] = Array.isArray(encoded) ? (encoded as readonly Json[]) : [];
      const values = Array.isArray(list) && list.every(isKept) ? list.map(plainOf) : undefined;
      const isState = typeof isComplete === 'boolean' && rest.length === 0 && values !== undefined;
      if (!isState || !isSorted(values, few) || (!isComplete && values.length < max))
        throw unreadable('distinct', `whether it is complete, and up to ${max} sorted values`, encoded);
      return { list: values, isComplete };
    },
  };
}
