import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { aggregate, aggregatedRecordBytesMax } from '#shared/adapters/kinesis/aggregate.ts';
import { deaggregate } from '#shared/runtime/deaggregate.ts';

interface AmazonsRecord {
  readonly partitionKey: string;
  readonly explicitPartitionKey: string;
  readonly data: string;
}

/** Its own types name a package that is not installed. */
const amazons = createRequire(import.meta.url)('aws-kinesis-agg') as {
  readonly deaggregateSync: (
    record: { readonly data: string; readonly partitionKey: string },
    computeChecksums: boolean,
    done: (error: unknown, records: readonly AmazonsRecord[]) => void,
  ) => void;
};

function readByAmazon(bytes: Uint8Array): readonly AmazonsRecord[] {
  let read: readonly AmazonsRecord[] = [];
  const data = Buffer.from(bytes).toString('base64');
  amazons.deaggregateSync({ data, partitionKey: '' }, true, (error, records) => {
    if (error) throw error;
    read = records;
  });
  return read;
}

const hashKeyMax = '340282366920938463463374607431768211455';
const record = fc.record({
  partitionKey: fc.string({ minLength: 1, maxLength: 200, unit: 'binary' }),
  data: fc.uint8Array({ maxLength: 300 }),
});

test('an aggregate of whatever records is read by us and by Amazon as those records', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 300 }), (records) => {
      const bytes = aggregate(records, hashKeyMax);
      const texts = records.map(({ partitionKey, data }) => [partitionKey, Buffer.from(data).toString('base64')]);
      const ours = deaggregate(bytes);
      if (!Array.isArray(ours)) throw new Error('it is no aggregate');
      expect(ours.map((one) => [one.partitionKey, Buffer.from(one.bytes).toString('base64')])).toEqual(texts);
      const theirs = readByAmazon(bytes);
      expect(theirs.map((one) => [one.partitionKey, one.data])).toEqual(texts);
      expect(new Set(theirs.map((one) => one.explicitPartitionKey))).toEqual(new Set([hashKeyMax]));
      const payload = records.reduce((sum, one) => sum + one.data.length + Buffer.byteLength(one.partitionKey), 0);
      expect(bytes.length).toBeLessThanOrEqual(payload + records.length * aggregatedRecordBytesMax + 64);
    }),
    { numRuns: 100 },
  );
});
