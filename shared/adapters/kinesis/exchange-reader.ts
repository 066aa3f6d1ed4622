import { type _Record, GetRecordsCommand, GetShardIteratorCommand, type KinesisClient } from '@aws-sdk/client-kinesis';
import type { Clock } from '#shared/ports/clock.ts';
import type { ExchangeBatch, ExchangeReader, ExchangeRecord, ExchangeShard } from '#shared/ports/exchange-reader.ts';
import { assert } from '#shared/schemas/error.ts';
import { type ListedShard, listShards, parentsOf } from './list-shards.ts';
import { isThrottled, nameOf, unavailable } from './request.ts';

/** Kinesis answers five reads a second and shard, and at most so many records each. */
export const readIntervalMs = 200;
const readRecordsMax = 10_000;

/** What a throttled read waits, doubling up to the maximum, and how often it is tried before the stream counts as unavailable. */
const throttledBackoffMs = 400;
const throttledBackoffMsMax = 5_000;
export const readAttemptsMax = 10;

/**
 * Reads the shards of the exchange stream by GetRecords. A shard's iterator is kept from one read to the next, as long as the
 * next read goes on where the last one ended; any other `after`, or an iterator that has expired, costs one more request.
 */
export function createKinesisExchangeReader(options: {
  readonly client: KinesisClient;
  readonly streamName: string;
  readonly clock: Clock;
}): ExchangeReader {
  const { client, streamName, clock } = options;
  const cursors = new Map<string, Cursor>();
  const nextReadMs = new Map<string, number>();

  /** Keeps the reads of a shard, by whichever caller, `readIntervalMs` apart. */
  const awaitTurn = async (shardId: string) => {
    const now = clock.now();
    const turnMs = Math.max(now, nextReadMs.get(shardId) ?? now);
    nextReadMs.set(shardId, turnMs + readIntervalMs);
    if (turnMs > now) await clock.sleep(turnMs - now);
  };

  const openIterator = async (shardId: string, after: string | undefined) => {
    const answer = await client.send(
      new GetShardIteratorCommand({
        StreamName: streamName,
        ShardId: shardId,
        ...(after === undefined
          ? { ShardIteratorType: 'TRIM_HORIZON' }
          : { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: after }),
      }),
    );
    return answer.ShardIterator;
  };

  const readOnce = async (shardId: string, after: string | undefined): Promise<ExchangeBatch> => {
    const cursor = cursors.get(shardId);
    // Taken out first: whatever fails below, the next read starts from `after` again.
    cursors.delete(shardId);
    await awaitTurn(shardId);
    const iterator =
      cursor !== undefined && cursor.after === after ? cursor.iterator : await openIterator(shardId, after);
    const answer = await client.send(new GetRecordsCommand({ ShardIterator: iterator, Limit: readRecordsMax }));
    const records = (answer.Records ?? []).map(recordOf);
    // A shard that is open always has a next iterator; some emulators say null instead of nothing.
    const next = answer.NextShardIterator ?? undefined;
    if (next !== undefined) cursors.set(shardId, { after: records.at(-1)?.sequence ?? after, iterator: next });
    return { records, ended: next === undefined, millisBehindLatest: answer.MillisBehindLatest ?? 0 };
  };

  return {
    shards: async () => (await listShards(client, streamName)).map(shardOf),
    read: async (shardId, after) => {
      for (let attempts = 1; ; attempts += 1) {
        try {
          return await readOnce(shardId, after);
        } catch (error) {
          const mayHeal = isThrottled(error) || nameOf(error) === 'ExpiredIteratorException';
          if (!mayHeal || attempts === readAttemptsMax)
            throw unavailable('SOURCE_UNAVAILABLE', `reading ${shardId} of ${streamName}`, error);
          if (isThrottled(error))
            await clock.sleep(Math.min(throttledBackoffMs * 2 ** (attempts - 1), throttledBackoffMsMax));
        }
      }
    },
  };
}

/** The iterator that goes on behind the record `after`. */
interface Cursor {
  readonly after: string | undefined;
  readonly iterator: string;
}

function recordOf(record: _Record): ExchangeRecord {
  const { SequenceNumber: sequence, Data: bytes, ApproximateArrivalTimestamp: arrival } = record;
  assert(
    sequence !== undefined && bytes !== undefined && arrival !== undefined,
    'a record of Kinesis has a sequence number, data and an arrival time',
  );
  return { sequence, bytes, arrivalMs: arrival.getTime() };
}

function shardOf(shard: ListedShard): ExchangeShard {
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
