import type { Aggregator, Json } from '../aggregator.ts';
import { refuseNumber, unreadable } from './numeric.ts';

/** What `min` and `max` share: the value that beats the others, and `none`, which every value beats. */
export function extreme<In>(kind: 'min' | 'max', of: (record: In) => number): Aggregator<In, number, number, number> {
  const none = kind === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  // Adding 0 turns -0 into 0: the two are equal, and which came first must not show.
  const pick =
    kind === 'min'
      ? (best: number, value: number) => (value < best ? value + 0 : best)
      : (best: number, value: number) => (value > best ? value + 0 : best);
  return {
    kind,
    gives: 'number',
    config: {},
    select: of,
    refuse: refuseNumber,
    create: () => none,
    add: pick,
    merge: pick,
    result: (best) => (best === none ? Number.NaN : best),
    encode: (best) => (best === none ? null : best),
    decode: (encoded: Json) => {
      if (encoded === null) return none;
      if (typeof encoded === 'number' && Number.isFinite(encoded)) return encoded + 0;
      throw unreadable(kind, 'a number or null', encoded);
    },
  };
}
