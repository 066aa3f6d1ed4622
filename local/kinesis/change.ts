import type { Shard, StoredRecord } from './types.ts';

/**
 * What happens to the model, as data: who holds all changes since the beginning can build the model again. Everything that
 * the clock decided is written in them.
 */
export type Change =
  | {
      readonly kind: 'stream-set';
      readonly streamName: string;
      readonly settings: StreamSettings;
      readonly shards: readonly ShardEntry[];
    }
  | { readonly kind: 'stream-deleted'; readonly streamName: string }
  | { readonly kind: 'records-put'; readonly streamName: string; readonly records: readonly PlacedRecord[] };

export interface StreamSettings {
  readonly createdMs: number;
  readonly mode: 'PROVISIONED' | 'ON_DEMAND';
  readonly retentionHours: number;
  readonly recordBytesMax: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly consumers: readonly Consumer[];
}

/** A reader with a throughput of its own (enhanced fan-out). */
export interface Consumer {
  readonly consumerName: string;
  readonly createdMs: number;
}

/** A shard with its times, which AWS shows only through the filters of ListShards. */
export interface TimedShard extends Shard {
  readonly createdMs: number;
  readonly closedMs?: number;
}

export interface ShardEntry {
  readonly shard: TimedShard;
  /** One more than the highest that a record was ever given. A closed shard ends with it. */
  readonly nextRecordIndex: number;
}

export interface PlacedRecord {
  readonly shardId: string;
  readonly record: StoredRecord;
}
