import type { ShardDirectory } from '#shared/ports/shard-directory.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** Stands in the list of generations for the shards from before a savepoint was restored. */
export const restoredShard = 'savepoint';

/** So many times one shard's line was split or merged behind a savepoint; there is room for 10,000 restores. */
export const generationsBehindMax = 10_000;

/** Whether a shard of this generation is read by a deployment that a savepoint was restored into. */
export function isBehindRestore(generation: number): boolean {
  return generation > generationsBehindMax;
}

/**
 * Rule 7: the generation of an exchange shard is one more than the highest of its parents', recorded when first seen, since the
 * parents leave the stream's list with their retention.
 */
export function createGenerations(directory: ShardDirectory, state: StateStore): (shardId: string) => Promise<number> {
  const known = new Map<string, number>();
  return async (shardId) => {
    const found = known.get(shardId);
    if (found !== undefined) return found;
    for (const [shard, generation] of await state.readGenerations()) known.set(shard, generation);
    const parents = new Map((await directory.list()).map((shard) => [shard.shardId, shard.parents]));
    // A list may lag behind the stream. Taken for a root, a new child would stand before what its parents' readers have seen.
    if (!parents.has(shardId) && !known.has(shardId)) {
      throw new MillraceError(
        'SOURCE_UNAVAILABLE',
        `shard ${shardId} of the exchange stream is not listed yet, so its place in the slots' logs is not known; the batch will be sent again.`,
      );
    }
    const generationOf = (shard: string): number => {
      const recorded = known.get(shard);
      if (recorded !== undefined) return recorded;
      // A parent that is neither listed nor recorded has expired before anybody read it.
      const above = (parents.get(shard) ?? []).filter((parent) => parents.has(parent) || known.has(parent));
      const generation = 1 + Math.max(known.get(restoredShard) ?? 0, ...above.map(generationOf));
      known.set(shard, generation);
      return generation;
    };
    await state.recordGeneration(shardId, generationOf(shardId));
    // Somebody else may have been first, with a list that still held the parents: what is recorded counts.
    for (const [shard, generation] of await state.readGenerations()) known.set(shard, generation);
    return generationOf(shardId);
  };
}
