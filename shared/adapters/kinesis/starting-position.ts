import type { StartingPosition } from '@aws-sdk/client-kinesis';
import type { Clock } from '#shared/ports/clock.ts';

/**
 * Where a shard is read from as long as nothing of it was read. Only the trim horizon, the default, skips nothing: the exchange must be
 * read from there (rule 6). The others are for readers of raw streams that want no history: `latest` is what arrives once the reader
 * is made, in shards that are made later too, and a timestamp is in milliseconds since the epoch.
 */
export type Start = 'trim-horizon' | 'latest' | { readonly timestampMs: number };

/** Kinesis refuses a time that its own clock has not reached. */
const clockSkewMsMax = 1_000;

/** Gives the position behind the record `after`, in the words of SubscribeToShard. */
export function startingPositions(
  start: Start,
  clock: Clock,
): (after: string | undefined) => StartingPosition & Required<Pick<StartingPosition, 'Type'>> {
  // Kinesis' own LATEST would be another place with each iterator, and skip the beginning of a child shard.
  const { timestampMs } = typeof start === 'object' ? start : { timestampMs: clock.now() - clockSkewMsMax };
  return (after) => {
    if (after !== undefined) return { Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: after };
    return start === 'trim-horizon'
      ? { Type: 'TRIM_HORIZON' }
      : { Type: 'AT_TIMESTAMP', Timestamp: new Date(timestampMs) };
  };
}
