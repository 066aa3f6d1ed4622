import type { Aggregator, Json } from '../aggregator.ts';
import { givenOptions } from '../refuse.ts';
import { countDistinct } from './count-distinct.ts';
import { compareJson, refuseKept } from './json-order.ts';
import { checkWhole, describe, refuseNumber, unreadable } from './numeric.ts';

type Countable = string | number | boolean;
/** The values themselves while they are few; from then on an estimate's state. */
type Counted<Estimate> = Set<Countable> | { readonly estimate: Estimate };

/** How many different values there are, and whether they were all compared. */
export interface DistinctCount {
  readonly count: number;
  readonly exact: boolean;
}

const exactDistinctMax = 10_000;
const exactDistinctDefault = 1_000;

/**
 * Counts different values by the values themselves: `exactDistinct((r) => r.orderId, { max: 5_000 })` gives `{ count, exact }`. 1, '1' and
 * true are different.
 *
 * Exact, without any hashing, while there are at most `max` different values (default 1,000, at most 10,000). Beyond it goes on as
 * `countDistinct` does, whose standard error is 1.6 %, and says `exact: false`: raise `max`, or take windows of fewer values. It never
 * depends on the order of arrival. State holds every value until then, so that of 5,000 values of 20 characters is 115 KB.
 */
export function exactDistinct<In>(
  of: (record: In, timeMs: number) => Countable,
  options: { readonly max?: number } = {},
): Aggregator<In, Countable, Counted<ReturnType<typeof estimator.create>>, DistinctCount> {
  const { max = exactDistinctDefault } = givenOptions('exactDistinct', options, ['max'], '{ max: 1_000 }');
  checkWhole({ kind: 'exactDistinct', name: 'max', value: max, min: 1, max: exactDistinctMax });
  type State = Counted<ReturnType<typeof estimator.create>>;
  const estimateOf = (values: ReadonlySet<Countable>): State => {
    let estimate = estimator.create();
    for (const value of values) estimate = estimator.add(estimate, estimator.select(value, 0));
    return { estimate };
  };
  const add = (state: State, value: Countable): State => {
    if (!(state instanceof Set)) return { estimate: estimator.add(state.estimate, estimator.select(value, 0)) };
    state.add(value);
    return state.size > max ? estimateOf(state) : state;
  };
  return {
    kind: 'exact-distinct',
    gives: 'json',
    config: { max },
    keptMax: max,
    select: of,
    refuse,
    create: () => new Set(),
    add,
    merge: (into, from) => {
      let merged = into;
      if (from instanceof Set) {
        for (const value of from) merged = add(merged, value);
        return merged;
      }
      const own = merged instanceof Set ? estimateOf(merged) : merged;
      if (own instanceof Set) return own;
      return { estimate: estimator.merge(own.estimate, from.estimate) };
    },
    result: (state) =>
      state instanceof Set
        ? { count: state.size, exact: true }
        : { count: estimator.result(state.estimate), exact: false },
    encode: (state) =>
      state instanceof Set ? [...state].sort(compareJson) : { estimate: estimator.encode(state.estimate) },
    decode: (encoded) => decode(encoded, max),
  };
}

const estimator = countDistinct((value: Countable) => value);

function refuse(value: unknown): string | undefined {
  if (typeof value === 'string') return refuseKept(value);
  if (typeof value === 'boolean' || refuseNumber(value) === undefined) return undefined;
  return `${describe(value)} is neither a string, a finite number nor a boolean`;
}

function decode(encoded: Json, max: number): Counted<ReturnType<typeof estimator.create>> {
  if (Array.isArray(encoded)) {
    const values = new Set(encoded as readonly Countable[]);
    if (values.size === encoded.length && values.size <= max && encoded.every((value) => refuse(value) === undefined))
      return values;
  } else if (typeof encoded === 'object' && encoded !== null && 'estimate' in encoded) {
    return { estimate: estimator.decode(encoded['estimate'] as Json) };
  }
  throw unreadable('exact-distinct', `up to ${max} different values, or an estimate`, encoded);
}
