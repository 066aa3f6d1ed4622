import type { Random } from './random.ts';

export interface SimRecord {
  readonly sequence: string;
  readonly partitionKey: string;
  readonly bytes: Uint8Array;
  readonly arrivalMs: number;
}

export interface SimShard {
  readonly shardId: string;
  readonly parents: readonly string[];
  /** Inclusive at both ends. */
  readonly startingHashKey: bigint;
  readonly endingHashKey: bigint;
  readonly records: SimRecord[];
  closed: boolean;
}

const hashKeys = 2n ** 128n;

/**
 * A stream with nothing guaranteed beyond what the protocol asks for: sequence numbers rise within a shard and are of any length, and a
 * child's may be smaller than its parents'.
 */
export class SimStream {
  readonly name: string;
  readonly shards: SimShard[] = [];
  readonly #random: Random;
  readonly #nextSequences = new Map<string, number>();

  constructor(name: string, shardCount: number, random: Random) {
    this.name = name;
    this.#random = random;
    for (let index = 0; index < shardCount; index += 1) {
      const from = (hashKeys * BigInt(index)) / BigInt(shardCount);
      this.#open([], from, (hashKeys * BigInt(index + 1)) / BigInt(shardCount) - 1n);
    }
  }

  get openShards(): readonly SimShard[] {
    return this.shards.filter((shard) => !shard.closed);
  }

  put(hashKey: bigint, record: Omit<SimRecord, 'sequence'>): SimShard {
    const shard = this.shards.find(
      (one) => !one.closed && hashKey >= one.startingHashKey && hashKey <= one.endingHashKey,
    );
    if (shard === undefined) throw new Error(`stream ${this.name} has no open shard for ${hashKey}`);
    this.putInto(shard, record);
    return shard;
  }

  putInto(shard: SimShard, record: Omit<SimRecord, 'sequence'>): void {
    const sequence = this.#nextSequences.get(shard.shardId) ?? 1;
    this.#nextSequences.set(shard.shardId, sequence + 1 + this.#random.below(3));
    shard.records.push({ ...record, sequence: String(sequence) });
  }

  /** Cuts an open shard in two, at the middle of its range. */
  split(shard: SimShard): void {
    const { shardId, startingHashKey: from, endingHashKey: to } = shard;
    if (to - from < 2n) return;
    shard.closed = true;
    const middle = (from + to) / 2n;
    this.#open([shardId], from, middle);
    this.#open([shardId], middle + 1n, to);
  }

  /** Merges an open shard with the open one that follows it in the hash space, if there is one. */
  merge(shard: SimShard): void {
    const next = this.shards.find((one) => !one.closed && one.startingHashKey === shard.endingHashKey + 1n);
    if (next === undefined) return;
    shard.closed = true;
    next.closed = true;
    this.#open([shard.shardId, next.shardId], shard.startingHashKey, next.endingHashKey);
  }

  #open(parents: readonly string[], startingHashKey: bigint, endingHashKey: bigint): void {
    const shardId = `${this.name}-${this.shards.length}`;
    this.shards.push({ shardId, parents, startingHashKey, endingHashKey, records: [], closed: false });
    // Near a power of ten, so that numbers of different length are compared.
    this.#nextSequences.set(shardId, this.#random.pick([1, 7, 95, 990]));
  }
}
