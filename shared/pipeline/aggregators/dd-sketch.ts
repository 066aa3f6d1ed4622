import { MillraceError } from '#shared/schemas/error.ts';
import type { Aggregator, Json } from '../aggregator.ts';
import { invalid, shown } from '../refuse.ts';
import { isCount, refuseBeyond, unreadable } from './numeric.ts';

export const accuracyDefault = 0.01;
const accuracyMin = 0.001;
const accuracyMax = 0.5;
/** A value nearer to 0 than this counts as 0. */
export const quantileMagnitudeMin = 1e-9;
/** A value beyond this is refused. With the above it bounds the bins, so that none are ever collapsed. */
export const quantileMagnitudeMax = 1e21;

/** How many values each bin has. Bins are numbered in the order of their values: below 0 for negative ones, 0 for zero. */
type Bins = Map<number, number>;

/** The bins with the least and the greatest value, which are infinite while there is none. */
export interface Sketch {
  readonly bins: Bins;
  min: number;
  max: number;
}

/** What `quantile` and `quantiles` share: a sketch of the values, in the second layout of its state; the first one had no least and greatest value. */
export function sketchOf<In, Out>(options: {
  readonly kind: string;
  readonly gives: 'number' | 'json';
  readonly config: Aggregator<In, number, Sketch, Out>['config'];
  readonly select: Aggregator<In, number, Sketch, Out>['select'];
  readonly accuracy: number;
  readonly result: (valueAt: (q: number) => number) => Out;
}): Aggregator<In, number, Sketch, Out> {
  const { kind, gives, config, select, accuracy, result } = options;
  if (!(accuracy >= accuracyMin && accuracy <= accuracyMax)) {
    throw new MillraceError(
      'PIPELINE_INVALID',
      `${kind}: accuracy is ${accuracy}; it must be from ${accuracyMin} to ${accuracyMax}.`,
    );
  }
  const layout = createLayout(accuracy);
  return {
    kind,
    gives,
    config: { ...config, accuracy, layout: 2 },
    select,
    refuse: (value) => refuseBeyond(value, quantileMagnitudeMax),
    create: createSketch,
    add: (sketch, value) => {
      increase(sketch.bins, layout.binOf(value), 1);
      return widen(sketch, value, value);
    },
    merge: (into, from) => {
      for (const [bin, count] of from.bins) increase(into.bins, bin, count);
      return widen(into, from.min, from.max);
    },
    result: (sketch) => result((q) => valueAt(sketch, q, layout)),
    encode: encodeSketch,
    decode: (encoded) => decodeSketch(kind, encoded, layout),
  };
}

/** Throws `PIPELINE_INVALID` unless `q` is a part of the values. */
export function checkPart(kind: string, q: number): void {
  if (!(typeof q === 'number' && q >= 0 && q <= 1))
    throw invalid(`${kind}:`, `q is ${shown(q)}; it must be from 0 to 1.`);
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

function createSketch(): Sketch {
  return { bins: new Map(), min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
}

function increase(bins: Bins, bin: number, count: number): void {
  bins.set(bin, (bins.get(bin) ?? 0) + count);
}

/** Adding 0 turns -0 into 0: the two are equal, and which came first must not show. */
function widen(sketch: Sketch, min: number, max: number): Sketch {
  if (min < sketch.min) sketch.min = min + 0;
  if (max > sketch.max) sketch.max = max + 0;
  return sketch;
}

function valueAt({ bins, min, max }: Sketch, q: number, layout: Layout): number {
  let count = 0;
  for (const inBin of bins.values()) count += inBin;
  if (count === 0) return Number.NaN;
  const rank = Math.floor(q * (count - 1));
  if (rank === 0) return min;
  if (rank === count - 1) return max;
  const value = layout.valueOfBin(binOfRank(bins, rank));
  return Math.min(max, Math.max(min, value));
}

function binOfRank(bins: Bins, rank: number): number {
  const sorted = [...bins.keys()].sort((a, b) => a - b);
  let upTo = 0;
  for (const bin of sorted) {
    upTo += bins.get(bin) as number;
    if (upTo > rank) return bin;
  }
  return sorted[sorted.length - 1] as number;
}

/**
 * The least and the greatest value, then the bins in order, each as its distance from the one before and its count:
 * [99, 100, 1267, 3, 1, 8] has 3 values in bin 1267 and 8 in 1268, from 99 to 100.
 */
function encodeSketch({ bins, min, max }: Sketch): Json {
  if (bins.size === 0) return [];
  const encoded: number[] = [min, max];
  let before = 0;
  for (const bin of [...bins.keys()].sort((a, b) => a - b)) {
    encoded.push(bin - before, bins.get(bin) as number);
    before = bin;
  }
  return encoded;
}

function decodeSketch(kind: string, encoded: Json, { binMax, binOf }: Layout): Sketch {
  const expected = `the least and the greatest value, and pairs of a distance and a count, of bins from -${binMax} to ${binMax}`;
  if (!Array.isArray(encoded) || encoded.length % 2 !== 0) throw unreadable(kind, expected, encoded);
  if (encoded.length === 0) return createSketch();
  const bins: Bins = new Map();
  let bin = 0;
  for (let index = 2; index < encoded.length; index += 2) {
    const distance: unknown = encoded[index];
    const count: unknown = encoded[index + 1];
    const isDistance = Number.isSafeInteger(distance) && (index === 2 || (distance as number) > 0);
    bin += distance as number;
    if (!isDistance || Math.abs(bin) > binMax || !isCount(count) || count === 0) {
      throw unreadable(kind, expected, encoded);
    }
    bins.set(bin, count);
  }
  const [first = Number.NaN] = bins.keys();
  const [min, max] = encoded as readonly unknown[];
  // The logarithm is rounded, so a value on the edge of a bin may belong to the next one elsewhere.
  const isIn = (value: unknown, of: number): value is number =>
    typeof value === 'number' && Math.abs(binOf(value) - of) <= 1;
  if (!isIn(min, first) || !isIn(max, bin) || min > max) throw unreadable(kind, expected, encoded);
  return { bins, min: min + 0, max: max + 0 };
}
