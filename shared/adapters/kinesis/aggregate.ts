import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { aggregateMagicNumber } from '#shared/schemas/aggregate.ts';

/** A record as it is produced, whole or as one of an aggregate. */
export interface ProducedRecord {
  readonly data: Uint8Array;
  readonly partitionKey: string;
}

/**
 * One record of Kinesis that holds these, in their order, as the Kinesis Producer Library makes them. Amazon's consumer library drops
 * what is not in the shard of its hash key, so each has the key that the whole of it is put by.
 */
export function aggregate(records: readonly ProducedRecord[], explicitHashKey: string): Uint8Array {
  const hashKey = Buffer.from(explicitHashKey);
  const parts: Uint8Array[] = [aggregateMagicNumber];
  for (const { partitionKey } of records) {
    const key = Buffer.from(partitionKey);
    parts.push(Buffer.from([...bytesTag(1), ...varint(key.length)]), key);
  }
  parts.push(Buffer.from([...bytesTag(2), ...varint(hashKey.length)]), hashKey);
  for (const [index, { data }] of records.entries()) {
    const head = [...varintTag(1), ...varint(index), ...varintTag(2), 0, ...bytesTag(3), ...varint(data.length)];
    parts.push(Buffer.from([...bytesTag(3), ...varint(head.length + data.length), ...head]), data);
  }
  const checksum = new Uint8Array(16);
  const bytes = Buffer.concat([...parts, checksum]);
  const message = bytes.subarray(aggregateMagicNumber.length, -checksum.length);
  bytes.set(createHash('md5').update(message).digest(), bytes.length - checksum.length);
  return bytes;
}

/** What a record may take in an aggregate beside its data and its partition key: tags, lengths and indexes. */
export const aggregatedRecordBytesMax = 24;

// https://protobuf.dev/programming-guides/encoding/

function varintTag(field: number): readonly number[] {
  return varint(field * 8);
}

function bytesTag(field: number): readonly number[] {
  return varint(field * 8 + 2);
}

function varint(value: number): readonly number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}
