import type { Consumer, TimedShard } from './change.ts';
import type { StreamDescription } from './model.ts';
import type { Shard, StoredRecord } from './types.ts';
import { type Account, consumerArn, streamArn } from './wire-names.ts';

/** The model's things as AWS writes them in JSON. Timestamps are seconds with a fraction, data is base64. */

export function recordShape(record: StoredRecord): object {
  const { buffer, byteOffset, byteLength } = record.data;
  return {
    SequenceNumber: record.sequenceNumber,
    ApproximateArrivalTimestamp: record.arrivalMs / 1_000,
    Data: Buffer.from(buffer, byteOffset, byteLength).toString('base64'),
    PartitionKey: record.partitionKey,
    EncryptionType: 'NONE',
  };
}

export function shardShape(shard: Shard): object {
  return {
    ShardId: shard.shardId,
    ParentShardId: shard.parentShardId,
    AdjacentParentShardId: shard.adjacentParentShardId,
    HashKeyRange: hashKeyRangeShape(shard),
    SequenceNumberRange: {
      StartingSequenceNumber: shard.startingSequenceNumber,
      EndingSequenceNumber: shard.endingSequenceNumber,
    },
  };
}

/** Whose parent is `shardId`: what a reader is told at the end of a shard. */
export function childShardShapes(shards: readonly Shard[], shardId: string): readonly object[] {
  return shards
    .filter((shard) => shard.parentShardId === shardId || shard.adjacentParentShardId === shardId)
    .map((shard) => ({
      ShardId: shard.shardId,
      ParentShards: [shard.parentShardId, shard.adjacentParentShardId].filter((parent) => parent !== undefined),
      HashKeyRange: hashKeyRangeShape(shard),
    }));
}

export function streamShape(account: Account, stream: StreamDescription): object {
  return {
    StreamName: stream.streamName,
    StreamARN: streamArn(account, stream.streamName),
    StreamStatus: 'ACTIVE',
    StreamModeDetails: { StreamMode: stream.mode },
    RetentionPeriodHours: stream.retentionHours,
    StreamCreationTimestamp: stream.createdMs / 1_000,
    EnhancedMonitoring: [{ ShardLevelMetrics: [] }],
    EncryptionType: 'NONE',
  };
}

export function streamSummaryShape(account: Account, stream: StreamDescription): object {
  return {
    ...streamShape(account, stream),
    OpenShardCount: stream.openShardCount,
    ConsumerCount: stream.consumers.length,
    MaxRecordSizeInKiB: stream.recordBytesMax / 1_024,
  };
}

export function consumerShape(
  account: Account,
  of: { readonly streamName: string; readonly consumer: Consumer },
): object {
  return {
    ConsumerName: of.consumer.consumerName,
    ConsumerARN: consumerArn(account, of),
    ConsumerStatus: 'ACTIVE',
    ConsumerCreationTimestamp: of.consumer.createdMs / 1_000,
  };
}

/** In the order of their ids, which is that of their making. */
export function byShardId(shards: readonly TimedShard[]): readonly TimedShard[] {
  return shards.toSorted((a, b) => (a.shardId < b.shardId ? -1 : 1));
}

function hashKeyRangeShape(shard: Shard): object {
  return { StartingHashKey: String(shard.startingHashKey), EndingHashKey: String(shard.endingHashKey) };
}
