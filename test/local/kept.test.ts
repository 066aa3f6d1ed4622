import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { checkReach, checkWhole, dropState } from '#local/kept.ts';
import { createKinesis } from '#local/kinesis/model.ts';

/** A folder as a stack leaves it that has read something. */
function used(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-kept-'));
  for (const path of ['kinesis/kinesis.log', 'dynamodb/tables/CURRENT', 's3/owner', 'sqs/owner', 'mappings/one.json']) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
  return folder;
}

test.each(['kinesis', 'kinesis/kinesis.log', 'dynamodb', 'dynamodb/tables', 's3', 'sqs'])(
  'a folder that was used and has no %s is refused',
  (part) => {
    const folder = used();
    checkWhole(folder);
    rmSync(join(folder, part), { recursive: true });
    expect(() => checkWhole(folder)).toThrow(/^STATE_UNREADABLE: .* was used before, and has no .*--fresh/);
  },
);

test('a folder of which nothing was read may be begun anywhere', () => {
  const folder = used();
  for (const part of ['mappings', 'dynamodb']) rmSync(join(folder, part), { recursive: true });
  checkWhole(folder);
});

test('a dropped folder is gone', () => {
  const folder = used();
  dropState(folder);
  expect(existsSync(folder)).toBe(false);
});

test('a stream that ends before what was read of it is refused', () => {
  const reader = createKinesis({ now: () => 0 });
  reader.createStream({ streamName: 'raw' });
  const put = () => reader.putRecord({ streamName: 'raw', partitionKey: 'a', data: new Uint8Array([1]) });
  const { shardId, sequenceNumber } = put();
  const check = (read: string) =>
    checkReach(reader, {
      folder: 'kept',
      streamName: 'raw',
      shards: { [shardId]: { from: { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: read } } },
    });
  check(sequenceNumber);
  const next = String(BigInt(sequenceNumber) + (1n << 80n));
  expect(() => check(next)).toThrow(/^STATE_UNREADABLE: kept: shardId-000000000000 of raw was read up to/);
});
