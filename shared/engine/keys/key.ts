import type { LooksAhead } from '#shared/engine/decode/look-ahead.ts';
import { hash128 } from '#shared/schemas/hash.ts';

const noKeys: NumberedKeys = { textOf: () => '', slotOf: () => 0 };

/** The key of a record at hand. */
export interface RecordKey {
  /** Canonical. */
  readonly text: string;
  /** Small, and in its space no other key has it: whoever keeps something of a key finds it by this number. */
  readonly id: number;
  readonly space: KeySpace;
}

/** Whoever numbers keys anew has another one from then on. */
export interface KeySpace {
  /** No key has two numbers in it. */
  readonly isOneToOne?: boolean;
  /** Who has found keys of it last. */
  follower?: WeakRef<LooksAhead>;
}

/** What knows the keys that have numbers. */
export interface NumberedKeys {
  readonly textOf: (id: number) => string;
  readonly slotOf: (id: number) => number;
}

/** A key that was found, until the next one is found into it. */
export class FoundKey implements RecordKey {
  id = 0;
  space: KeySpace = {};
  /** As they were numbered when the key was found. */
  keys: NumberedKeys = noKeys;

  /** Says where its number is from, which is most often where that of the key before was: to look costs less than to say it again. */
  name(space: KeySpace, keys: NumberedKeys): void {
    if (this.space !== space) this.space = space;
    if (this.keys !== keys) this.keys = keys;
  }

  /** Only who meets the key for the first time, or keeps it with each record, asks for it. */
  get text(): string {
    return this.keys.textOf(this.id);
  }

  /** Only who puts the key on the exchange asks for it. */
  get slot(): number {
    return this.keys.slotOf(this.id);
  }
}

/** Rule 1: slot = floor(hash(key) * S / 2^128). S is a power of two, so these are the highest bits. */
export function slotOf(key: string, slots: number): number {
  return slots === 1 ? 0 : hash128(key)[0] >>> (32 - Math.log2(slots));
}

/** The key group within its slot, from other bits than the slot. */
export function groupOf(key: string, groups: number): number {
  return groups === 1 ? 0 : hash128(key)[1] >>> (32 - Math.log2(groups));
}

/** Rule 1: every block of a slot uses the hash key in the middle of the slot's range, and no other. */
export function slotHashKey(slot: number, slots: number): bigint {
  const range = (1n << 128n) / BigInt(slots);
  return BigInt(slot) * range + range / 2n;
}

/** Whether a shard of these hash keys, both inclusive, is the one into which a block with `hashKey` is put. */
export function owns(
  { startingHashKey, endingHashKey }: { readonly startingHashKey: bigint; readonly endingHashKey: bigint },
  hashKey: bigint,
): boolean {
  return hashKey >= startingHashKey && hashKey <= endingHashKey;
}
