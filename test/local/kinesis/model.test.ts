import { expect, test } from 'vitest';
import { recordBytesDefault, retentionHoursMin } from '#local/kinesis/limits.ts';
import { createKinesis, type Kinesis } from '#local/kinesis/model.ts';
import type { StartingPoint } from '#local/kinesis/types.ts';

const half = 2n ** 127n;
const hourMs = 3_600_000;
const begin: StartingPoint = { type: 'TRIM_HORIZON' };

/** A stream `s` on a clock that the test moves. */
function newWorld(options: { readonly shardCount?: number; readonly throttle?: boolean } = {}) {
  const world = { nowMs: 1_700_000_000_000 };
  const kinesis = createKinesis({ now: () => world.nowMs, throttle: options.throttle });
  kinesis.createStream({ streamName: 's', shardCount: options.shardCount });
  return {
    kinesis,
    passMs: (ms: number) => {
      world.nowMs += ms;
    },
    now: () => world.nowMs,
  };
}

function put(kinesis: Kinesis, text: string, explicitHashKey?: bigint) {
  return kinesis.putRecord({ streamName: 's', partitionKey: 'key', data: Buffer.from(text), explicitHashKey });
}

function read(kinesis: Kinesis, from: StartingPoint = begin, options: { shardId?: string; bytesMax?: number } = {}) {
  const { shardId = 'shardId-000000000000', bytesMax = 10_000_000 } = options;
  const page = kinesis.read({ streamName: 's', shardId, from, recordsMax: 10_000, bytesMax });
  return { ...page, texts: page.records.map((record) => Buffer.from(record.data).toString()) };
}

function putMany(
  kinesis: Kinesis,
  entries: readonly { readonly data: Uint8Array; readonly explicitHashKey?: bigint }[],
) {
  return kinesis.putRecords({ streamName: 's', entries: entries.map((entry) => ({ partitionKey: 'k', ...entry })) });
}

const bytes = (length: number): { readonly data: Uint8Array } => ({ data: new Uint8Array(length) });

test('a record is read as it was put', () => {
  const { kinesis, now } = newWorld();
  const { sequenceNumber } = put(kinesis, 'a');
  expect(read(kinesis).records).toEqual([
    { sequenceNumber, partitionKey: 'key', data: Buffer.from('a'), arrivalMs: now() },
  ]);
});

test('a record keeps its own bytes, and not the pool that they came in', () => {
  const { kinesis } = newWorld();
  put(kinesis, 'a');
  putMany(kinesis, [{ data: new Uint8Array(1_000).subarray(1, 3) }]);
  expect(read(kinesis).records.map(({ data }) => data.buffer.byteLength)).toEqual([1, 2]);
});

test('an empty shard is read to its tip, which is not its end', () => {
  const { kinesis } = newWorld();
  expect(read(kinesis)).toMatchObject({ texts: [], ended: false, millisBehindLatest: 0 });
});

test('an empty page of LATEST is pinned to the tip: the next one has what arrived in between', () => {
  const { kinesis } = newWorld();
  put(kinesis, 'before');
  const { next } = read(kinesis, { type: 'LATEST' });
  put(kinesis, 'after');
  expect(read(kinesis, next).texts).toEqual(['after']);
});

test('LATEST is pinned in a shard that never had a record', () => {
  const { kinesis } = newWorld();
  const { next } = read(kinesis, { type: 'LATEST' });
  put(kinesis, 'a');
  expect(read(kinesis, next).texts).toEqual(['a']);
});

//  t:  0 a   10 b   20 c     from 10: b c     from 11: c     from 21: nothing
test.each([
  [10, ['b', 'c']],
  [11, ['c']],
  [21, []],
  [-1, ['a', 'b', 'c']],
])('AT_TIMESTAMP begins at the first record that arrived then or later: %i ms', (offsetMs, texts) => {
  const { kinesis, passMs, now } = newWorld();
  const startMs = now();
  for (const text of ['a', 'b', 'c']) {
    put(kinesis, text);
    passMs(10);
  }
  expect(read(kinesis, { type: 'AT_TIMESTAMP', timestampMs: startMs + offsetMs }).texts).toEqual(texts);
});

test('arrivals do not fall when the clock is set back', () => {
  const { kinesis, passMs } = newWorld();
  put(kinesis, 'a');
  passMs(-5_000);
  put(kinesis, 'b');
  const [a, b] = read(kinesis).records;
  expect(b?.arrivalMs).toBe(a?.arrivalMs);
  expect(String(b?.sequenceNumber) > String(a?.sequenceNumber)).toBe(true);
});

test('a page ends before the record that would make it too large', () => {
  const { kinesis } = newWorld();
  for (const text of ['aaaa', 'bbbb', 'cccc']) put(kinesis, text);
  // Each is 4 bytes of data and 3 of its key.
  expect(read(kinesis, begin, { bytesMax: 14 }).texts).toEqual(['aaaa', 'bbbb']);
});

test('a record that alone is too large for a page is a page', () => {
  const { kinesis } = newWorld();
  put(kinesis, 'aaaa');
  put(kinesis, 'bbbb');
  expect(read(kinesis, begin, { bytesMax: 1 }).texts).toEqual(['aaaa']);
});

test('a reader is as far behind as the next record is old', () => {
  const { kinesis, passMs } = newWorld();
  put(kinesis, 'a');
  passMs(1_000);
  put(kinesis, 'b');
  passMs(500);
  expect(read(kinesis, begin, { bytesMax: 1 }).millisBehindLatest).toBe(500);
});

test('a record is kept for the retention and no longer', () => {
  const { kinesis, passMs } = newWorld();
  put(kinesis, 'a');
  passMs(retentionHoursMin * hourMs - 1);
  expect(read(kinesis).texts).toEqual(['a']);
  passMs(1);
  expect(read(kinesis).texts).toEqual([]);
});

test('what was trimmed is skipped by a reader that stood before it', () => {
  const { kinesis, passMs } = newWorld();
  const { sequenceNumber } = put(kinesis, 'a');
  put(kinesis, 'b');
  passMs(retentionHoursMin * hourMs);
  put(kinesis, 'c');
  expect(read(kinesis, { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber }).texts).toEqual(['c']);
});

test('a longer retention keeps records longer', () => {
  const { kinesis, passMs } = newWorld();
  kinesis.setRetention({ streamName: 's', retentionHours: 48 });
  put(kinesis, 'a');
  passMs(47 * hourMs);
  expect(read(kinesis).texts).toEqual(['a']);
});

test('sequence numbers go on where they were after all records were trimmed', () => {
  const { kinesis, passMs } = newWorld();
  const before = put(kinesis, 'a').sequenceNumber;
  passMs(retentionHoursMin * hourMs);
  read(kinesis);
  expect(put(kinesis, 'b').sequenceNumber > before).toBe(true);
});

test('a closed shard ends with its last record', () => {
  const { kinesis } = newWorld();
  put(kinesis, 'a');
  kinesis.splitShard({ streamName: 's', shardId: 'shardId-000000000000', newStartingHashKey: half });
  expect(read(kinesis)).toMatchObject({ texts: ['a'], ended: true });
});

test('a closed shard has not ended while records are left', () => {
  const { kinesis } = newWorld();
  put(kinesis, 'a');
  put(kinesis, 'b');
  kinesis.splitShard({ streamName: 's', shardId: 'shardId-000000000000', newStartingHashKey: half });
  expect(read(kinesis, begin, { bytesMax: 1 })).toMatchObject({ texts: ['a'], ended: false });
});

test('a shard is closed with a number larger than all of its records and smaller than all of its children', () => {
  const { kinesis } = newWorld();
  const before = put(kinesis, 'a').sequenceNumber;
  kinesis.splitShard({ streamName: 's', shardId: 'shardId-000000000000', newStartingHashKey: half });
  const [parent, child] = kinesis.listShards('s');
  const after = put(kinesis, 'b').sequenceNumber;
  const numbers = [before, parent?.endingSequenceNumber, child?.startingSequenceNumber, after].map(String);
  expect(numbers).toEqual(numbers.toSorted());
  expect(new Set(numbers).size).toBe(4);
});

test('a closed shard is listed for the retention and no longer', () => {
  const { kinesis, passMs } = newWorld();
  kinesis.splitShard({ streamName: 's', shardId: 'shardId-000000000000', newStartingHashKey: half });
  passMs(retentionHoursMin * hourMs - 1);
  expect(kinesis.listShards('s')).toHaveLength(3);
  passMs(1);
  expect(kinesis.listShards('s').map((shard) => shard.shardId)).toEqual([
    'shardId-000000000001',
    'shardId-000000000002',
  ]);
  expect(() => read(kinesis)).toThrow(expect.objectContaining({ code: 'ResourceNotFoundException' }));
});

test('a merge goes either way', () => {
  const { kinesis } = newWorld({ shardCount: 2 });
  kinesis.mergeShards({ streamName: 's', shardId: 'shardId-000000000001', adjacentShardId: 'shardId-000000000000' });
  expect(kinesis.listShards('s').at(-1)).toMatchObject({
    startingHashKey: 0n,
    endingHashKey: 2n ** 128n - 1n,
    parentShardId: 'shardId-000000000001',
    adjacentParentShardId: 'shardId-000000000000',
  });
});

test('a shard takes 1,000 records in a second', () => {
  const { kinesis, passMs } = newWorld();
  for (let count = 0; count < 1_000; count += 1) put(kinesis, 'a');
  expect(() => put(kinesis, 'b')).toThrow(expect.objectContaining({ code: 'ProvisionedThroughputExceededException' }));
  passMs(1_000);
  expect(() => put(kinesis, 'c')).not.toThrow();
});

test('each shard has a throughput of its own', () => {
  const { kinesis } = newWorld({ shardCount: 2 });
  for (let count = 0; count < 1_000; count += 1) put(kinesis, 'a', 0n);
  expect(() => put(kinesis, 'b', half)).not.toThrow();
});

test('a shard takes 1 MiB in a second, keys included', () => {
  const { kinesis } = newWorld();
  const half = { ...bytes(524_287), partitionKey: 'k' };
  expect(kinesis.putRecords({ streamName: 's', entries: [half, half] }).map(({ kind }) => kind)).toEqual([
    'accepted',
    'accepted',
  ]);
  expect(putMany(kinesis, [bytes(0)])).toMatchObject([{ kind: 'refused' }]);
});

test('without throttling a shard takes any number', () => {
  const { kinesis } = newWorld({ throttle: false });
  for (let count = 0; count < 1_001; count += 1) put(kinesis, 'a');
  expect(read(kinesis).texts).toHaveLength(1_001);
});

//  The middle one does not fit. The last one does, and overtakes it.
test('an entry that still fits is accepted behind one that was refused', () => {
  const { kinesis } = newWorld();
  const outcomes = putMany(kinesis, [bytes(600_000), bytes(600_000), bytes(1)]);
  expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'refused', 'accepted']);
  expect(read(kinesis).records).toHaveLength(2);
});

test('an entry that one shard refuses does not hold up another shard', () => {
  const { kinesis } = newWorld({ shardCount: 2 });
  const outcomes = putMany(kinesis, [
    { ...bytes(600_000), explicitHashKey: 0n },
    { ...bytes(600_000), explicitHashKey: 0n },
    { ...bytes(600_000), explicitHashKey: half },
  ]);
  expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'refused', 'accepted']);
});

test('a refusal names its shard and stream', () => {
  const { kinesis } = newWorld();
  expect(putMany(kinesis, [bytes(600_000), bytes(600_000)])[1]).toEqual({
    kind: 'refused',
    code: 'ProvisionedThroughputExceededException',
    message: 'Rate exceeded for shard shardId-000000000000 in stream s.',
  });
});

//  A second's worth is 1 MiB. After 3 MiB at once the shard is in debt for the two seconds that follow.
test('a record larger than a second takes from the seconds that follow', () => {
  const { kinesis, passMs } = newWorld();
  kinesis.createStream({ streamName: 'large', recordBytesMax: 10 * recordBytesDefault });
  const putLarge = (length: number) =>
    kinesis.putRecords({ streamName: 'large', entries: [{ partitionKey: 'k', ...bytes(length) }] })[0]?.kind;
  expect(putLarge(3 * recordBytesDefault - 1)).toBe('accepted');
  passMs(2_000);
  expect(putLarge(0)).toBe('refused');
  passMs(1_000);
  expect(putLarge(0)).toBe('accepted');
});

test('a record is as large as its stream allows, key included', () => {
  const { kinesis } = newWorld();
  const putBytes = (length: number) => () =>
    kinesis.putRecord({ streamName: 's', partitionKey: 'k', data: new Uint8Array(length) });
  expect(putBytes(recordBytesDefault)).toThrow(expect.objectContaining({ code: 'InvalidArgumentException' }));
  expect(putBytes(recordBytesDefault - 1)).not.toThrow();
});

test('a call takes 10 MiB and no more, and puts nothing of what it refuses', () => {
  const { kinesis } = newWorld({ throttle: false });
  const entries = Array.from({ length: 10 }, () => bytes(recordBytesDefault - 1));
  expect(() => putMany(kinesis, [...entries, bytes(0)])).toThrow(
    expect.objectContaining({ code: 'InvalidArgumentException' }),
  );
  expect(read(kinesis).records).toHaveLength(0);
  expect(() => putMany(kinesis, entries)).not.toThrow();
});

test('a listener is told of each change after it was made, until it is taken away', () => {
  const { kinesis } = newWorld();
  const told: unknown[] = [];
  const forget = kinesis.onChange((change) => told.push([change.kind, change.streamName, read(kinesis).texts.length]));
  put(kinesis, 'a');
  kinesis.splitShard({ streamName: 's', shardId: 'shardId-000000000000', newStartingHashKey: half });
  forget();
  put(kinesis, 'b');
  expect(told).toEqual([
    ['records-put', 's', 1],
    ['stream-set', 's', 1],
  ]);
});

test('a call of which everything was refused changes nothing', () => {
  const { kinesis } = newWorld();
  putMany(kinesis, [bytes(1_000_000)]);
  const told: unknown[] = [];
  kinesis.onChange((change) => told.push(change));
  putMany(kinesis, [bytes(1_000_000)]);
  expect(told).toEqual([]);
});

test('a change that the journal refuses is not made', () => {
  const refusal = new Error('full');
  let isFull = false;
  const journal = () => {
    if (isFull) throw refusal;
  };
  const kinesis = createKinesis({ now: () => 0, journal });
  kinesis.createStream({ streamName: 's' });
  isFull = true;
  expect(() => put(kinesis, 'a')).toThrow(refusal);
  expect(read(kinesis).texts).toEqual([]);
});

test('a stream that was deleted and created again is empty', () => {
  const { kinesis } = newWorld();
  put(kinesis, 'a');
  kinesis.deleteStream('s');
  kinesis.createStream({ streamName: 's' });
  expect(read(kinesis).texts).toEqual([]);
});

test('a snapshot has no record that was trimmed', () => {
  const { kinesis, passMs } = newWorld();
  put(kinesis, 'old');
  passMs(retentionHoursMin * hourMs - 1);
  for (const text of ['a', 'b', 'c']) put(kinesis, text);
  passMs(1);
  const records = [...kinesis.snapshot()].flatMap((change) => (change.kind === 'records-put' ? change.records : []));
  expect(records.map(({ record }) => Buffer.from(record.data).toString())).toEqual(['a', 'b', 'c']);
});

test('the same calls at the same times give the same sequence numbers', () => {
  const run = () => {
    const { kinesis, passMs } = newWorld({ shardCount: 2 });
    const first = put(kinesis, 'a');
    passMs(7);
    kinesis.updateShardCount({ streamName: 's', targetShardCount: 3 });
    return [first, put(kinesis, 'b'), kinesis.listShards('s')];
  };
  expect(run()).toEqual(run());
});
