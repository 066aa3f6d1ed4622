import type { Aggregator } from '../aggregator.ts';
import { addExactly, canonicalSum, type ExactSum, mergeExactly, roundExactly } from './exact-sum.ts';
import { decodeNumber, refuseNumber } from './numeric.ts';

interface Mean {
  sum: ExactSum;
  count: number;
}

/** The arithmetic mean of a number over the records: the exact sum, divided once. */
export function mean<In>(of: (record: In) => number): Aggregator<In, number, Mean, number> {
  return {
    kind: 'mean',
    config: {},
    select: of,
    refuse: refuseNumber,
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
    result: ({ sum, count }) => (count === 0 ? 0 : roundExactly(sum) / count),
    encode: ({ sum, count }) => [count, canonicalSum(sum)],
    decode: (encoded) => {
      if (!Array.isArray(encoded)) throw new Error(`the state of mean holds ${JSON.stringify(encoded)}`);
      const [count, sum] = encoded;
      return {
        count: decodeNumber(count, 'mean'),
        sum: Array.isArray(sum) ? sum.map((partial) => decodeNumber(partial, 'mean')) : decodeNumber(sum, 'mean'),
      };
    },
  };
}
