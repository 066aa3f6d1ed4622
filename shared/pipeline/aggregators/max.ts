import type { Aggregator } from '../aggregator.ts';
import { extreme } from './extreme.ts';

/** The greatest value, exactly: `max((r) => r.latencyMs)`. Of no values it is NaN, which JSON shows as null. */
export function max<In>(of: (record: In) => number): Aggregator<In, number, number, number> {
  return extreme('max', of);
}
