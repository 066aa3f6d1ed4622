import type { Aggregator } from '../aggregator.ts';
import { decodeNumber, refuseNumber } from './numeric.ts';

/** The greatest value of a number over the records. A row exists only when there is a record, so there always is one. */
export function max<In>(of: (record: In) => number): Aggregator<In, number, number | null, number> {
  return {
    kind: 'max',
    config: {},
    select: of,
    refuse: refuseNumber,
    create: () => null,
    add: (accumulator, value) => (accumulator === null ? value : Math.max(accumulator, value)),
    merge: (into, from) => (into === null ? from : from === null ? into : Math.max(into, from)),
    result: (accumulator) => accumulator ?? 0,
    encode: (accumulator) => accumulator,
    decode: (encoded) => (encoded === null ? null : decodeNumber(encoded, 'max')),
  };
}
