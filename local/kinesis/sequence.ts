/**
 * Sequence numbers of AWS's form: 56 decimal digits. AWS documents only that they rise; the bits below follow those that it
 * gives today, so that what is stored and compared has the width it will have there.
 *
 *   2 | created second 36 | shard 4 | record index 64 | 0 8 | arrival second 36 | shard 32 | version 4
 *
 * The created second stands highest and a child's is larger than its parents', so every number of a child is larger too.
 */
export interface SequenceOrigin {
  readonly createdSecond: number;
  readonly shardIndex: number;
}

const versionBits = 4n;
const shardBits = 32n;
const arrivalAt = versionBits + shardBits;
const recordAt = arrivalAt + 36n + 8n;
const shardNibbleAt = recordAt + 64n;
const createdAt = shardNibbleAt + 4n;
const prefix = 2n << (createdAt + 36n);
const version = 2n;

const shardMask = (1n << shardBits) - 1n;
const recordMask = (1n << 64n) - 1n;
const secondMask = (1n << 36n) - 1n;

/** The last arrival that a number has room for. */
export const secondMax = Number(secondMask);

/** All of a shard's sequence numbers, without the record's index and its arrival. */
export function sequenceBase(origin: SequenceOrigin): bigint {
  const shardIndex = BigInt(origin.shardIndex);
  return (
    prefix |
    (BigInt(origin.createdSecond) << createdAt) |
    ((shardIndex & 15n) << shardNibbleAt) |
    (shardIndex << versionBits) |
    version
  );
}

/** The sequence number of a shard's record `recordIndex`; 0 is the shard's beginning, its first record is 1. */
export function sequenceNumber(
  base: bigint,
  position: { readonly recordIndex: number; readonly second: number },
): string {
  return (base + (BigInt(position.recordIndex) << recordAt) + (BigInt(position.second) << arrivalAt)).toString();
}

/** What a sequence number says about its origin, or undefined if it is none of ours. */
export function parseSequenceNumber(text: string): (SequenceOrigin & { readonly recordIndex: number }) | undefined {
  if (!/^[1-9]\d{55}$/.test(text)) return undefined;
  const bits = BigInt(text);
  if (bits >> (createdAt + 36n) !== 2n || (bits & 15n) !== version) return undefined;
  return {
    createdSecond: Number((bits >> createdAt) & secondMask),
    shardIndex: Number((bits >> versionBits) & shardMask),
    recordIndex: Number((bits >> recordAt) & recordMask),
  };
}
