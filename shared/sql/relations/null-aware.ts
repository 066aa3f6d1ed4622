import type { AnyAggregator, Json } from '#shared/pipeline/aggregator.ts';
import { compareJson } from '#shared/pipeline/aggregators/json-order.ts';
import { readingThrough } from '#shared/pipeline/reads.ts';
import type { Values } from '#shared/sql/expressions/compiled.ts';

/** Nothing until there was a value. */
interface Kept {
  accumulator: unknown;
}

/**
 * An aggregator that passes over NULL, as all of SQL's do, and is NULL when there was nothing else.
 */
export function orNull(of: AnyAggregator<Values>, isMissing: (values: Values) => boolean): AnyAggregator<Values> {
  return {
    kind: of.kind,
    config: { ...of.config, nullable: true },
    // What an aggregator takes is never null itself.
    select: readingThrough(
      (values: Values, timeMs: number) => (isMissing(values) ? null : of.select(values, timeMs)),
      [isMissing, of.select],
    ),
    refuse: (offered) => (offered === null ? undefined : of.refuse?.(offered)),
    create: (): Kept | null => null,
    add: (kept: Kept | null, offered: unknown): Kept | null => {
      if (offered === null) return kept;
      const into = kept ?? { accumulator: of.create() };
      into.accumulator = of.add(into.accumulator, offered);
      return into;
    },
    merge: (into: Kept | null, from: Kept | null): Kept | null => {
      if (from === null) return into;
      // What is merged from is not owned, so nothing of it may be kept.
      const kept = into ?? { accumulator: of.create() };
      kept.accumulator = of.merge(kept.accumulator, from.accumulator);
      return kept;
    },
    result: (kept: Kept | null) => (kept === null ? null : of.result(kept.accumulator)),
    encode: (kept: Kept | null): Json => (kept === null ? null : [of.encode(kept.accumulator)]),
    decode: (encoded): Kept | null => {
      if (encoded === null) return null;
      if (!Array.isArray(encoded) || encoded.length !== 1)
        throw new Error(`the state of ${of.kind} must be null or a list of one, and is ${JSON.stringify(encoded)}`);
      return { accumulator: of.decode(encoded[0] as Json) };
    },
  };
}

/** The same, with another result. */
export function showing(of: AnyAggregator<Values>, show: (result: unknown) => unknown): AnyAggregator<Values> {
  return { ...of, result: (accumulator: unknown) => show(of.result(accumulator)) };
}

/** The least or the greatest of texts, by their UTF-16 units, or of truths. */
export function extremeOf(kind: 'min' | 'max', of: (values: Values) => unknown): AnyAggregator<Values> {
  const sign = kind === 'min' ? 1 : -1;
  const pick = (best: Json | undefined, value: Json | undefined): Json | undefined =>
    best === undefined || (value !== undefined && compareJson(value, best) * sign < 0) ? value : best;
  return {
    kind: `${kind}-text`,
    config: {},
    select: of,
    create: () => undefined,
    add: pick,
    merge: pick,
    result: (best: Json | undefined) => best ?? null,
    encode: (best: Json | undefined) => best ?? null,
    decode: (encoded) => encoded ?? undefined,
  };
}

/** How many different values there are, exactly: the state holds each of them. */
export function distinctOf(of: (values: Values) => unknown): AnyAggregator<Values> {
  return {
    kind: 'distinct',
    config: {},
    select: of,
    create: () => new Set(),
    add: (seen: Set<unknown>, value: unknown) => {
      if (value !== null) seen.add(value);
      return seen;
    },
    merge: (into: Set<unknown>, from: ReadonlySet<unknown>) => {
      for (const value of from) into.add(value);
      return into;
    },
    result: (seen: ReadonlySet<unknown>) => seen.size,
    encode: (seen: ReadonlySet<Json>): Json => [...seen].sort(compareJson),
    decode: (encoded) => {
      if (Array.isArray(encoded)) return new Set(encoded);
      throw new Error(`the state of distinct must be a list, and is ${JSON.stringify(encoded)}`);
    },
  };
}
