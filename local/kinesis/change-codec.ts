import type { Change, ShardEntry } from './change.ts';

/** A change as bytes: the length of its JSON, the JSON, then the data of its records one after another. */
export function encodeChange(change: Change): Buffer {
  const isPut = change.kind === 'records-put';
  const json = Buffer.from(JSON.stringify(isPut ? withoutData(change) : change, writeBigint));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32LE(json.length);
  return Buffer.concat([length, json, ...(isPut ? change.records.map(({ record }) => record.data) : [])]);
}

export function decodeChange(bytes: Buffer): Change {
  const jsonEnd = lengthBytes + bytes.readUInt32LE();
  // Only `encodeChange` writes these bytes, and the log checks that they are whole.
  const change = JSON.parse(bytes.toString('utf8', lengthBytes, jsonEnd)) as WrittenChange;
  switch (change.kind) {
    case 'records-put':
      return withData(change, bytes.subarray(jsonEnd));
    case 'stream-set':
      return { ...change, shards: change.shards.map(readShard) };
    case 'stream-deleted':
      return change;
  }
}

const lengthBytes = 4;

type Written<Kind extends Change['kind']> = Extract<Change, { kind: Kind }>;

type WrittenRecord = readonly [
  shardId: string,
  sequenceNumber: string,
  partitionKey: string,
  arrivalMs: number,
  dataBytes: number,
];
type WrittenPut = Omit<Written<'records-put'>, 'records'> & { readonly records: readonly WrittenRecord[] };
type WrittenShard = Omit<ShardEntry['shard'], 'startingHashKey' | 'endingHashKey'> & {
  readonly startingHashKey: string;
  readonly endingHashKey: string;
};
type WrittenSet = Omit<Written<'stream-set'>, 'shards'> & {
  readonly shards: readonly (Omit<ShardEntry, 'shard'> & { readonly shard: WrittenShard })[];
};
type WrittenChange = WrittenPut | WrittenSet | Written<'stream-deleted'>;

function withoutData(change: Written<'records-put'>): WrittenPut {
  return {
    ...change,
    records: change.records.map(({ shardId, record }) => [
      shardId,
      record.sequenceNumber,
      record.partitionKey,
      record.arrivalMs,
      record.data.length,
    ]),
  };
}

function withData(change: WrittenPut, data: Buffer): Change {
  let at = 0;
  return {
    ...change,
    records: change.records.map(([shardId, sequenceNumber, partitionKey, arrivalMs, dataBytes]) => {
      const begin = at;
      at += dataBytes;
      return { shardId, record: { sequenceNumber, partitionKey, arrivalMs, data: data.subarray(begin, at) } };
    }),
  };
}

function writeBigint(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

function readShard(entry: WrittenSet['shards'][number]): ShardEntry {
  const { startingHashKey, endingHashKey } = entry.shard;
  return {
    ...entry,
    shard: { ...entry.shard, startingHashKey: BigInt(startingHashKey), endingHashKey: BigInt(endingHashKey) },
  };
}
