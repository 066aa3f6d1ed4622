import { GetRecordsCommand, GetShardIteratorCommand, type KinesisClient } from '@aws-sdk/client-kinesis';
import type { Clock } from '#shared/ports/clock.ts';
import type { ExchangeBatch, ExchangeReader } from '#shared/ports/exchange-reader.ts';
import { listShards } from './list-shards.ts';
import { recordOf, recordsOf, shardOf, sizeOf } from './read-shapes.ts';
import { backoffMs, isThrottled, nameOf, unavailable } from './request.ts';
import { type Start, startingPositions } from './starting-position.ts';

/** Kinesis answers five reads a second and shard, at most so many records each, and gives so many bytes a second and shard. */
const readIntervalMs = 200;
const readRecordsMax = 10_000;
const readBytesPerSecond = 2 * 1024 * 1024;

/** How often a throttled read is tried before the stream counts as unavailable. */
export const readAttemptsMax = 10;

/**
 * Reads the shards of the exchange stream by GetRecords. A shard's iterator is kept from one read to the next, as long as the
 * next read goes on where the last one ended; any other `after`, or an iterator that has expired, costs one more request.
 */
export function createPollingReader(options: {
  readonly client: KinesisClient;
  readonly streamName: string;
  readonly clock: Clock;
  readonly start?: Start;
  /** Draws from [0, 1). */
  readonly random?: () => number;
}): Required<ExchangeReader> {
  const { client, streamName, clock, start = 'trim-horizon', random = Math.random } = options;
  const positionBehind = startingPositions(start, clock);
  const cursors = new Map<string, Cursor>();
  const nextReadMs = new Map<string, number>();

  /** Keeps the reads of a shard, by whichever caller, as far apart as Kinesis asks. Gives the time of this one. */
  const awaitTurn = async (shardId: string): Promise<number> => {
    const now = clock.now();
    const turnMs = Math.max(now, nextReadMs.get(shardId) ?? now);
    nextReadMs.set(shardId, turnMs + readIntervalMs);
    if (turnMs > now) await clock.sleep(turnMs - now);
    return turnMs;
  };

  const openIterator = async (shardId: string, after: string | undefined) => {
    const { Type, SequenceNumber, Timestamp } = positionBehind(after);
    const answer = await client.send(
      new GetShardIteratorCommand({
        StreamName: streamName,
        ShardId: shardId,
        ShardIteratorType: Type,
        StartingSequenceNumber: SequenceNumber,
        Timestamp,
      }),
    );
    return answer.ShardIterator;
  };

  const readOnce = async (shardId: string, after: string | undefined): Promise<ExchangeBatch> => {
    const cursor = cursors.get(shardId);
    // Taken out first: whatever fails below, the next read starts from `after` again.
    cursors.delete(shardId);
    const turnMs = await awaitTurn(shardId);
    const goesOn = cursor !== undefined && cursor.after === after;
    const ShardIterator = goesOn ? cursor.iterator : await openIterator(shardId, after);
    const answer = await client.send(new GetRecordsCommand({ ShardIterator, Limit: readRecordsMax }));
    const given = recordsOf(answer);
    const records = given.map(recordOf);
    // One read may give 10 MiB at once, and Kinesis refuses those that follow until they are paid for.
    const paidMs = turnMs + (sizeOf(given) / readBytesPerSecond) * 1_000;
    nextReadMs.set(shardId, Math.max(nextReadMs.get(shardId) ?? 0, Math.ceil(paidMs)));
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
          const isExpired = nameOf(error) === 'ExpiredIteratorException';
          const mayHeal = isExpired || isThrottled(error);
          if (!mayHeal || attempts === readAttemptsMax)
            throw unavailable('SOURCE_UNAVAILABLE', `reading ${shardId} of ${streamName}`, error);
          if (!isExpired) await clock.sleep(backoffMs(attempts, random));
        }
      }
    },
    release: (shardId) => void cursors.delete(shardId),
  };
}

/** The iterator that goes on behind the record `after`. */
interface Cursor {
  readonly after: string | undefined;
  readonly iterator: string;
}
