import { hash } from 'node:crypto';

/** Hash keys are 128 bits wide. */
const hashKeyCount = 2n ** 128n;
export const hashKeyMax = hashKeyCount - 1n;

/** Inclusive at both ends, as AWS writes it. */
export interface HashKeyRange {
  readonly startingHashKey: bigint;
  readonly endingHashKey: bigint;
}

/**
 * The MD5 of a partition key as a number.
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html
 */
export function hashKeyOf(partitionKey: string): bigint {
  return BigInt(`0x${hash('md5', partitionKey)}`);
}

/** The hash space cut into `count` ranges of equal size; the last takes what does not divide. */
export function uniformRanges(count: number): readonly HashKeyRange[] {
  const width = hashKeyCount / BigInt(count);
  return Array.from({ length: count }, (_, index) => ({
    startingHashKey: width * BigInt(index),
    endingHashKey: index === count - 1 ? hashKeyMax : width * BigInt(index + 1) - 1n,
  }));
}

/** Where in `ranges`, which are sorted and partition the hash space, `hashKey` lies. */
export function findRange(ranges: readonly HashKeyRange[], hashKey: bigint): number {
  let low = 0;
  let high = ranges.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.endingHashKey ?? 0n) < hashKey) low = middle + 1;
    else high = middle;
  }
  return low;
}
