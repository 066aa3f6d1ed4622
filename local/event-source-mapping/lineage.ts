import type { Shard } from '#local/kinesis/types.ts';

/**
 * Whether all ancestors of a shard are finished: only then may it start. A parent that is finished does not vouch for its
 * own parents, since they may have been rewound; one that is no longer listed is past the retention.
 */
export function mayStart(
  shard: Shard,
  shards: ReadonlyMap<string, Shard>,
  isFinished: (shardId: string) => boolean,
): boolean {
  return [shard.parentShardId, shard.adjacentParentShardId].every((parentId) => {
    const parent = parentId === undefined ? undefined : shards.get(parentId);
    return parent === undefined || (isFinished(parent.shardId) && mayStart(parent, shards, isFinished));
  });
}
