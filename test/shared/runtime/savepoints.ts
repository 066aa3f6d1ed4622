import type { MemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import type { AnyOutput, PipelineOptions } from '#shared/pipeline/index.ts';
import type { RawStreams } from '#shared/ports/raw-streams.ts';
import { createSavepoint } from '#shared/runtime/savepoint-create.ts';
import { pipelineOf, readings } from '../readings.ts';
import { rawRecord, World } from './world.ts';

export const keyed = readings().keyBy((reading) => ({ key: reading.key }));
export const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
export const lines = keys.map((key, index) => JSON.stringify({ at: index, key, amount: index + 1 }));
export const more = keys.map((key, index) => JSON.stringify({ at: index + 2, key, amount: 10 * index + 1 }));
export const end = '{"watermark":1000}';

export function worldOfOutputs(options: PipelineOptions, outputs: readonly AnyOutput[]): World {
  return new World(pipelineOf(outputs, options), ['raw']);
}

export async function take(world: World, sequence: number, text: string, partitionKey?: string): Promise<void> {
  await world.preprocess().process({ shardId: 'raw', records: [rawRecord(sequence, text, partitionKey)] });
}

export async function settle(world: World): Promise<void> {
  await world.aggregate();
  await world.work();
}

/** One raw shard `raw`, whose records are those from `first` to `last`. */
export function rawStreams(first: number, last: number, stream = 'one'): RawStreams {
  return {
    identityOf: async () => stream,
    shards: async () => (last >= first ? ['raw'] : []),
    holds: async (_, __, sequence) => Number(sequence) >= first && Number(sequence) <= last,
    isAtEnd: async (_, __, sequence) => Number(sequence ?? 0) >= last,
  };
}

export function save(
  world: World,
  to: MemoryBlobStore,
  options: { drainMsMax?: number; last?: number; id?: string; troubles?: readonly string[] } = {},
) {
  const { last = 1, id = 'one', drainMsMax, troubles = [] } = options;
  return createSavepoint({ ...world, rawStreams: rawStreams(1, last), troubles: () => troubles }, to, {
    id,
    drainMsMax,
  });
}
