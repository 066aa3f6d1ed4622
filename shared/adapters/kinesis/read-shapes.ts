import type { _Record, GetRecordsOutput } from '@aws-sdk/client-kinesis';
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

/** Rule 6: an answer that says nothing does not say that the shard has ended, and to take it so would skip the rest of it. */
export function recordsOf({ Records }: GetRecordsOutput): readonly _Record[] {
  if (Records !== undefined) return Records;
  throw new Error('the answer to GetRecords has no list of records');
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
