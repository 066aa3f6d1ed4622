import type { Aggregator, Json } from '../aggregator.ts';
import { decodeNumber, refuseNumber } from './numeric.ts';

/** A DDSketch with sparse bins: counts by the index of a logarithmic bin. */
interface Sketch {
  zeros: number;
  count: number;
  readonly positive: Map<number, number>;
  readonly negative: Map<number, number>;
}

export const relativeAccuracyDefault = 0.01;
/** Values nearer to zero than this are counted as zero. */
const magnitudeMin = 1e-9;

/**
 * The q-quantile of a number over the records, q from 0 to 1, off by at most `accuracy` of its value (default 1 %).
 *
 * DDSketch (Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019):
 * a value falls into the bin of its logarithm to the base (1 + accuracy) / (1 - accuracy). No bins are ever collapsed; all numbers up to
 * 1e290 at 1 % are at most 35,000 bins a sign, and a key's values seldom take more than a few dozen.
 */
export function quantile<In>(
  q: number,
  of: (record: In) => number,
  options: { readonly accuracy?: number } = {},
): Aggregator<In, number, Sketch, number> {
  const accuracy = options.accuracy ?? relativeAccuracyDefault;
  if (!(q >= 0 && q <= 1)) throw new RangeError(`quantile(${q}): q must be between 0 and 1`);
  if (!(accuracy >= 1e-4 && accuracy <= 0.5))
    throw new RangeError(`quantile accuracy ${accuracy} must be between 0.0001 and 0.5`);
  const gamma = (1 + accuracy) / (1 - accuracy);
  const perLog = 1 / Math.log(gamma);
  const binOf = (magnitude: number): number => Math.ceil(Math.log(magnitude) * perLog);
  /** The value whose relative distance to both ends of the bin is the same. */
  const valueOf = (bin: number): number => (2 * gamma ** bin) / (gamma + 1);
  return {
    kind: 'quantile',
    config: { q, accuracy },
    select: of,
    refuse: refuseNumber,
    create: () => ({ zeros: 0, count: 0, positive: new Map(), negative: new Map() }),
    add: (sketch, value) => {
      sketch.count += 1;
      if (Math.abs(value) < magnitudeMin) sketch.zeros += 1;
      else if (value > 0) increase(sketch.positive, binOf(value), 1);
      else increase(sketch.negative, binOf(-value), 1);
      return sketch;
    },
    merge: (into, from) => {
      into.count += from.count;
      into.zeros += from.zeros;
      for (const [bin, count] of from.positive) increase(into.positive, bin, count);
      for (const [bin, count] of from.negative) increase(into.negative, bin, count);
      return into;
    },
    result: (sketch) => quantileOf(sketch, q, valueOf),
    encode: (sketch) => [sketch.zeros, encodeBins(sketch.positive), encodeBins(sketch.negative)],
    decode: (encoded) => {
      if (!Array.isArray(encoded)) throw new Error(`the state of quantile holds ${JSON.stringify(encoded)}`);
      const zeros = decodeNumber(encoded[0], 'quantile');
      const positive = decodeBins(encoded[1]);
      const negative = decodeBins(encoded[2]);
      const count = [...positive.values(), ...negative.values()].reduce((total, bin) => total + bin, zeros);
      return { zeros, count, positive, negative };
    },
  };
}

function increase(bins: Map<number, number>, bin: number, by: number): void {
  bins.set(bin, (bins.get(bin) ?? 0) + by);
}

/** The value of rank q (n - 1), counted from the least. */
function quantileOf({ count, zeros, positive, negative }: Sketch, q: number, valueOf: (bin: number) => number): number {
  if (count === 0) return 0;
  const rank = q * (count - 1);
  let seen = 0;
  for (const [bin, bins] of [...negative].sort(([a], [b]) => b - a)) {
    seen += bins;
    if (seen > rank) return -valueOf(bin);
  }
  seen += zeros;
  if (seen > rank) return 0;
  let last = 0;
  for (const [bin, bins] of [...positive].sort(([a], [b]) => a - b)) {
    seen += bins;
    last = valueOf(bin);
    if (seen > rank) return last;
  }
  return last;
}

/** Ascending bins as pairs of (distance to the one before, count), in one flat list. */
function encodeBins(bins: ReadonlyMap<number, number>): Json {
  const encoded: number[] = [];
  let before = 0;
  for (const [bin, count] of [...bins].sort(([a], [b]) => a - b)) {
    encoded.push(bin - before, count);
    before = bin;
  }
  return encoded;
}

function decodeBins(encoded: unknown): Map<number, number> {
  if (!Array.isArray(encoded) || encoded.length % 2 !== 0)
    throw new Error(`the state of quantile holds ${JSON.stringify(encoded)} where bins belong`);
  const bins = new Map<number, number>();
  let bin = 0;
  for (let index = 0; index < encoded.length; index += 2) {
    bin += decodeNumber(encoded[index], 'quantile');
    bins.set(bin, decodeNumber(encoded[index + 1], 'quantile'));
  }
  return bins;
}
