import type { Kinesis } from '#local/kinesis/model.ts';
import type { Random } from '#shared/testing/random.ts';

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

/** A stream of the world, open to look at. */
export interface SimStream {
  readonly name: string;
  readonly shards: readonly SimShard[];
  readonly openShards: readonly SimShard[];
  put(hashKey: bigint, record: Omit<SimRecord, 'sequence'>): void;
  putInto(shard: SimShard, record: Omit<SimRecord, 'sequence'>): void;
  /** Cuts an open shard in two, at the middle of its range. */
  split(shard: SimShard): void;
  /** Merges an open shard with the open one that follows it in the hash space, if there is one. */
  merge(shard: SimShard): void;
}

/**
 * A stream with nothing guaranteed beyond what the protocol asks for: sequence numbers rise within a shard and are of any length, and a
 * child's may be smaller than its parents'.
 */
export class LooseStream implements SimStream {
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

  put(hashKey: bigint, record: Omit<SimRecord, 'sequence'>): void {
    this.putInto(shardAt(this, hashKey), record);
  }

  putInto(shard: SimShard, record: Omit<SimRecord, 'sequence'>): void {
    const sequence = this.#nextSequences.get(shard.shardId) ?? 1;
    this.#nextSequences.set(shard.shardId, sequence + 1 + this.#random.below(3));
    shard.records.push({ ...record, sequence: String(sequence) });
  }

  split(shard: SimShard): void {
    const { shardId, startingHashKey: from, endingHashKey: to } = shard;
    if (to - from < 2n) return;
    shard.closed = true;
    const middle = (from + to) / 2n;
    this.#open([shardId], from, middle);
    this.#open([shardId], middle + 1n, to);
  }

  merge(shard: SimShard): void {
    const next = neighbourOf(this, shard);
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

/** A stream of our own Kinesis, with a copy to look at. */
export class ModelStream implements SimStream {
  readonly name: string;
  readonly shards: SimShard[] = [];
  readonly #kinesis: Kinesis;

  constructor(name: string, shardCount: number, kinesis: Kinesis) {
    this.name = name;
    this.#kinesis = kinesis;
    kinesis.createStream({ streamName: name, shardCount });
    this.#look();
  }

  get openShards(): readonly SimShard[] {
    return this.shards.filter((shard) => !shard.closed);
  }

  put(hashKey: bigint, { partitionKey, bytes, arrivalMs }: Omit<SimRecord, 'sequence'>): void {
    const { shardId, sequenceNumber } = this.#kinesis.putRecord({
      streamName: this.name,
      partitionKey,
      explicitHashKey: hashKey,
      data: bytes,
    });
    const shard = shardAt(this, hashKey);
    if (shard.shardId !== shardId)
      throw new Error(`Kinesis put ${hashKey} into ${shardId}, and ${shard.shardId} has its range`);
    shard.records.push({ sequence: sequenceNumber, partitionKey, bytes, arrivalMs });
  }

  putInto(shard: SimShard, record: Omit<SimRecord, 'sequence'>): void {
    this.put(shard.startingHashKey, record);
  }

  split({ shardId, startingHashKey, endingHashKey }: SimShard): void {
    const newStartingHashKey = (startingHashKey + endingHashKey) / 2n + 1n;
    this.#kinesis.splitShard({ streamName: this.name, shardId, newStartingHashKey });
    this.#look();
  }

  merge(shard: SimShard): void {
    const next = neighbourOf(this, shard);
    if (next === undefined) return;
    this.#kinesis.mergeShards({ streamName: this.name, shardId: shard.shardId, adjacentShardId: next.shardId });
    this.#look();
  }

  #look(): void {
    for (const {
      shardId,
      parentShardId,
      adjacentParentShardId,
      startingHashKey,
      endingHashKey,
      endingSequenceNumber,
    } of this.#kinesis.listShards(this.name)) {
      const parents = [parentShardId, adjacentParentShardId].filter((parent) => parent !== undefined);
      const known = this.shards.find((shard) => shard.shardId === shardId);
      if (known !== undefined) known.closed = endingSequenceNumber !== undefined;
      else
        this.shards.push({
          shardId,
          parents,
          startingHashKey,
          endingHashKey,
          records: [],
          closed: endingSequenceNumber !== undefined,
        });
    }
  }
}

function shardAt(stream: SimStream, hashKey: bigint): SimShard {
  const shard = stream.shards.find(
    (one) => !one.closed && hashKey >= one.startingHashKey && hashKey <= one.endingHashKey,
  );
  if (shard === undefined) throw new Error(`stream ${stream.name} has no open shard for ${hashKey}`);
  return shard;
}

function neighbourOf(stream: SimStream, shard: SimShard): SimShard | undefined {
  return stream.shards.find((one) => !one.closed && one.startingHashKey === shard.endingHashKey + 1n);
}
