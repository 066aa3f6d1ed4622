import { MillraceError } from '#shared/schemas/error.ts';
import type { Aggregator, Json } from '../aggregator.ts';
import { isCount, refuseBeyond, unreadable } from './numeric.ts';

export const accuracyDefault = 0.01;
export const accuracyMin = 0.001;
export const accuracyMax = 0.5;
/** A value nearer to 0 than this counts as 0. */
export const quantileMagnitudeMin = 1e-9;
/** A value beyond this is refused. With the above it bounds the bins, so that none are ever collapsed. */
export const quantileMagnitudeMax = 1e21;

/** How many values each bin has. Bins are numbered in the order of their values: below 0 for negative ones, 0 for zero. */
type Bins = Map<number, number>;

/**
 * The value below which the part `q` of the values lies: `quantile(0.99, (r) => r.latencyMs)`, off by at most `accuracy` of itself
 * (default 0.01). It is the value of rank floor(q (n - 1)), counted from 0. Of no values it is NaN, which JSON shows as null.
 *
 * This is DDSketch (C. Masson, J. E. Rim, H. K. Lee, DDSketch: a fast and fully-mergeable quantile sketch with relative-error
 * guarantees, VLDB 2019) with one bin for each power of (1 + accuracy) / (1 - accuracy), kept only when it has values: values
 * within a factor of ten share 117 bins at most. There are never more than `quantileBinsMax(accuracy)`, 6,911 by default.
 */
export function quantile<In>(
  q: number,
  of: (record: In) => number,
  options: { readonly accuracy?: number } = {},
): Aggregator<In, number, Bins, number> {
  const { accuracy = accuracyDefault } = options;
  if (!(q >= 0 && q <= 1)) throw new MillraceError('PIPELINE_INVALID', `quantile: q is ${q}; it must be from 0 to 1.`);
  if (!(accuracy >= accuracyMin && accuracy <= accuracyMax)) {
    throw new MillraceError(
      'PIPELINE_INVALID',
      `quantile: accuracy is ${accuracy}; it must be from ${accuracyMin} to ${accuracyMax}.`,
    );
  }
  const layout = createLayout(accuracy);
  return {
    kind: 'quantile',
    config: { q, accuracy },
    select: of,
    refuse: (value) => refuseBeyond(value, quantileMagnitudeMax),
    create: () => new Map(),
    add: (bins, value) => increase(bins, layout.binOf(value), 1),
    merge: (into, from) => {
      for (const [bin, count] of from) increase(into, bin, count);
      return into;
    },
    result: (bins) => (bins.size === 0 ? Number.NaN : layout.valueOfBin(binOfRank(bins, q))),
    encode,
    decode: (encoded) => decode(encoded, layout.binMax),
  };
}

/** The most bins that a sketch can have: those of either sign, and that of zero. */
export function quantileBinsMax(accuracy: number): number {
  return createLayout(accuracy).binMax * 2 + 1;
}

interface Layout {
  readonly binMax: number;
  readonly binOf: (value: number) => number;
  readonly valueOfBin: (bin: number) => number;
}

//  bin        …  -1  |  0  |  1         2        …
//  values        …   |  0  |  (1e-9 …)  (… * base)
function createLayout(accuracy: number): Layout {
  const base = (1 + accuracy) / (1 - accuracy);
  const perLog = 1 / Math.log(base);
  const powerOf = (magnitude: number): number => Math.ceil(Math.log(magnitude) * perLog);
  const powerBeforeFirst = powerOf(quantileMagnitudeMin) - 1;
  const binOfMagnitude = (magnitude: number): number =>
    magnitude < quantileMagnitudeMin ? 0 : powerOf(magnitude) - powerBeforeFirst;
  // The value that is equally far, in proportion, from both ends of the bin.
  const valueOfMagnitude = (bin: number): number => (2 * base ** (bin + powerBeforeFirst)) / (1 + base);
  return {
    binMax: binOfMagnitude(quantileMagnitudeMax),
    binOf: (value) => (value < 0 ? 0 - binOfMagnitude(-value) : binOfMagnitude(value)),
    valueOfBin: (bin) => (bin === 0 ? 0 : bin < 0 ? -valueOfMagnitude(-bin) : valueOfMagnitude(bin)),
  };
}

function increase(bins: Bins, bin: number, count: number): Bins {
  return bins.set(bin, (bins.get(bin) ?? 0) + count);
}

function binOfRank(bins: Bins, q: number): number {
  const sorted = [...bins.keys()].sort((a, b) => a - b);
  let count = 0;
  for (const inBin of bins.values()) count += inBin;
  const rank = q * (count - 1);
  let upTo = 0;
  for (const bin of sorted) {
    upTo += bins.get(bin) as number;
    if (upTo > rank) return bin;
  }
  return sorted[sorted.length - 1] as number;
}

/** Bins in order, each as its distance from the one before and its count: [1500, 3, 1, 8] has 3 values in 1500 and 8 in 1501. */
function encode(bins: Bins): Json {
  const encoded: number[] = [];
  let before = 0;
  for (const bin of [...bins.keys()].sort((a, b) => a - b)) {
    encoded.push(bin - before, bins.get(bin) as number);
    before = bin;
  }
  return encoded;
}

function decode(encoded: Json, binMax: number): Bins {
  const expected = `pairs of a distance and a count, of bins from -${binMax} to ${binMax}`;
  if (!Array.isArray(encoded) || encoded.length % 2 !== 0) throw unreadable('quantile', expected, encoded);
  const bins: Bins = new Map();
  let bin = 0;
  for (let index = 0; index < encoded.length; index += 2) {
    const distance: unknown = encoded[index];
    const count: unknown = encoded[index + 1];
    const isDistance = Number.isSafeInteger(distance) && (index === 0 || (distance as number) > 0);
    bin += distance as number;
    if (!isDistance || Math.abs(bin) > binMax || !isCount(count) || count === 0) {
      throw unreadable('quantile', expected, encoded);
    }
    bins.set(bin, count);
  }
  return bins;
}
