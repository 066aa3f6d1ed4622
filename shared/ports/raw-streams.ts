/** What a savepoint must know of the raw streams, by source. */
export interface RawStreams {
  /** Names the stream itself: one that was made anew under the same name has another. */
  readonly identityOf: (source: string) => Promise<string>;
  /** The shards that are listed. */
  readonly shards: (source: string) => Promise<readonly string[]>;
  /** Whether the record is still there, and so everything behind it. */
  readonly holds: (source: string, shard: string, sequence: string) => Promise<boolean>;
  /** Whether nothing is behind this record; undefined: whether the shard is empty. */
  readonly isAtEnd: (source: string, shard: string, sequence: string | undefined) => Promise<boolean>;
}
