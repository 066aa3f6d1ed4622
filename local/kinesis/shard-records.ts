import type { ShardEntry, TimedShard } from './change.ts';
import { shardWriteBytesPerSecond, shardWriteRecordsPerSecond } from './limits.ts';
import { parseSequenceNumber, secondMax, sequenceBase, sequenceNumber } from './sequence.ts';
import { type Budget, createBudget } from './throughput.ts';
import type { ReadResult, StartingPoint, StoredRecord } from './types.ts';

/** A shard and what it holds. */
export interface ShardRecords {
  shard: TimedShard;
  /** What all sequence numbers of the shard have in common. */
  readonly base: bigint;
  nextRecordIndex: number;
  /** The place of the latest record ever put, or the shard's beginning: what LATEST is pinned to. */
  tip: string;
  latestArrivalMs: number;
  /** They rise in sequence number and never fall in arrival. Those before `head` were trimmed. */
  records: StoredRecord[];
  head: number;
  readonly writes: Budget;
}

export function createShardRecords({ shard, nextRecordIndex }: ShardEntry): ShardRecords {
  const origin = parseSequenceNumber(shard.startingSequenceNumber) ?? { createdSecond: 0, shardIndex: 0 };
  return {
    shard,
    base: sequenceBase(origin),
    nextRecordIndex,
    tip: shard.startingSequenceNumber,
    latestArrivalMs: shard.createdMs,
    records: [],
    head: 0,
    writes: createBudget({ count: shardWriteRecordsPerSecond, bytes: shardWriteBytesPerSecond }),
  };
}

/** The next sequence number of the shard; none is given twice. */
export function takeSequenceNumber(log: ShardRecords, nowMs: number): string {
  const recordIndex = log.nextRecordIndex;
  log.nextRecordIndex += 1;
  return sequenceNumber(log.base, { recordIndex, second: Math.floor(nowMs / 1_000) });
}

export function appendRecord(log: ShardRecords, record: StoredRecord): void {
  log.records.push(record);
  log.tip = record.sequenceNumber;
  log.latestArrivalMs = record.arrivalMs;
}

/** After a replay: go on behind the last number that was given. Where retention has taken that record, the tip is behind its number. */
export function resumeNumbers(log: ShardRecords): void {
  const last = parseSequenceNumber(log.tip)?.recordIndex ?? 0;
  const given = log.nextRecordIndex - 1;
  if (given < last) log.nextRecordIndex = last + 1;
  else if (given > last) log.tip = sequenceNumber(log.base, { recordIndex: given, second: secondMax });
}

/** Forgets the records that arrived at `horizonMs` or before. */
export function trimRecords(log: ShardRecords, horizonMs: number): void {
  let head = log.head;
  while (head < log.records.length && arrivalOf(log, head) <= horizonMs) head += 1;
  log.head = head;
  // Shifting the rest down costs as much as what was trimmed, so a record is moved about once.
  if (head * 2 <= log.records.length) return;
  log.records = log.records.slice(head);
  log.head = 0;
}

/**
 * One page of a shard. At least one record is given when there is one, however large, so that a reader cannot stall. An empty
 * page of LATEST is pinned to the tip, so that what arrives after this read is in the next.
 */
export function readRecords(
  log: ShardRecords,
  request: {
    readonly from: StartingPoint;
    readonly recordsMax: number;
    readonly bytesMax: number;
    readonly nowMs: number;
  },
): ReadResult {
  const begin = Math.max(log.head, findBegin(log, request.from));
  const end = findEnd(log, { begin, ...request });
  const records = log.records.slice(begin, end);
  const isAtTip = end === log.records.length;
  return {
    records,
    next: nextPoint(log, { from: request.from, last: records.at(-1) }),
    ended: isAtTip && log.shard.endingSequenceNumber !== undefined,
    millisBehindLatest: Math.max(0, request.nowMs - arrivalOf(log, end)),
  };
}

/** What a record counts against limits. */
export function recordBytes(record: { readonly data: Uint8Array; readonly partitionKey: string }): number {
  return record.data.length + Buffer.byteLength(record.partitionKey);
}

function nextPoint(
  log: ShardRecords,
  read: { readonly from: StartingPoint; readonly last: StoredRecord | undefined },
): StartingPoint {
  if (read.last !== undefined) return { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: read.last.sequenceNumber };
  return read.from.type === 'LATEST' ? { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: log.tip } : read.from;
}

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_StartingPosition.html */
function findBegin(log: ShardRecords, from: StartingPoint): number {
  switch (from.type) {
    case 'TRIM_HORIZON':
      return log.head;
    case 'LATEST':
      return log.records.length;
    case 'AT_TIMESTAMP':
      return findFirst(log, (record) => record.arrivalMs >= from.timestampMs);
    case 'AT_SEQUENCE_NUMBER':
      return findFirst(log, (record) => record.sequenceNumber >= from.sequenceNumber);
    case 'AFTER_SEQUENCE_NUMBER':
      // Numbers have one length, so their order as texts is their order.
      return findFirst(log, (record) => record.sequenceNumber > from.sequenceNumber);
  }
}

function findFirst(log: ShardRecords, isReached: (record: StoredRecord) => boolean): number {
  let low = log.head;
  let high = log.records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const record = log.records[middle];
    if (record !== undefined && isReached(record)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function findEnd(
  log: ShardRecords,
  page: { readonly begin: number; readonly recordsMax: number; readonly bytesMax: number },
): number {
  const endMax = Math.min(log.records.length, page.begin + page.recordsMax);
  let bytes = 0;
  for (let end = page.begin; end < endMax; end += 1) {
    const record = log.records[end];
    if (record !== undefined) bytes += recordBytes(record);
    if (bytes > page.bytesMax && end > page.begin) return end;
  }
  return endMax;
}

/** Behind the last record is one that is still to arrive. */
function arrivalOf(log: ShardRecords, index: number): number {
  return log.records[index]?.arrivalMs ?? Number.POSITIVE_INFINITY;
}
