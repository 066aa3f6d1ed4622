import { demand } from './error.ts';
import {
  describeStreamShardsDefault,
  getRecordsBytesMax,
  getRecordsCountMax,
  listShardsCountMax,
  listStreamsCountDefault,
  shardReadBytesPerSecond,
  shardReadsPerSecond,
} from './limits.ts';
import type { Kinesis } from './model.ts';
import type { PutEntry } from './put.ts';
import { recordBytes } from './shard-records.ts';
import { type Budget, createBudget, isOpen, spend } from './throughput.ts';
import type { Shard } from './types.ts';
import {
  bytesOf,
  countIn,
  type Fields,
  fieldsIn,
  fieldsOf,
  hashKeyIn,
  listOf,
  numberIn,
  numberOf,
  textIn,
  textOf,
} from './wire-fields.ts';
import { decodeIterator, encodeIterator, startingPointOf } from './wire-iterator.ts';
import { listShards } from './wire-list-shards.ts';
import { type Account, consumerOf, streamArn, streamNameOf } from './wire-names.ts';
import {
  byShardId,
  childShardShapes,
  consumerShape,
  recordShape,
  shardShape,
  streamShape,
  streamSummaryShape,
} from './wire-shapes.ts';

export interface WireContext {
  readonly kinesis: Kinesis;
  readonly account: Account;
  /** What GetRecords has used of each shard, which all its readers share. */
  readonly reads: Map<string, Budget>;
}

/** An answer as JSON, or nothing where AWS answers with an empty body. */
export type Operation = (fields: Fields, context: WireContext) => object | undefined;

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Operations.html, but SubscribeToShard, whose answer is a stream. */
export const operations: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['CreateStream', createStream],
  ['DeleteStream', deleteStream],
  ['DescribeStream', describeStream],
  ['DescribeStreamSummary', describeStreamSummary],
  ['ListStreams', listStreams],
  ['ListShards', (fields, { kinesis }) => listShards(kinesis, fields)],
  ['PutRecord', putRecord],
  ['PutRecords', putRecords],
  ['GetShardIterator', getShardIterator],
  ['GetRecords', getRecords],
  ['SplitShard', splitShard],
  ['MergeShards', mergeShards],
  ['UpdateShardCount', updateShardCount],
  ['IncreaseStreamRetentionPeriod', (fields, context) => setRetention(fields, { ...context, direction: 1 })],
  ['DecreaseStreamRetentionPeriod', (fields, context) => setRetention(fields, { ...context, direction: -1 })],
  ['RegisterStreamConsumer', registerStreamConsumer],
  ['DeregisterStreamConsumer', deregisterStreamConsumer],
  ['DescribeStreamConsumer', describeStreamConsumer],
  ['ListStreamConsumers', listStreamConsumers],
  ['AddTagsToStream', addTagsToStream],
  ['ListTagsForStream', listTagsForStream],
]);

/** The shard that a request names; it is an error if retention has taken it. */
export function findShardNamed(
  kinesis: Kinesis,
  named: { readonly streamName: string; readonly shardId: string },
): Shard {
  const shard = kinesis.listShards(named.streamName).find((candidate) => candidate.shardId === named.shardId);
  demand(
    shard !== undefined,
    'ResourceNotFoundException',
    () => `Shard ${named.shardId} in stream ${named.streamName} does not exist.`,
  );
  return shard;
}

function createStream(fields: Fields, { kinesis }: WireContext): undefined {
  const mode = textIn(fieldsIn(fields, 'StreamModeDetails') ?? {}, 'StreamMode');
  const recordKibibytesMax = numberIn(fields, 'MaxRecordSizeInKiB');
  kinesis.createStream({
    streamName: textOf(fields, 'StreamName'),
    shardCount: numberIn(fields, 'ShardCount'),
    mode: mode === 'ON_DEMAND' ? 'ON_DEMAND' : 'PROVISIONED',
    recordBytesMax: recordKibibytesMax === undefined ? undefined : recordKibibytesMax * 1_024,
    tags: fields['Tags'] === undefined ? undefined : tagsOf(fields),
  });
}

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DeleteStream.html */
function deleteStream(fields: Fields, { kinesis }: WireContext): undefined {
  const streamName = streamNameOf(fields);
  const { consumers } = kinesis.describeStream(streamName);
  demand(
    consumers.length === 0 || fields['EnforceConsumerDeletion'] === true,
    'ResourceInUseException',
    () => `Stream ${streamName} has ${consumers.length} consumers. Set EnforceConsumerDeletion to delete them too.`,
  );
  kinesis.deleteStream(streamName);
}

function describeStream(fields: Fields, { kinesis, account }: WireContext): object {
  const streamName = streamNameOf(fields);
  const after = textIn(fields, 'ExclusiveStartShardId') ?? '';
  const countMax = countIn(fields, { name: 'Limit', max: listShardsCountMax, otherwise: describeStreamShardsDefault });
  const shards = byShardId(kinesis.listShards(streamName)).filter((shard) => shard.shardId > after);
  return {
    StreamDescription: {
      ...streamShape(account, kinesis.describeStream(streamName)),
      Shards: shards.slice(0, countMax).map(shardShape),
      HasMoreShards: shards.length > countMax,
    },
  };
}

function describeStreamSummary(fields: Fields, { kinesis, account }: WireContext): object {
  return { StreamDescriptionSummary: streamSummaryShape(account, kinesis.describeStream(streamNameOf(fields))) };
}

function listStreams(fields: Fields, { kinesis, account }: WireContext): object {
  const after = textIn(fields, 'NextToken') ?? textIn(fields, 'ExclusiveStartStreamName') ?? '';
  const countMax = countIn(fields, { name: 'Limit', max: listShardsCountMax, otherwise: listStreamsCountDefault });
  const streamNames = kinesis.listStreams().filter((streamName) => streamName > after);
  const page = streamNames.slice(0, countMax);
  const HasMoreStreams = page.length < streamNames.length;
  return {
    StreamNames: page,
    HasMoreStreams,
    ...(HasMoreStreams && { NextToken: page.at(-1) }),
    StreamSummaries: page.map((streamName) => streamShape(account, kinesis.describeStream(streamName))),
  };
}

function putRecord(fields: Fields, { kinesis }: WireContext): object {
  const put = kinesis.putRecord({ streamName: streamNameOf(fields), ...putEntryOf(fields) });
  return { ShardId: put.shardId, SequenceNumber: put.sequenceNumber, EncryptionType: 'NONE' };
}

function putRecords(fields: Fields, { kinesis }: WireContext): object {
  const entries = listOf(fields, 'Records').map(putEntryOf);
  const outcomes = kinesis.putRecords({ streamName: streamNameOf(fields), entries });
  return {
    FailedRecordCount: outcomes.filter((outcome) => outcome.kind === 'refused').length,
    Records: outcomes.map((outcome) =>
      outcome.kind === 'accepted'
        ? { ShardId: outcome.shardId, SequenceNumber: outcome.sequenceNumber }
        : { ErrorCode: outcome.code, ErrorMessage: outcome.message },
    ),
    EncryptionType: 'NONE',
  };
}

function putEntryOf(fields: Fields): PutEntry {
  return {
    partitionKey: textOf(fields, 'PartitionKey'),
    data: bytesOf(fields, 'Data'),
    explicitHashKey: hashKeyIn(fields, 'ExplicitHashKey'),
  };
}

function getShardIterator(fields: Fields, { kinesis }: WireContext): object {
  const [streamName, nowMs] = [streamNameOf(fields), kinesis.now()];
  const shard = findShardNamed(kinesis, { streamName, shardId: textOf(fields, 'ShardId') });
  const { shardId } = shard;
  const from = startingPointOf(fields, {
    type: 'ShardIteratorType',
    sequenceNumber: 'StartingSequenceNumber',
    shard,
    nowMs,
  });
  // Reading nothing pins LATEST to the tip of this moment.
  const { next } = kinesis.read({ streamName, shardId, from, recordsMax: 0, bytesMax: 0 });
  const streamCreatedMs = kinesis.describeStream(streamName).createdMs;
  return { ShardIterator: encodeIterator({ streamName, streamCreatedMs, shardId, from: next }, nowMs) };
}

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html */
function getRecords(fields: Fields, context: WireContext): object {
  const { kinesis } = context;
  const nowMs = kinesis.now();
  const recordsMax = countIn(fields, { name: 'Limit', max: getRecordsCountMax, otherwise: getRecordsCountMax });
  const iterator = decodeIterator(textOf(fields, 'ShardIterator'), nowMs);
  const { streamName, shardId, from } = iterator;
  demand(
    kinesis.describeStream(streamName).createdMs === iterator.streamCreatedMs,
    'ResourceNotFoundException',
    () => `The stream ${streamName} of this iterator was deleted.`,
  );
  const budget = budgetOf(context, { streamName, shardId });
  demand(
    !kinesis.isThrottled || isOpen(budget, nowMs),
    'ProvisionedThroughputExceededException',
    () => `Rate exceeded for shard ${shardId} in stream ${streamName}.`,
  );
  const page = kinesis.read({ streamName, shardId, from, recordsMax, bytesMax: getRecordsBytesMax });
  spend(
    budget,
    page.records.reduce((bytes, record) => bytes + recordBytes(record), 0),
  );
  return {
    Records: page.records.map(recordShape),
    MillisBehindLatest: page.millisBehindLatest,
    ...(page.ended
      ? { ChildShards: childShardShapes(kinesis.listShards(streamName), shardId) }
      : { NextShardIterator: encodeIterator({ ...iterator, from: page.next }, nowMs) }),
  };
}

function budgetOf(context: WireContext, shard: { readonly streamName: string; readonly shardId: string }): Budget {
  const name = `${shard.streamName}/${shard.shardId}`;
  const known = context.reads.get(name);
  const budget = known ?? createBudget({ count: shardReadsPerSecond, bytes: shardReadBytesPerSecond });
  if (known === undefined) context.reads.set(name, budget);
  return budget;
}

function splitShard(fields: Fields, { kinesis }: WireContext): undefined {
  const shardId = textOf(fields, 'ShardToSplit');
  textOf(fields, 'NewStartingHashKey');
  const newStartingHashKey = hashKeyIn(fields, 'NewStartingHashKey') ?? 0n;
  kinesis.splitShard({ streamName: streamNameOf(fields), shardId, newStartingHashKey });
}

function mergeShards(fields: Fields, { kinesis }: WireContext): undefined {
  const adjacentShardId = textOf(fields, 'AdjacentShardToMerge');
  kinesis.mergeShards({ streamName: streamNameOf(fields), shardId: textOf(fields, 'ShardToMerge'), adjacentShardId });
}

function updateShardCount(fields: Fields, { kinesis, account }: WireContext): object {
  const streamName = streamNameOf(fields);
  const targetShardCount = numberOf(fields, 'TargetShardCount');
  const scaling = textOf(fields, 'ScalingType');
  demand(
    scaling === 'UNIFORM_SCALING',
    'ValidationException',
    () => `ScalingType must be UNIFORM_SCALING, not '${scaling}'.`,
  );
  const { openShardCount } = kinesis.describeStream(streamName);
  kinesis.updateShardCount({ streamName, targetShardCount });
  return {
    StreamName: streamName,
    StreamARN: streamArn(account, streamName),
    CurrentShardCount: openShardCount,
    TargetShardCount: targetShardCount,
  };
}

function setRetention(fields: Fields, { kinesis, direction }: WireContext & { readonly direction: 1 | -1 }): undefined {
  const streamName = streamNameOf(fields);
  const retentionHours = numberOf(fields, 'RetentionPeriodHours');
  const current = kinesis.describeStream(streamName).retentionHours;
  demand(
    (retentionHours - current) * direction >= 0,
    'InvalidArgumentException',
    () =>
      `Retention of ${retentionHours} hours is ${direction > 0 ? 'shorter' : 'longer'} than that of stream ` +
      `${streamName}, ${current} hours. Use the opposite operation.`,
  );
  kinesis.setRetention({ streamName, retentionHours });
}

function registerStreamConsumer(fields: Fields, { kinesis, account }: WireContext): object {
  const streamName = streamNameOf(fields);
  const consumer = kinesis.registerConsumer({ streamName, consumerName: textOf(fields, 'ConsumerName') });
  return { Consumer: consumerShape(account, { streamName, consumer }) };
}

function deregisterStreamConsumer(fields: Fields, { kinesis }: WireContext): undefined {
  kinesis.deregisterConsumer(consumerOf(fields));
}

function describeStreamConsumer(fields: Fields, { kinesis, account }: WireContext): object {
  const { streamName, consumerName } = consumerOf(fields);
  const consumer = kinesis.describeStream(streamName).consumers.find((one) => one.consumerName === consumerName);
  demand(consumer !== undefined, 'ResourceNotFoundException', () => `Consumer ${consumerName} not found.`);
  return {
    ConsumerDescription: {
      ...consumerShape(account, { streamName, consumer }),
      StreamARN: streamArn(account, streamName),
    },
  };
}

function listStreamConsumers(fields: Fields, { kinesis, account }: WireContext): object {
  const streamName = streamNameOf(fields);
  const { consumers } = kinesis.describeStream(streamName);
  return { Consumers: consumers.map((consumer) => consumerShape(account, { streamName, consumer })) };
}

function addTagsToStream(fields: Fields, { kinesis }: WireContext): undefined {
  kinesis.addTags({ streamName: streamNameOf(fields), tags: tagsOf(fields) });
}

function listTagsForStream(fields: Fields, { kinesis }: WireContext): object {
  const { tags } = kinesis.describeStream(streamNameOf(fields));
  return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })), HasMoreTags: false };
}

function tagsOf(fields: Fields): Readonly<Record<string, string>> {
  const tags = fieldsOf(fields, 'Tags');
  return Object.fromEntries(Object.keys(tags).map((key) => [key, textOf(tags, key)]));
}
