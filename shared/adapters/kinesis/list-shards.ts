import { type KinesisClient, ListShardsCommand, type Shard } from '@aws-sdk/client-kinesis';
import { assert } from '#shared/schemas/error.ts';
import { nameOf, unavailable } from './request.ts';

export type ListedShard = Shard & { readonly ShardId: string };

/** Kinesis gives at most 1,000 shards a page unless it is asked for more, and at most this. */
const shardsPerPage = 10_000;
/** Listings that are begun anew since the token between two pages expired (after 300 s). */
const listingsMax = 3;

/** All shards of a stream within its retention, closed ones included, page by page. */
export async function listShards(client: KinesisClient, streamName: string): Promise<readonly ListedShard[]> {
  for (let listings = 1; ; listings += 1) {
    try {
      return await listOnce(client, streamName);
    } catch (error) {
      if (nameOf(error) === 'ExpiredNextTokenException' && listings < listingsMax) continue;
      throw unavailable('SOURCE_UNAVAILABLE', `ListShards of ${streamName}`, error);
    }
  }
}

async function listOnce(client: KinesisClient, streamName: string): Promise<readonly ListedShard[]> {
  const shards: ListedShard[] = [];
  let token: string | undefined;
  do {
    // A token names its stream, and Kinesis refuses a request that names it twice.
    const position = token === undefined ? { StreamName: streamName } : { NextToken: token };
    const page = await client.send(new ListShardsCommand({ ...position, MaxResults: shardsPerPage }));
    for (const shard of page.Shards ?? []) {
      assert(shard.ShardId !== undefined, 'Kinesis lists shards by their ids');
      shards.push({ ...shard, ShardId: shard.ShardId });
    }
    token = page.NextToken;
  } while (token !== undefined);
  return shards;
}

/** None for a root, one for a split's child, two for a merge's. They may have left the listing with their retention. */
export function parentsOf(shard: Shard): readonly string[] {
  return [shard.ParentShardId, shard.AdjacentParentShardId].filter((parent) => parent !== undefined);
}
