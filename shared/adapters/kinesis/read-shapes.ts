import type { _Record } from '@aws-sdk/client-kinesis';
import type { ExchangeRecord, ExchangeShard } from '#shared/ports/exchange-reader.ts';
import { assert } from '#shared/schemas/error.ts';
import { type ListedShard, parentsOf } from './list-shards.ts';

// Kinesis' shapes as the port of reading has them.

/** What records count against Kinesis' limits, in bytes: data and partition keys. */
export function sizeOf(records: readonly _Record[]): number {
  return records.reduce(
    (bytes, { Data, PartitionKey }) => bytes + (Data?.length ?? 0) + (PartitionKey?.length ?? 0),
    0,
  );
}

export function recordOf(record: _Record): ExchangeRecord {
  const { SequenceNumber: sequence, Data: bytes, ApproximateArrivalTimestamp: arrival } = record;
  assert(
    sequence !== undefined && bytes !== undefined && arrival !== undefined,
    'a record of Kinesis has a sequence number, data and an arrival time',
  );
  return { sequence, bytes, arrivalMs: arrival.getTime() };
}

export function shardOf(shard: ListedShard): ExchangeShard {
  const { StartingHashKey: starting, EndingHashKey: ending } = shard.HashKeyRange ?? {};
  assert(starting !== undefined && ending !== undefined, 'a shard of Kinesis has a range of hash keys');
  return {
    shardId: shard.ShardId,
    parents: parentsOf(shard),
    startingHashKey: BigInt(starting),
    endingHashKey: BigInt(ending),
    closed: shard.SequenceNumberRange?.EndingSequenceNumber !== undefined,
  };
}
