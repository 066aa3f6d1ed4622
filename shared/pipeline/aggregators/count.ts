import type { Aggregator } from '../aggregator.ts';

/** How many records there are; with `where`, how many for which it holds. */
export function count<In>(where?: (record: In) => boolean): Aggregator<In, number, number, number> {
  return {
    kind: 'count',
    config: {},
    select: where === undefined ? () => 1 : (record) => (where(record) ? 1 : 0),
    create: () => 0,
    add: (accumulator, value) => accumulator + value,
    merge: (into, from) => into + from,
    result: (accumulator) => accumulator,
    encode: (accumulator) => accumulator,
    decode: (encoded) => Number(encoded),
  };
}
