/** A shard and where it comes from. A root has no parents, a split's child one, a merge's child two. */
export interface ShardDescription {
  readonly shardId: string;
  readonly parents: readonly string[];
}

/** The shards of one stream that are still within its retention, closed ones included. */
export interface ShardDirectory {
  readonly list: () => Promise<readonly ShardDescription[]>;
}
