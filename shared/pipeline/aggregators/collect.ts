import type { Aggregator, Json } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { checkOneOf, givenOptions } from '../refuse.ts';
import { compareJson, isKept, listed, plainOf } from './json-order.ts';
import { checkWhole, unreadable } from './numeric.ts';
import { type FirstFew, isSorted, keep } from './sorted-list.ts';

type Timed = readonly [timeMs: number, value: Json];

const collectedMax = 1_000;

/**
 * The values of the first `max` records in a list, in the order of event time: `collect((r) => r.page, { max: 20 })`. With
 * `keep: 'last'` those of the last `max`, in the same order. At one time values go by size, texts by their units, others by their JSON.
 *
 * Exact: which are kept, and in which order, does not depend on the order of arrival. State is the list; `max` is at most
 * `collectedMax`, and the list has room for 40,000 characters as JSON, so each value for its share of them.
 */
export function collect<In, Value extends Json>(
  of: (record: In, timeMs: number) => Value,
  options: { readonly max: number; readonly keep?: 'first' | 'last' },
): Aggregator<In, Timed, Timed[], readonly Value[]> {
  const { max, keep: end = 'first' } = givenOptions('collect', options, ['max', 'keep'], '{ max: 10 }');
  checkOneOf('collect:', 'keep', end, ['first', 'last']);
  checkWhole({ kind: 'collect', name: 'max', value: max, min: 1, max: collectedMax });
  const compare: FirstFew<Timed>['compare'] = end === 'first' ? compareTimed : (a, b) => compareTimed(b, a);
  const refuseListed = listed(max);
  const few = { max, compare, keepsAlike: true };
  const add = (list: Timed[], entry: Timed): Timed[] => {
    keep(list, entry, few);
    return list;
  };
  return {
    kind: 'collect',
    gives: 'json',
    config: { max, keep: end },
    keptMax: max,
    select: readingThrough((record, timeMs) => [timeMs, plainOf(of(record, timeMs))], [of]),
    refuse: ([, value]) => refuseListed(value),
    create: () => [],
    add,
    merge: (into, from) => from.reduce(add, into),
    result: (list) => {
      const values = list.map(([, value]) => value as Value);
      return end === 'first' ? values : values.reverse();
    },
    encode: (list) => [...list],
    decode: (encoded) => {
      const list = Array.isArray(encoded) && encoded.every(isTimed) ? encoded.map(timedOf) : undefined;
      if (list === undefined || !isSorted(list, few))
        throw unreadable('collect', `up to ${max} pairs of a time and a value, sorted`, encoded);
      return list;
    },
  };
}

function compareTimed(a: Timed, b: Timed): number {
  return a[0] - b[0] || compareJson(a[1], b[1]);
}

function isTimed(entry: Json): entry is Timed {
  return Array.isArray(entry) && entry.length === 2 && Number.isSafeInteger(entry[0]) && isKept(entry[1]);
}

function timedOf([timeMs, value]: Timed): Timed {
  return [timeMs + 0, plainOf(value)];
}
