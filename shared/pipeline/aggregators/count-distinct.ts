import { hash128 } from '#shared/schemas/hash.ts';
import type { Aggregator, Json } from '../aggregator.ts';
import { decodeNumber } from './numeric.ts';

/** 2^11 registers: a standard error of 1.04 / sqrt(2048) = 2.3 %. */
const precision = 11;
const registerCount = 1 << precision;
/** Up to so many distinct values the hashes themselves are kept, and the count is exact. */
export const exactDistinctMax = 128;
/** A hash crosses the exchange as a JSON number of 53 bits: 11 for the register, 42 for the rank. */
const rankBits = 42;
const rankSpan = 2 ** rankBits;

/** Either the hashes, while there are few, or HyperLogLog's registers. */
interface Distinct {
  hashes: Set<number> | undefined;
  registers: Uint8Array | undefined;
}

/**
 * How many different values there are over the records: exact up to 128, then estimated with a standard error of 2.3 %.
 *
 * HyperLogLog (Flajolet et al., 2007) with the estimator of Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
 * (2017, algorithm 6), which needs no bias table.
 */
export function countDistinct<In>(
  of: (record: In) => string | number | boolean,
): Aggregator<In, number, Distinct, number> {
  return {
    kind: 'count-distinct',
    config: { precision },
    select: (record) => {
      const value = of(record);
      return hash53(typeof value === 'string' ? value : `${typeof value}:${value}`);
    },
    create: () => ({ hashes: new Set(), registers: undefined }),
    add: addHash,
    merge: (into, from) => {
      if (from.hashes !== undefined) {
        for (const hash of from.hashes) addHash(into, hash);
        return into;
      }
      const registers = toRegisters(into);
      from.registers?.forEach((rank, index) => {
        if (rank > (registers[index] as number)) registers[index] = rank;
      });
      return into;
    },
    result: ({ hashes, registers }) =>
      hashes !== undefined ? hashes.size : Math.round(estimate(registers as Uint8Array)),
    encode: ({ hashes, registers }) =>
      hashes !== undefined ? [...hashes].sort((a, b) => a - b) : { registers: packRegisters(registers as Uint8Array) },
    decode,
  };
}

function hash53(text: string): number {
  const [high, low] = hash128(text);
  return high * 2 ** 21 + (low >>> 11);
}

function addHash(distinct: Distinct, hash: number): Distinct {
  if (distinct.hashes !== undefined) {
    distinct.hashes.add(hash);
    if (distinct.hashes.size > exactDistinctMax) toRegisters(distinct);
    return distinct;
  }
  raise(distinct.registers as Uint8Array, hash);
  return distinct;
}

function toRegisters(distinct: Distinct): Uint8Array {
  const registers = distinct.registers ?? new Uint8Array(registerCount);
  for (const hash of distinct.hashes ?? []) raise(registers, hash);
  distinct.hashes = undefined;
  distinct.registers = registers;
  return registers;
}

/** The register is the hash's first bits; its rank is the place of the first one among the others. */
function raise(registers: Uint8Array, hash: number): void {
  const index = Math.floor(hash / rankSpan);
  const rest = hash % rankSpan;
  const rank = rest === 0 ? rankBits + 1 : rankBits - Math.floor(Math.log2(rest));
  if (rank > (registers[index] as number)) registers[index] = rank;
}

function estimate(registers: Uint8Array): number {
  const multiplicity = new Array<number>(rankBits + 2).fill(0);
  for (const rank of registers) multiplicity[rank] = (multiplicity[rank] as number) + 1;
  let z = registerCount * tau(1 - (multiplicity[rankBits + 1] as number) / registerCount);
  for (let rank = rankBits; rank >= 1; rank -= 1) z = 0.5 * (z + (multiplicity[rank] as number));
  z += registerCount * sigma((multiplicity[0] as number) / registerCount);
  return (registerCount * registerCount) / (2 * Math.LN2 * z);
}

function sigma(start: number): number {
  if (start === 1) return Number.POSITIVE_INFINITY;
  let x = start;
  let y = 1;
  let z = x;
  for (let before = Number.NaN; z !== before; ) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
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
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}

/** A rank is at most 43: two characters would waste one, so a register is one character from `0` on. */
function packRegisters(registers: Uint8Array): string {
  return String.fromCharCode(...registers.map((rank) => rank + 48));
}

function decode(encoded: Json): Distinct {
  if (Array.isArray(encoded))
    return { hashes: new Set(encoded.map((hash) => decodeNumber(hash, 'count-distinct'))), registers: undefined };
  const packed = (encoded as { readonly registers?: unknown } | null)?.registers;
  if (typeof packed !== 'string' || packed.length !== registerCount)
    throw new Error('the state of count-distinct is neither hashes nor registers');
  const registers = new Uint8Array(registerCount);
  for (let index = 0; index < registerCount; index += 1) {
    const rank = packed.charCodeAt(index) - 48;
    if (!(rank >= 0 && rank <= rankBits + 1))
      throw new Error(`the state of count-distinct holds a register of ${rank}`);
    registers[index] = rank;
  }
  return { hashes: undefined, registers };
}
