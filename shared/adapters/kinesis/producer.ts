import { type KinesisClient, PutRecordsCommand, type PutRecordsRequestEntry } from '@aws-sdk/client-kinesis';
import type { Clock } from '#shared/ports/clock.ts';
import { assert, MillraceError } from '#shared/schemas/error.ts';
import { watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import { aggregate, aggregatedRecordBytesMax, type ProducedRecord } from './aggregate.ts';
import { type ListedShard, listShards } from './list-shards.ts';
import { isThrottled, isUnanswered, unavailable } from './request.ts';

/**
 * Puts records into a raw stream. Those that follow one another go as one aggregate into one shard, the shards in turn, and what comes
 * behind waits until it is accepted. So each shard has them in their order, whatever is refused, split or merged.
 */
export interface Producer {
  /** Takes a record; waits while a full aggregate is put. */
  readonly put: (record: ProducedRecord) => Promise<void>;
  /** Resolves when everything taken was accepted. The last records go singly, each into another shard, so that none is far behind. */
  readonly flush: () => Promise<void>;
  /** Promises on every open shard that nothing older than `watermarkMs` follows: windows up to there may close. */
  readonly punctuate: (watermarkMs: number) => Promise<void>;
  /** Records accepted so far. */
  readonly acceptedCount: () => number;
  /** The partition keys of records that were taken and are not known to be accepted. */
  readonly unanswered: () => readonly string[];
}

/** With the partition key. https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html */
const recordBytesMax = 1024 * 1024;
/** Four of them are what a shard takes in a second. */
const aggregateBytesMax = 250_000;
/** Those of an aggregate whose process dies are tried one by one, or all rejected, so there are fewer than would fit. */
const aggregateRecordsMax = 500;
/** What an aggregate takes beside its records: its checksum and hash key, and as its own the partition key of the first. */
const frameBytesMax = 1_200;
/** A shard refills its budget every second. */
const refusedSleepMs = 100;
const failedSleepMs = 500;

interface Stream {
  readonly client: KinesisClient;
  readonly streamName: string;
  readonly clock: Clock;
}

/** A producer that keeps the order of the records in each shard, and never gives one up. */
export function createKinesisProducer(stream: Stream): Producer {
  let waiting: ProducedRecord[] = [];
  let waitingBytes = frameBytesMax;
  let accepted = 0;
  /** Open when they were last listed. They only spread the records, so it does no harm when they are not open any more. */
  let shards: readonly ListedShard[] = [];
  let turn = 0;

  const shardCount = async (): Promise<number> => {
    if (shards.length === 0) shards = await listOpenShards(stream);
    return shards.length;
  };

  const putFirst = async (count: number): Promise<void> => {
    const index = turn % (await shardCount());
    const shard = shards[index];
    turn += 1;
    const shardId = await putUntilAccepted(stream, entryOf(waiting.slice(0, count), shard));
    // It was split or merged.
    if (shardId !== shard?.ShardId) shards = [];
    waiting = waiting.slice(count);
    accepted += count;
  };

  const flush = async (): Promise<void> => {
    while (waiting.length > 0) await putFirst(Math.max(1, waiting.length - (await shardCount())));
    waitingBytes = frameBytesMax;
  };

  return {
    flush,
    acceptedCount: () => accepted,
    unanswered: () => waiting.map(({ partitionKey }) => partitionKey),
    put: async (record) => {
      const { data, partitionKey } = record;
      const bytes = data.length + new TextEncoder().encode(partitionKey).length;
      if (bytes > recordBytesMax) {
        throw new MillraceError(
          'INPUT_INVALID',
          `record ${partitionKey} has ${bytes} bytes, and Kinesis takes ${recordBytesMax} with the partition key. Split or shorten it.`,
        );
      }
      const aggregatedBytes = bytes + aggregatedRecordBytesMax;
      const isFull = waiting.length === aggregateRecordsMax || waitingBytes + aggregatedBytes > aggregateBytesMax;
      if (isFull && waiting.length > 0) {
        await putFirst(waiting.length);
        waitingBytes = frameBytesMax;
      }
      waiting.push(record);
      waitingBytes += aggregatedBytes;
    },
    punctuate: async (watermarkMs) => {
      await flush();
      await punctuateShards(stream, watermarkMs);
    },
  };
}

/** A record alone is put as it is. */
function entryOf(records: readonly ProducedRecord[], shard: ListedShard | undefined): PutRecordsRequestEntry {
  const hashKey = shard?.HashKeyRange?.StartingHashKey;
  const [first] = records;
  assert(first !== undefined && hashKey !== undefined, 'records are put into a shard, which has a range of hash keys');
  const data = records.length === 1 ? first.data : aggregate(records, hashKey);
  return { Data: data, PartitionKey: first.partitionKey, ExplicitHashKey: hashKey };
}

/**
 * Gives the shard that has the record. When nothing is known of its fate it is put again: Kinesis is at least once. A call has one entry,
 * since of several that are refused in part those behind overtake; and it is PutRecords, whose refusal the SDK does not wait out by itself.
 */
async function putUntilAccepted(stream: Stream, entry: PutRecordsRequestEntry): Promise<string | undefined> {
  const { client, streamName, clock } = stream;
  const command = new PutRecordsCommand({ StreamName: streamName, Records: [entry] });
  for (;;) {
    try {
      const [result] = (await client.send(command)).Records ?? [];
      // An entry counts as accepted only if Kinesis gave it a sequence number.
      if (result?.SequenceNumber !== undefined) return result.ShardId;
      await clock.sleep(refusedSleepMs);
    } catch (error) {
      await waitOut(unavailable('SOURCE_UNAVAILABLE', `PutRecords to ${streamName}`, error), clock);
    }
  }
}

/** Shards may be split or merged meanwhile, so the list is read again until it holds nothing new. */
async function punctuateShards(stream: Stream, watermarkMs: number): Promise<void> {
  const data = new TextEncoder().encode(JSON.stringify({ watermark: watermarkMs }));
  const done = new Set<string>();
  for (;;) {
    const missing = (await listOpenShards(stream)).filter((shard) => !done.has(shard.ShardId));
    if (missing.length === 0) return;
    for (const shard of missing) {
      await putUntilAccepted(stream, entryOf([{ data, partitionKey: watermarkPartitionKey }], shard));
      done.add(shard.ShardId);
    }
  }
}

async function listOpenShards({ client, streamName, clock }: Stream): Promise<readonly ListedShard[]> {
  for (;;) {
    try {
      const shards = await listShards(client, streamName);
      const open = shards.filter((shard) => shard.SequenceNumberRange?.EndingSequenceNumber === undefined);
      if (open.length > 0) return open;
      throw new MillraceError('SOURCE_UNAVAILABLE', `stream ${streamName} lists no open shard. Try again.`);
    } catch (error) {
      await waitOut(error as Error, clock);
    }
  }
}

/** What passes by itself is not worth giving up a file in its middle, of which none knows what was put. */
async function waitOut(error: Error, clock: Clock): Promise<void> {
  if (!(isThrottled(error.cause) || isUnanswered(error.cause))) throw error;
  await clock.sleep(failedSleepMs);
}
