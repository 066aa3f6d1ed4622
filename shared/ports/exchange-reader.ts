/** A shard of the exchange stream, as the worker sees it. */
export interface ExchangeShard {
  readonly shardId: string;
  readonly parents: readonly string[];
  /** Both inclusive. */
  readonly startingHashKey: bigint;
  readonly endingHashKey: bigint;
  /** Split or merged away: it has an end. */
  readonly closed: boolean;
}

export interface ExchangeRecord {
  readonly sequence: string;
  readonly arrivalMs: number;
  readonly bytes: Uint8Array;
}

export interface ExchangeBatch {
  readonly records: readonly ExchangeRecord[];
  /** The shard is closed, and `records` reach its end. */
  readonly ended: boolean;
  readonly millisBehindLatest: number;
}

/** The worker's way of reading the exchange stream by itself. */
export interface ExchangeReader {
  readonly shards: () => Promise<readonly ExchangeShard[]>;
  /** What follows `after` in the shard; from the trim horizon when it is undefined. May be empty without having ended. */
  readonly read: (shardId: string, after: string | undefined) => Promise<ExchangeBatch>;
  /** Gives up what is kept for reading the shard, such as a connection. It may be read again. */
  readonly release?: (shardId: string) => void;
}
