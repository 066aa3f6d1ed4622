import type { PlacedRecord } from './change.ts';
import { demand } from './error.ts';
import { findRange, hashKeyMax, hashKeyOf } from './hash-key.ts';
import { partitionKeyLengthMax, putRecordsBytesMax, putRecordsCountMax } from './limits.ts';
import { recordBytes, type ShardRecords, takeSequenceNumber } from './shard-records.ts';
import type { StreamState } from './stream-state.ts';
import { fits, spend } from './throughput.ts';

export interface PutEntry {
  readonly partitionKey: string;
  readonly data: Uint8Array;
  /** Instead of the partition key's MD5. */
  readonly explicitHashKey?: bigint | undefined;
}

/** What became of an entry. One that was refused may be sent again. */
export type PutOutcome =
  | { readonly kind: 'accepted'; readonly shardId: string; readonly sequenceNumber: string }
  | { readonly kind: 'refused'; readonly code: 'ProvisionedThroughputExceededException'; readonly message: string };

/**
 * Gives every entry its shard and sequence number, or refuses it. As with AWS, an entry that still fits is accepted behind one that did
 * not: "A single record failure does not stop the processing of subsequent records. As a result, PutRecords doesn't guarantee the ordering
 * of records." https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
 */
export function placeEntries(
  stream: StreamState,
  request: { readonly entries: readonly PutEntry[]; readonly nowMs: number; readonly isThrottled: boolean },
): { readonly outcomes: readonly PutOutcome[]; readonly records: readonly PlacedRecord[] } {
  demandValid(stream, request.entries);
  const records: PlacedRecord[] = [];
  const outcomes = request.entries.map((entry): PutOutcome => {
    const log = findShardOf(stream, entry);
    const bytes = recordBytes(entry);
    if (request.isThrottled && !fits(log.writes, { nowMs: request.nowMs, bytes })) return refuse(stream, log);
    spend(log.writes, bytes);
    const { shardId } = log.shard;
    // A shard's arrivals never fall, even if the clock is set back: reading by timestamp searches them.
    const arrivalMs = Math.max(request.nowMs, log.latestArrivalMs);
    const sequenceNumber = takeSequenceNumber(log, arrivalMs);
    const { partitionKey } = entry;
    const data = ownBytes(entry.data);
    records.push({ shardId, record: { sequenceNumber, partitionKey, data, arrivalMs } });
    return { kind: 'accepted', shardId, sequenceNumber };
  });
  return { outcomes, records };
}

/** A part of a larger piece of memory, such as Node's pool, would keep all of it for as long as the record is kept. */
function ownBytes(data: Uint8Array): Uint8Array {
  return data.byteLength === data.buffer.byteLength ? data : Buffer.from(new Uint8Array(data).buffer);
}

function demandValid(stream: StreamState, entries: readonly PutEntry[]): void {
  demand(
    entries.length >= 1 && entries.length <= putRecordsCountMax,
    'ValidationException',
    () => `Records must have 1 to ${putRecordsCountMax} entries, not ${entries.length}.`,
  );
  let bytesTotal = 0;
  for (const entry of entries) {
    demandValidEntry(entry, stream.settings.recordBytesMax);
    bytesTotal += recordBytes(entry);
  }
  demand(
    bytesTotal <= putRecordsBytesMax,
    'InvalidArgumentException',
    () => `Records must have ${putRecordsBytesMax} bytes at most, not ${bytesTotal}.`,
  );
}

function demandValidEntry(entry: PutEntry, recordBytesMax: number): void {
  const { partitionKey, explicitHashKey } = entry;
  demand(
    partitionKey.length >= 1 && partitionKey.length <= partitionKeyLengthMax,
    'ValidationException',
    () => `PartitionKey must have 1 to ${partitionKeyLengthMax} characters, not ${partitionKey.length}.`,
  );
  demand(
    explicitHashKey === undefined || (explicitHashKey >= 0n && explicitHashKey <= hashKeyMax),
    'InvalidArgumentException',
    () => `ExplicitHashKey ${explicitHashKey} is not within 0 and ${hashKeyMax}.`,
  );
  demand(
    recordBytes(entry) <= recordBytesMax,
    'InvalidArgumentException',
    () => `Data and PartitionKey must have ${recordBytesMax} bytes at most, not ${recordBytes(entry)}.`,
  );
}

function findShardOf(stream: StreamState, entry: PutEntry): ShardRecords {
  const { open, openRanges } = stream;
  const isOnly = open.length === 1;
  const at = isOnly ? 0 : findRange(openRanges, entry.explicitHashKey ?? hashKeyOf(entry.partitionKey));
  const log = open[at];
  demand(log !== undefined, 'ResourceNotFoundException', () => `Stream ${stream.streamName} has no open shard.`);
  return log;
}

function refuse(stream: StreamState, log: ShardRecords): PutOutcome {
  return {
    kind: 'refused',
    code: 'ProvisionedThroughputExceededException',
    message: `Rate exceeded for shard ${log.shard.shardId} in stream ${stream.streamName}.`,
  };
}
