import { type KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import type { Exchange, ExchangeEntry } from '#shared/ports/exchange.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { assert } from '#shared/schemas/error.ts';
import { isLasting, nameOf, unavailable } from './request.ts';

/** Kinesis' limits for one PutRecords call, and for one record in it; both with the partition keys. */
export const putEntriesMax = 500;
const putBytesMax = 10 * 1024 * 1024;
const entryBytesMax = 1024 * 1024;

/** A call that takes longer, the SDK's own retries included, is given up: the fate of its entries is unknown. */
const putTimeoutMs = 15_000;

/** The way into the exchange stream by PutRecords. Calls follow one another, so the entries stay in order. */
export function createKinesisExchange(options: {
  readonly client: KinesisClient;
  readonly streamName: string;
  readonly telemetry: Telemetry;
}): Exchange {
  const { client, streamName, telemetry } = options;

  /** The indexes, within the call, of what was refused or may have been. */
  const putCall = async (entries: readonly ExchangeEntry[]): Promise<readonly number[]> => {
    const command = new PutRecordsCommand({
      StreamName: streamName,
      Records: entries.map((entry) => ({
        PartitionKey: partitionKeyOf(entry),
        ExplicitHashKey: entry.explicitHashKey,
        Data: entry.bytes,
      })),
    });
    try {
      const { Records: results = [] } = await client.send(command, { abortSignal: AbortSignal.timeout(putTimeoutMs) });
      // An entry counts as accepted only if Kinesis gave it a sequence number.
      return indexesOf(entries).filter((index) => results[index]?.SequenceNumber === undefined);
    } catch (error) {
      if (isLasting(error)) throw unavailable('EXCHANGE_UNAVAILABLE', `PutRecords to ${streamName}`, error);
      telemetry.log('warn', 'A put into a stream got no answer; its records are put again.', {
        stream: streamName,
        entries: entries.length,
        error: `${nameOf(error)}: ${error instanceof Error ? error.message : error}`,
      });
      return indexesOf(entries);
    }
  };

  return {
    put: async (entries) => {
      const unaccepted: number[] = [];
      for (const { from, to } of cutIntoCalls(entries)) {
        for (const index of await putCall(entries.slice(from, to))) unaccepted.push(from + index);
      }
      return unaccepted;
    },
  };
}

/** Where the shard is told by the explicit hash key, the partition key is only for people. */
function partitionKeyOf(entry: ExchangeEntry): string {
  return `slot-${entry.slot}`;
}

/** The entries in their order, cut into ranges [from, to) that each fit into one call. */
function cutIntoCalls(entries: readonly ExchangeEntry[]): readonly { readonly from: number; readonly to: number }[] {
  const calls: { from: number; to: number }[] = [];
  let from = 0;
  let bytes = 0;
  for (const [index, entry] of entries.entries()) {
    const entryBytes = entry.bytes.byteLength + partitionKeyOf(entry).length;
    assert(entryBytes <= entryBytesMax, `a block of ${entryBytes} bytes fits into a record of ${entryBytesMax}`);
    if (index - from === putEntriesMax || bytes + entryBytes > putBytesMax) {
      calls.push({ from, to: index });
      from = index;
      bytes = 0;
    }
    bytes += entryBytes;
  }
  if (from < entries.length) calls.push({ from, to: entries.length });
  return calls;
}

function indexesOf(values: readonly unknown[]): readonly number[] {
  return values.map((_, index) => index);
}
