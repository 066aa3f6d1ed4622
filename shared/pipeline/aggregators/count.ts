import type { Aggregator } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { isCount, unreadable } from './numeric.ts';

/** Counts records, or those for which `where` holds, exactly: `count((r) => r.status >= 500)`. */
export function count<In>(where?: (record: In) => boolean): Aggregator<In, number, number, number> {
  return {
    kind: 'count',
    gives: 'integer',
    // Counting all and counting some are not the same state, so adding a condition must not go unnoticed.
    config: where === undefined ? {} : { where: true },
    select: where === undefined ? () => 1 : readingThrough((record) => (where(record) ? 1 : 0), [where]),
    create: () => 0,
    add: (records, selected) => records + selected,
    merge: (into, from) => into + from,
    subtract: (into, from) => into - from,
    result: (records) => records,
    encode: (records) => records,
    decode: (encoded) => {
      if (isCount(encoded)) return encoded;
      throw unreadable('count', 'a whole number', encoded);
    },
  };
}
