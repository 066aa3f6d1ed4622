import { MillraceError } from '#shared/schemas/error.ts';
import type { Aggregator, Json } from '../aggregator.ts';
import type { Duration } from '../duration.ts';
import { readingThrough } from '../reads.ts';
import { givenOptions } from '../refuse.ts';
import { type Binary, plus, roundQuotient } from './exact-ratio.ts';
import { addExactly, binaryOfSum, decodeExactSum, type ExactSum, encodeExactSum, mergeExactly } from './exact-sum.ts';
import { addProduct, momentOf, refuseMoment } from './moments.ts';
import { unreadable } from './numeric.ts';

type TimedValue = readonly [timeMs: number, value: number];

/** The values of one half-life, each with its weight in it. */
interface Span {
  weights: ExactSum;
  values: ExactSum;
}

/** By the number of the half-life since 1970. */
type Spans = Map<number, Span>;

/** Older values have less than 1 / 2^63 of the newest one's weight, and are dropped. */
export const ewmaSpansMax = 64;

/**
 * The exponentially weighted moving average: `ewma((r) => r.latencyMs, { halfLife: minutes(5) })`. A value that is a half-life older than
 * another, by event time, counts half as much. Of no values it is NaN, which JSON shows as null.
 *
 * A weight is 2^(event time / half-life), rounded to one part in 2^33, which does not depend on any other record: so the average does not
 * depend on the order of arrival either. It is a ratio of exact sums, rounded once, and off by at most one part in 2^32 of the average of
 * the magnitudes. What is `ewmaSpansMax` half-lives older than the newest value counts nothing. State is two exact sums for each half-life
 * that has values, 64 at most; the limits of values are those of `variance`.
 */
export function ewma<In>(
  of: (record: In, timeMs: number) => number,
  options: { readonly halfLife: Duration },
): Aggregator<In, TimedValue, Spans, number> {
  const { halfLife } = givenOptions('ewma', options, ['halfLife'], '{ halfLife: minutes(5) }');
  if (!(Number.isSafeInteger(halfLife) && halfLife > 0))
    throw new MillraceError('PIPELINE_INVALID', `ewma: halfLife is ${halfLife} ms; it must be a whole number above 0.`);
  const add = (spans: Spans, [timeMs, value]: TimedValue): Spans => {
    const number = Math.floor(timeMs / halfLife);
    const weight = weightOf(timeMs - number * halfLife, halfLife);
    const span = spanOf(spans, number);
    if (span === undefined) return spans;
    span.weights = addExactly(span.weights, weight);
    span.values = addProduct(span.values, value, weight);
    return spans;
  };
  return {
    kind: 'ewma',
    gives: 'number',
    config: { halfLifeMs: halfLife },
    select: readingThrough((record, timeMs) => [timeMs, momentOf(of(record, timeMs))], [of]),
    refuse: ([, value]) => refuseMoment(value),
    create: () => new Map(),
    add,
    merge: (into, from) => {
      for (const [number, { weights, values }] of from) {
        const span = spanOf(into, number);
        if (span === undefined) continue;
        span.weights = mergeExactly(span.weights, weights);
        span.values = mergeExactly(span.values, values);
      }
      return into;
    },
    result: averageOf,
    encode: (spans) =>
      [...spans]
        .sort(([a], [b]) => a - b)
        .map(([number, { weights, values }]) => [number, encodeExactSum(weights), encodeExactSum(values)]),
    decode,
  };
}

/** Weights within a half-life go from 2^32 to 2^33. */
const weightUnit = 2 ** 32;

function weightOf(withinMs: number, halfLifeMs: number): number {
  return Math.round(weightUnit * 2 ** (withinMs / halfLifeMs));
}

/** The span of that number, which is begun if there is none; undefined when it is too old to count. Begins by dropping what is. */
function spanOf(spans: Spans, number: number): Span | undefined {
  const found = spans.get(number);
  if (found !== undefined) return found;
  let newest = number;
  for (const other of spans.keys()) if (other > newest) newest = other;
  if (number <= newest - ewmaSpansMax) return undefined;
  if (number === newest) for (const other of spans.keys()) if (other <= newest - ewmaSpansMax) spans.delete(other);
  const span = { weights: 0, values: 0 };
  spans.set(number, span);
  return span;
}

function averageOf(spans: Spans): number {
  if (spans.size === 0) return Number.NaN;
  let weights: Binary = { mantissa: 0n, exponent: 0 };
  let values = weights;
  const newest = Math.max(...spans.keys());
  for (const [number, span] of spans) {
    weights = plus(weights, halved(binaryOfSum(span.weights), newest - number));
    values = plus(values, halved(binaryOfSum(span.values), newest - number));
  }
  return roundQuotient(values, weights);
}

function halved({ mantissa, exponent }: Binary, times: number): Binary {
  return { mantissa, exponent: exponent - times };
}

function decode(encoded: Json): Spans {
  const expected = `up to ${ewmaSpansMax} half-lives in order, each with its number, its weights and its values`;
  if (!Array.isArray(encoded)) throw unreadable('ewma', expected, encoded);
  const spans: Spans = new Map();
  let before = Number.NEGATIVE_INFINITY;
  let oldest: number | undefined;
  for (const entry of encoded as readonly Json[]) {
    const [number, weights, values, ...rest] = Array.isArray(entry) ? (entry as readonly Json[]) : [];
    if (!Number.isSafeInteger(number) || weights === undefined || values === undefined || rest.length > 0)
      throw unreadable('ewma', expected, encoded);
    const span = { weights: decodeExactSum(weights), values: decodeExactSum(values) };
    const at = (number as number) + 0;
    oldest ??= at;
    // Every value has a weight of at least one unit, so no span is without.
    const isSpan = at > before && at < oldest + ewmaSpansMax && binaryOfSum(span.weights).mantissa > 0n;
    if (!isSpan) throw unreadable('ewma', expected, encoded);
    before = at;
    spans.set(at, span);
  }
  return spans;
}
