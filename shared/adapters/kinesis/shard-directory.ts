import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { ShardDirectory } from '#shared/ports/shard-directory.ts';
import { listShards, parentsOf } from './list-shards.ts';

/** The shards of a Kinesis stream. A parent is named even when its retention has passed and it is not listed itself any more. */
export function createKinesisShardDirectory(options: {
  readonly client: KinesisClient;
  readonly streamName: string;
}): ShardDirectory {
  return {
    list: async () =>
      (await listShards(options.client, options.streamName)).map((shard) => ({
        shardId: shard.ShardId,
        parents: parentsOf(shard),
      })),
  };
}
