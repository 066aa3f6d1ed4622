import type { Aggregator } from '../aggregator.ts';
import { extreme } from './extreme.ts';

/** The least value, exactly: `min((r) => r.latencyMs)`. Of no values it is NaN, which JSON shows as null. */
export function min<In>(of: (record: In) => number): Aggregator<In, number, number, number> {
  return extreme('min', of);
}
