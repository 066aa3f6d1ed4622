import type { KinesisStreamEvent } from 'aws-lambda';

/**
 * The shard of a batch: an event holds records of one shard only, and an event id is `shardId:sequenceNumber`.
 * https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
 */
export function shardOf(event: KinesisStreamEvent): string {
  const [shardId] = event.Records[0]?.eventID.split(':') ?? [];
  if (shardId === undefined)
    throw new Error('the event holds no records; it is not from a Kinesis event source mapping');
  return shardId;
}
