import type { Aggregator } from '../aggregator.ts';
import { decodeNumber, refuseNumber } from './numeric.ts';

/** The least value of a number over the records. A row exists only when there is a record, so there always is one. */
export function min<In>(of: (record: In) => number): Aggregator<In, number, number | null, number> {
  return {
    kind: 'min',
    config: {},
    select: of,
    refuse: refuseNumber,
    create: () => null,
    add: (accumulator, value) => (accumulator === null ? value : Math.min(accumulator, value)),
    merge: (into, from) => (into === null ? from : from === null ? into : Math.min(into, from)),
    result: (accumulator) => accumulator ?? 0,
    encode: (accumulator) => accumulator,
    decode: (encoded) => (encoded === null ? null : decodeNumber(encoded, 'min')),
  };
}
