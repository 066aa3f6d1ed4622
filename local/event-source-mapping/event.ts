import type { KinesisStreamEvent, KinesisStreamRecord } from 'aws-lambda';
import type { StoredRecord } from '#local/kinesis/types.ts';

/** Where a mapping's records come from, as the records say it. */
export interface EventSource {
  readonly streamArn: string;
  readonly functionArn: string;
  readonly roleArn: string;
  readonly region: string;
}

/** What a function gets. The fields other than `Records` are there with tumbling windows only. */
export interface KinesisEvent extends KinesisStreamEvent {
  window?: { start: string; end: string };
  state?: Readonly<Record<string, unknown>>;
  shardId?: string;
  eventSourceARN?: string;
  isFinalInvokeForWindow?: boolean;
  isWindowTerminatedEarly?: boolean;
}

/** https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html shows such a record. */
export function eventRecord(source: EventSource, shardId: string, record: StoredRecord): KinesisStreamRecord {
  const { buffer, byteOffset, byteLength } = record.data;
  return {
    kinesis: {
      kinesisSchemaVersion: '1.0',
      partitionKey: record.partitionKey,
      sequenceNumber: record.sequenceNumber,
      data: Buffer.from(buffer, byteOffset, byteLength).toString('base64'),
      approximateArrivalTimestamp: record.arrivalMs / 1_000,
    },
    eventSource: 'aws:kinesis',
    eventVersion: '1.0',
    eventID: `${shardId}:${record.sequenceNumber}`,
    eventName: 'aws:kinesis:record',
    invokeIdentityArn: source.roleArn,
    awsRegion: source.region,
    eventSourceARN: source.streamArn,
  };
}

/** The fields that tumbling windows add. https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html */
export function windowFields(
  source: EventSource,
  shardId: string,
  window: {
    readonly startMs: number;
    readonly endMs: number;
    readonly state: Readonly<Record<string, unknown>>;
    readonly isFinal: boolean;
    readonly isEarly: boolean;
  },
): Omit<KinesisEvent, 'Records'> {
  return {
    window: { start: toSecond(window.startMs), end: toSecond(window.endMs) },
    state: window.state,
    shardId,
    eventSourceARN: source.streamArn,
    isFinalInvokeForWindow: window.isFinal,
    isWindowTerminatedEarly: window.isEarly,
  };
}

/** Windows begin and end with whole seconds, and AWS writes them so. */
function toSecond(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}

/** How many bytes of JSON a record adds to an event, computed without encoding its data. */
export function measureRecord(source: EventSource, shardId: string): (record: StoredRecord) => number {
  const empty: StoredRecord = { sequenceNumber: '', partitionKey: '', data: new Uint8Array(), arrivalMs: 0 };
  const frameBytes = Buffer.byteLength(JSON.stringify(eventRecord(source, shardId, empty))) - '""'.length - '0'.length;
  return (record) =>
    frameBytes +
    Buffer.byteLength(JSON.stringify(record.partitionKey)) +
    2 * record.sequenceNumber.length +
    4 * Math.ceil(record.data.byteLength / 3) +
    String(record.arrivalMs / 1_000).length +
    ','.length;
}
