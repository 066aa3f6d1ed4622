import type { ReservedColumn } from '#shared/schemas/row.ts';
import type { Duration } from './duration.ts';
import type { Selectors } from './join.ts';
import type { ProcessCallbacks, SelectedRow } from './process.ts';
import type { ProcessedTable } from './processed.ts';
import { shown } from './refuse.ts';
import type { KeyShape, NamesOf, Without } from './stream.ts';

export interface ThrottleOptions<C> {
  /** The columns of the row, from the record. */
  readonly columns: C;
  /** How many records of a key pass in `per`, in the long run. */
  readonly limit: number;
  readonly per: Duration;
  /** How many may pass at once after a silence. Default `limit`. */
  readonly burst?: number;
  /** How long, behind the watermark, earlier records of the key are waited for. */
  readonly allowedLateness: Duration;
}

/** What a keyed stream offers to be slowed down. */
export interface Throttling<T, K extends KeyShape> {
  /**
   * Limits the records of each key, in event time, by a token bucket: each record takes a token, of which there are at most `burst`, and `limit`
   * come back in `per`. Every record is a row; `over` says that it found no token. `asStream().branch({ over: (row) => row.over })` parts them.
   */
  throttle<const Name extends string, const C extends Selectors<T>>(
    name: Name,
    options: ThrottleOptions<Without<C, ReservedColumn | 'time' | 'over' | NamesOf<K>>>,
  ): ProcessedTable<Name, K, { readonly over: boolean } & SelectedRow<C>>;
}

export const overColumn = 'over';

/** How a key is throttled, as the plan says it. */
export interface ThrottleKind {
  readonly kind: 'throttle';
  readonly limit: number;
  readonly perMs: number;
  readonly burst: number;
}

/**
 * The callbacks of `throttle`, the generic cell rate algorithm (ITU-T I.371), which is a token bucket without tokens to count: the state is when
 * the bucket will be full again, in units of a millisecond divided by `limit`, so that nothing is ever rounded. It is relative to the last record,
 * for a whole number of such units since 1970 has more digits than a number holds.
 */
export function throttleCallbacks(
  columns: readonly string[],
  { limit, perMs, burst }: Omit<ThrottleKind, 'kind'>,
): ProcessCallbacks {
  return {
    initial: () => null,
    onEvent: (_, values, { state, timeMs, emit }) => {
      const [lastMs, lacking] = (state.get() as readonly [lastMs: number, lacking: number] | null) ?? [timeMs, 0];
      // A token is worth `perMs` units, of which `limit` come back in a millisecond.
      const now = Math.max(0, lacking - (timeMs - lastMs) * limit);
      const over = now + perMs > burst * perMs;
      state.set([timeMs, over ? now : now + perMs]);
      emit({ [overColumn]: over, ...Object.fromEntries(columns.map((column, at) => [column, values[at]])) });
    },
  };
}

/** After so long every bucket is full, and a state says nothing that none would not. */
export function throttleTtlMs({ limit, perMs, burst }: Omit<ThrottleKind, 'kind'>): number {
  return Math.ceil((burst * perMs) / limit);
}

/** Why there can be no such rule, or undefined when there can. */
export function refuseThrottle({ limit, perMs, burst }: ThrottleKind): string | undefined {
  for (const [what, count] of Object.entries({ limit, burst, 'per, in ms,': perMs }))
    if (!Number.isSafeInteger(count) || count < 1)
      return `${what} is ${shown(count)}; it must be a whole number of at least 1.`;
  if (Number.isSafeInteger(burst * perMs)) return undefined;
  return `lets ${burst} records pass at once of ${limit} in ${perMs} ms, which is too much to be told exactly; choose a shorter time.`;
}
