import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import type { UserRecord } from '#shared/runtime/deaggregate.ts';

/** Its own types name a package that is not installed. */
interface RecordAggregator {
  readonly addUserRecord: (record: {
    readonly partitionKey: string;
    readonly explicitHashKey?: string;
    readonly data: Buffer;
  }) => void;
  readonly build: () => { readonly data: Buffer };
}

const amazons = createRequire(import.meta.url)('aws-kinesis-agg') as {
  readonly RecordAggregator: new () => RecordAggregator;
};

/** One record of Kinesis that holds these, made by Amazon's own aggregator. */
export function aggregate(records: readonly (UserRecord & { readonly explicitHashKey?: string })[]): Uint8Array {
  const aggregator = new amazons.RecordAggregator();
  for (const { bytes, ...keys } of records) aggregator.addUserRecord({ ...keys, data: Buffer.from(bytes) });
  return aggregator.build().data;
}

/** A message as an aggregate: with the magic number in front and the right checksum behind. */
export function sealed(message: Uint8Array): Uint8Array {
  const md5 = createHash('md5').update(message).digest();
  return Buffer.concat([Uint8Array.of(0xf3, 0x89, 0x9a, 0xc2), message, md5]);
}
