import {
  type KinesisClient,
  PutRecordCommand,
  PutRecordsCommand,
  type PutRecordsRequestEntry,
} from '@aws-sdk/client-kinesis';
import type { Clock } from '#shared/ports/clock.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import { listShards } from './list-shards.ts';
import { isLasting, isThrottled, unavailable } from './request.ts';

export interface ProducedRecord {
  readonly data: Uint8Array;
  readonly partitionKey: string;
}

/** Puts records into a raw stream. One call is under way at a time, and what was refused goes before what is new. */
export interface Producer {
  /** Takes a record; waits while a full call is under way. */
  readonly put: (record: ProducedRecord) => Promise<void>;
  /** Resolves when everything taken was accepted. */
  readonly flush: () => Promise<void>;
  /** Promises on every open shard that nothing older than `watermarkMs` follows: windows up to there may close. */
  readonly punctuate: (watermarkMs: number) => Promise<void>;
  /** Records accepted so far. */
  readonly acceptedCount: () => number;
  /** The partition keys of records that were taken and are not known to be accepted. */
  readonly unanswered: () => readonly string[];
}

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html */
const entriesMax = 500;
const recordBytesMax = 1024 * 1024;
const callBytesMax = 5 * 1024 * 1024;
/** A shard refills its budget every second. */
const refusedSleepMs = 100;
const failedSleepMs = 500;

/** A producer that keeps the order of each shard's records as far as PutRecords allows, and never gives one up. */
export function createKinesisProducer(options: {
  readonly client: KinesisClient;
  readonly streamName: string;
  readonly clock: Clock;
}): Producer {
  const { client, streamName, clock } = options;
  let waiting: PutRecordsRequestEntry[] = [];
  let waitingBytes = 0;
  let accepted = 0;

  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const refused = await putOnce(client, streamName, waiting, clock);
      accepted += waiting.length - refused.length;
      waiting = refused;
      if (refused.length > 0) await clock.sleep(refusedSleepMs);
    }
    waitingBytes = 0;
  };

  return {
    flush,
    acceptedCount: () => accepted,
    unanswered: () => waiting.map(({ PartitionKey = '' }) => PartitionKey),
    put: async ({ data, partitionKey }) => {
      const bytes = data.length + new TextEncoder().encode(partitionKey).length;
      if (bytes > recordBytesMax) {
        throw new MillraceError(
          'INPUT_INVALID',
          `record ${partitionKey} has ${bytes} bytes, and Kinesis takes ${recordBytesMax} with the partition key. Split or shorten it.`,
        );
      }
      if (waiting.length === entriesMax || waitingBytes + data.length > callBytesMax) await flush();
      waiting.push({ Data: data, PartitionKey: partitionKey });
      waitingBytes += data.length;
    },
    punctuate: async (watermarkMs) => {
      await flush();
      await punctuateShards(client, streamName, watermarkMs);
    },
  };
}

/** Gives the entries that were refused. When nothing is known of a call's fate, all are put again: Kinesis is at least once. */
async function putOnce(
  client: KinesisClient,
  streamName: string,
  entries: readonly PutRecordsRequestEntry[],
  clock: Clock,
): Promise<PutRecordsRequestEntry[]> {
  try {
    const { Records = [] } = await client.send(
      new PutRecordsCommand({ StreamName: streamName, Records: [...entries] }),
    );
    return entries.filter((_, index) => Records[index]?.ErrorCode !== undefined);
  } catch (error) {
    if (isLasting(error) || !(isThrottled(error) || isUnanswered(error)))
      throw unavailable('SOURCE_UNAVAILABLE', `PutRecords to ${streamName}`, error);
    await clock.sleep(failedSleepMs);
    return [...entries];
  }
}

function isUnanswered(error: unknown): boolean {
  return error instanceof Error && ['TimeoutError', 'InternalFailure', 'ServiceUnavailable'].includes(error.name);
}

/** Shards may be split or merged meanwhile, so the list is read again until it holds nothing new. */
async function punctuateShards(client: KinesisClient, streamName: string, watermarkMs: number): Promise<void> {
  const data = new TextEncoder().encode(JSON.stringify({ watermark: watermarkMs }));
  const done = new Set<string>();
  for (;;) {
    const open = (await listShards(client, streamName)).filter(
      (shard) => shard.SequenceNumberRange?.EndingSequenceNumber === undefined,
    );
    const missing = open.filter((shard) => !done.has(shard.ShardId));
    if (missing.length === 0) return;
    for (const shard of missing) {
      const put = new PutRecordCommand({
        StreamName: streamName,
        Data: data,
        PartitionKey: watermarkPartitionKey,
        ExplicitHashKey: shard.HashKeyRange?.StartingHashKey,
      });
      await client.send(put);
      done.add(shard.ShardId);
    }
  }
}
