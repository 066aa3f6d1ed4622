import type { Aggregator, Json } from '../aggregator.ts';
import {
  addExactly,
  decodeExactSum,
  divideExactSum,
  type ExactSum,
  encodeExactSum,
  mergeExactly,
  subtractExactly,
} from './exact-sum.ts';
import { isCount, refuseSummand, unreadable } from './numeric.ts';

interface Mean {
  sum: ExactSum;
  count: number;
}

/**
 * The arithmetic mean: `mean((r) => r.latencyMs)`. It is the exact sum divided by the count, rounded once, whatever the order of
 * the values. Of no values it is NaN, which JSON shows as null.
 */
export function mean<In>(of: (record: In) => number): Aggregator<In, number, Mean, number> {
  return {
    kind: 'mean',
    gives: 'number',
    config: {},
    select: of,
    refuse: refuseSummand,
    create: () => ({ sum: 0, count: 0 }),
    add: (accumulator, value) => {
      accumulator.sum = addExactly(accumulator.sum, value);
      accumulator.count += 1;
      return accumulator;
    },
    merge: (into, from) => {
      into.sum = mergeExactly(into.sum, from.sum);
      into.count += from.count;
      return into;
    },
    subtract: (into, from) => {
      into.sum = subtractExactly(into.sum, from.sum);
      into.count -= from.count;
      return into;
    },
    result: ({ sum, count }) => divideExactSum(sum, count),
    encode: ({ sum, count }) => [encodeExactSum(sum), count],
    decode,
  };
}

function decode(encoded: Json): Mean {
  const [sum, count, ...rest] = Array.isArray(encoded) ? (encoded as readonly Json[]) : [];
  if (sum === undefined || !isCount(count) || rest.length > 0) throw unreadable('mean', '[sum, count]', encoded);
  const decoded = decodeExactSum(sum);
  if (count === 0 && decoded !== 0) throw unreadable('mean', 'of sum 0 when it counts nothing', encoded);
  return { sum: decoded, count };
}
