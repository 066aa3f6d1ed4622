/** A record as a shard holds it. */
export interface StoredRecord {
  /** Decimal, of the form that AWS gives (56 digits), rising within a shard. */
  readonly sequenceNumber: string;
  readonly partitionKey: string;
  readonly data: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly arrivalMs: number;
}

export interface Shard {
  readonly shardId: string;
  readonly parentShardId?: string;
  readonly adjacentParentShardId?: string;
  /** Inclusive at both ends. */
  readonly startingHashKey: bigint;
  readonly endingHashKey: bigint;
  readonly startingSequenceNumber: string;
  /** Set once a split or merge has closed the shard: nothing is put into it any more. */
  readonly endingSequenceNumber?: string;
}

/** Where reading begins: after a sequence number, or at one of the named places. */
export type StartingPoint =
  | { readonly type: 'TRIM_HORIZON' }
  | { readonly type: 'LATEST' }
  | { readonly type: 'AT_TIMESTAMP'; readonly timestampMs: number }
  | { readonly type: 'AT_SEQUENCE_NUMBER'; readonly sequenceNumber: string }
  | { readonly type: 'AFTER_SEQUENCE_NUMBER'; readonly sequenceNumber: string };

export interface ReadResult {
  readonly records: readonly StoredRecord[];
  /** Where the next read begins. */
  readonly next: StartingPoint;
  /** True when the shard is closed and `records` reach its end. */
  readonly ended: boolean;
  /** How far behind the tip of the shard the reader is after this read. */
  readonly millisBehindLatest: number;
}

/** What readers inside the process (event source mappings, the simulation) need of the Kinesis model. */
export interface KinesisReader {
  /** All shards within the retention, closed ones included. */
  readonly listShards: (streamName: string) => readonly Shard[];
  readonly read: (request: {
    readonly streamName: string;
    readonly shardId: string;
    readonly from: StartingPoint;
    readonly recordsMax: number;
    readonly bytesMax: number;
  }) => ReadResult;
}
