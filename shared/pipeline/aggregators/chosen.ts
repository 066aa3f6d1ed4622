import type { Aggregator, Json } from '../aggregator.ts';
import { compareJson, isKept, plainOf, refuseKept } from './json-order.ts';
import { describe, refuseNumber, unreadable } from './numeric.ts';

/** What a record offers: what it is chosen by, its event time, and the value that is shown. */
type Offer = readonly [by: Json, timeMs: number, value: Json];
/** The one that was chosen of those that were offered. */
type Chosen = Offer | undefined;

/** What `first`, `last`, `argMin` and `argMax` share: of all that was offered, the one that stands before the others. */
export function chosen<In, Value extends Json>(options: {
  readonly kind: string;
  readonly select: (record: In, timeMs: number) => Offer;
  /** Negative when `a` stands before `b`, and 0 only when they are alike: then the order of arrival cannot show. */
  readonly compare: (a: Offer, b: Offer) => number;
}): Aggregator<In, Offer, Chosen, Value> {
  const { kind, select, compare } = options;
  const choose = (best: Chosen, offer: Offer): Offer => (best === undefined || compare(offer, best) < 0 ? offer : best);
  return {
    kind,
    config: {},
    select,
    refuse: ([by, , value]) => refuseBy(by) ?? refuseKept(value),
    create: () => undefined,
    add: choose,
    merge: (into, from) => (from === undefined ? into : choose(into, from)),
    // A row has a record, so there is one; of nothing it is null.
    result: (best) => (best === undefined ? null : best[2]) as Value,
    encode: (best) => best ?? null,
    decode: (encoded) => decode(kind, encoded),
  };
}

/** A record's offer, by event time or by what the record is compared by. */
export function offerOf(by: Json, timeMs: number, value: Json): Offer {
  return [typeof by === 'number' ? by + 0 : by, timeMs, plainOf(value)];
}

/** By event time; at one time by the value. */
export function compareByTime(a: Offer, b: Offer): number {
  return a[1] - b[1] || compareJson(a[2], b[2]);
}

/** By what they are compared by; where that is the same by event time, at one time by the value. */
export function compareByRank(a: Offer, b: Offer): number {
  return compareJson(a[0], b[0]) || compareByTime(a, b);
}

function refuseBy(by: unknown): string | undefined {
  if (typeof by === 'string') return refuseKept(by);
  return refuseNumber(by) === undefined ? undefined : `${describe(by)} is neither a finite number nor a string`;
}

function decode(kind: string, encoded: Json): Chosen {
  if (encoded === null) return undefined;
  const [by, timeMs, value, ...rest] = Array.isArray(encoded) ? (encoded as readonly Json[]) : [];
  const isOffer = by !== undefined && refuseBy(by) === undefined && Number.isSafeInteger(timeMs) && isKept(value);
  if (!isOffer || rest.length > 0) throw unreadable(kind, 'null or [by, timeMs, value]', encoded);
  return offerOf(by, (timeMs as number) + 0, value);
}
