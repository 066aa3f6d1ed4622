/**
 * HyperLogLog (P. Flajolet et al., 2007) over hashes of 53 bits, with the improved raw estimator of O. Ertl, New cardinality
 * estimation algorithms for HyperLogLog sketches, arXiv:1702.01284, algorithm 6. That one is unbiased from no values to as many
 * as there are hashes, so it needs neither the bias tables nor the thresholds of HyperLogLog++.
 */
export function estimateDistinct(registers: Uint8Array, precision: number): number {
  const registerCount = registers.length;
  const rankCounts = new Array<number>(rankMax(precision) + 1).fill(0);
  for (const rank of registers) rankCounts[rank] = (rankCounts[rank] as number) + 1;
  const of = (rank: number): number => rankCounts[rank] as number;
  let z = registerCount * tau(1 - of(rankMax(precision)) / registerCount);
  for (let rank = rankMax(precision) - 1; rank >= 1; rank -= 1) z = 0.5 * (z + of(rank));
  z += registerCount * sigma(of(0) / registerCount);
  // Registers that are all full make z 0, and there are no more hashes than these.
  return Math.min(2 ** hashBits, Math.round((registerCount * registerCount) / (2 * Math.LN2 * z)));
}

/** A register holds the highest rank among its hashes; 0 when it has none. */
export function createRegisters(precision: number): Uint8Array {
  return new Uint8Array(2 ** precision);
}

/** The first bits of the hash choose its register; its rank is the place of the first 1 among the others. */
export function takeHash(registers: Uint8Array, precision: number, hash: number): void {
  const restSpan = 2 ** (hashBits - precision);
  const index = Math.floor(hash / restSpan);
  const rest = hash - index * restSpan;
  const high = Math.floor(rest / 2 ** 32);
  const highBits = hashBits - precision - 32;
  const rank = 1 + (high > 0 ? Math.clz32(high) - (32 - highBits) : highBits + Math.clz32(rest >>> 0));
  if (rank > (registers[index] as number)) registers[index] = rank;
}

/** That of a hash whose other bits are all 0. */
export function rankMax(precision: number): number {
  return hashBits - precision + 1;
}

const hashBits = 53;

function sigma(start: number): number {
  if (start === 1) return Number.POSITIVE_INFINITY;
  let x = start;
  let y = 1;
  let z = x;
  for (let before = Number.NaN; z !== before; y += y) {
    x *= x;
    before = z;
    z += x * y;
  }
  return z;
}

function tau(start: number): number {
  if (start === 0 || start === 1) return 0;
  let x = start;
  let y = 1;
  let z = 1 - x;
  for (let before = Number.NaN; z !== before; ) {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  }
  return z / 3;
}
