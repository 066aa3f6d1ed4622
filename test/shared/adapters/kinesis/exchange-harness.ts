import { createKinesisShardDirectory } from '#shared/adapters/kinesis/shard-directory.ts';
import type { ExchangeReader } from '#shared/ports/exchange-reader.ts';
import type { ExchangeReaderHarness } from '#test/contracts/exchange-reader.ts';
import type { LocalKinesis } from './local-kinesis.ts';

export const exchangeName = 'exchange';

/** An exchange stream of one shard in the embedded Kinesis, for a reader's contract. `refused` is what a reader is told that comes too often. */
export function openExchange(
  { kinesis, client, clock, proxy, passMs, refuse }: LocalKinesis,
  reader: Required<ExchangeReader>,
  refused: { readonly operation: string; readonly error: string },
): ExchangeReaderHarness {
  const streamName = exchangeName;
  kinesis.createStream({ streamName, shardCount: 1 });
  return {
    reader,
    directory: createKinesisShardDirectory({ client, streamName }),
    put: ({ hashKey, bytes }) => {
      kinesis.putRecord({ streamName, partitionKey: 'any', explicitHashKey: hashKey, data: bytes });
    },
    split: (shardId) => {
      const shard = kinesis.listShards(streamName).find((found) => found.shardId === shardId);
      if (shard === undefined) throw new Error(`there is no shard ${shardId}`);
      const newStartingHashKey = (shard.startingHashKey + shard.endingHashKey) / 2n + 1n;
      kinesis.splitShard({ streamName, shardId, newStartingHashKey });
    },
    merge: (shardId, adjacentShardId) => kinesis.mergeShards({ streamName, shardId, adjacentShardId }),
    passMs,
    nowMs: clock.now,
    cut: proxy.cut,
    hush: proxy.hush,
    throttle: (requests) => refuse({ ...refused, requests }),
  };
}
