import { Buffer } from 'node:buffer';
import type { KinesisStreamEvent } from 'aws-lambda';
import type { RawRecord } from '#shared/runtime/raw-record.ts';

/** What a batch holds, for both stages that read a stream. */
export function batchOf(event: KinesisStreamEvent): {
  readonly shardId: string;
  readonly records: readonly RawRecord[];
} {
  return {
    shardId: shardOf(event),
    records: event.Records.map(({ kinesis: record }) => ({
      sequence: record.sequenceNumber,
      partitionKey: record.partitionKey,
      bytes: Buffer.from(record.data, 'base64'),
      arrivalMs: Math.round(record.approximateArrivalTimestamp * 1_000),
    })),
  };
}

/**
 * The shard of a batch: an event holds records of one shard only, and an event id is `shardId:sequenceNumber`.
 * https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
 */
function shardOf(event: KinesisStreamEvent): string {
  const [shardId] = event.Records[0]?.eventID.split(':') ?? [];
  if (shardId === undefined)
    throw new Error('the event holds no records; it is not from a Kinesis event source mapping');
  return shardId;
}
