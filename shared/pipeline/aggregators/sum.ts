import type { Aggregator } from '../aggregator.ts';
import {
  addExactly,
  decodeExactSum,
  type ExactSum,
  encodeExactSum,
  mergeExactly,
  roundExactSum,
  subtractExactly,
} from './exact-sum.ts';
import { refuseSummand } from './numeric.ts';

/**
 * Adds numbers up: `sum((r) => r.bytes)`.
 *
 * The result is the exact sum of the values, rounded once, so it is the same in whatever order and grouping they were added:
 * a retry or a batch cut differently gives the same row to the last bit.
 */
export function sum<In>(of: (record: In) => number): Aggregator<In, number, ExactSum, number> {
  return {
    kind: 'sum',
    gives: 'number',
    config: {},
    select: of,
    refuse: refuseSummand,
    create: () => 0,
    add: addExactly,
    merge: mergeExactly,
    subtract: subtractExactly,
    result: roundExactSum,
    encode: encodeExactSum,
    decode: decodeExactSum,
  };
}
