import { expect, test } from 'vitest';
import { eventRecord, measureRecord } from '#local/event-source-mapping/event.ts';
import { source } from './world.ts';

test.each([
  ['empty data', { sequenceNumber: '4959', partitionKey: 'key', data: new Uint8Array(), arrivalMs: 1_000 }],
  [
    'data with padding',
    { sequenceNumber: '4959', partitionKey: 'key', data: new Uint8Array(4), arrivalMs: 1_545_084_650_987 },
  ],
  [
    'a key that JSON escapes',
    { sequenceNumber: '1', partitionKey: '"\n\u00e9\u20ac', data: new Uint8Array(3), arrivalMs: 0 },
  ],
])('a record is measured as JSON has it: %s', (_, record) => {
  const json = JSON.stringify(eventRecord(source, 'shardId-000000000000', record));
  expect(measureRecord(source, 'shardId-000000000000')(record)).toBe(Buffer.byteLength(`${json},`));
});

test('data that is part of a larger buffer is taken alone', () => {
  const data = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
  const record = { sequenceNumber: '1', partitionKey: 'key', data, arrivalMs: 0 };
  expect(eventRecord(source, 'shard', record).kinesis.data).toBe(Buffer.from([2, 3]).toString('base64'));
});
