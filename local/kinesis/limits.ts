/**
 * What AWS allows, each under its name.
 * https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
 */
const mebibyte = 1_048_576;

/** What one shard takes in a second: records, and bytes of data and partition keys. */
export const shardWriteRecordsPerSecond = 1_000;
export const shardWriteBytesPerSecond = mebibyte;

/** What one shard gives in a second to all GetRecords calls together. */
export const shardReadsPerSecond = 5;
export const shardReadBytesPerSecond = 2 * mebibyte;

/** What one shard gives in a second to each consumer of its own that subscribed. */
export const consumerReadBytesPerSecond = 2 * mebibyte;

export const putRecordsCountMax = 500;
export const putRecordsBytesMax = 10 * mebibyte;

export const getRecordsCountMax = 10_000;
export const getRecordsBytesMax = 10 * mebibyte;

/** Data and partition key; a stream may be created with up to `recordBytesCeiling` (MaxRecordSizeInKiB). */
export const recordBytesDefault = mebibyte;
export const recordBytesCeiling = 10 * mebibyte;

export const partitionKeyLengthMax = 256;
export const streamNameLengthMax = 128;

export const retentionHoursMin = 24;
export const retentionHoursMax = 8_760;

export const shardCountMax = 10_000;
/** https://docs.aws.amazon.com/streams/latest/dev/how-do-i-size-a-stream.html: a new on-demand stream has four shards. */
export const onDemandShardCount = 4;

export const consumersPerStreamMax = 20;
export const tagsPerStreamMax = 50;

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html */
export const iteratorLifetimeMs = 300_000;

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html */
export const subscriptionLifetimeMs = 300_000;
export const subscriptionTakeoverMs = 5_000;

export const listShardsCountMax = 10_000;
export const listShardsCountDefault = 1_000;
export const describeStreamShardsDefault = 100;
export const listStreamsCountDefault = 100;
