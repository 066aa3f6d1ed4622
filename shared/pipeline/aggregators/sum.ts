import type { Aggregator } from '../aggregator.ts';
import { addExactly, canonicalSum, type ExactSum, mergeExactly, roundExactly } from './exact-sum.ts';
import { decodeNumber, refuseNumber } from './numeric.ts';

/** The sum of a number over the records: exact, rounded once, and so the same in whatever order the records came. */
export function sum<In>(of: (record: In) => number): Aggregator<In, number, ExactSum, number> {
  return {
    kind: 'sum',
    config: {},
    select: of,
    refuse: refuseNumber,
    create: () => 0,
    add: addExactly,
    merge: mergeExactly,
    result: roundExactly,
    encode: (accumulator) => {
      const canonical = canonicalSum(accumulator);
      return canonical;
    },
    decode: (encoded) =>
      Array.isArray(encoded) ? encoded.map((partial) => decodeNumber(partial, 'sum')) : decodeNumber(encoded, 'sum'),
  };
}
