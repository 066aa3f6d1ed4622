import { assert } from '#shared/schemas/error.ts';
import type { ReadRecord } from './batch.ts';
import type { EventSource } from './event.ts';

/**
 * What an on-failure destination is sent: where the discarded records stand, and not what is in them.
 * https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
 */
export interface FailureMessage {
  readonly requestContext: {
    readonly requestId: string;
    readonly functionArn: string;
    readonly condition: FailureCondition;
    readonly approximateInvokeCount: number;
  };
  /** Left out when the function was never invoked. */
  readonly responseContext?: {
    readonly statusCode: 200;
    readonly executedVersion: '$LATEST';
    readonly functionError?: 'Unhandled';
  };
  readonly version: '1.0';
  readonly timestamp: string;
  readonly KinesisBatchInfo: {
    readonly shardId: string;
    readonly startSequenceNumber: string;
    readonly endSequenceNumber: string;
    readonly approximateArrivalOfFirstRecord: string;
    readonly approximateArrivalOfLastRecord: string;
    readonly batchSize: number;
    readonly streamArn: string;
  };
}

export type FailureCondition = 'RetryAttemptsExhausted' | 'RecordAgeExceeded';

export function failureMessage(discard: {
  readonly source: EventSource;
  readonly shardId: string;
  readonly records: readonly ReadRecord[];
  readonly condition: FailureCondition;
  readonly invocations: number;
  readonly isFunctionError: boolean;
  readonly requestId: string | undefined;
  readonly nowMs: number;
}): FailureMessage {
  const first = discard.records[0]?.record;
  const last = discard.records.at(-1)?.record;
  assert(first !== undefined && last !== undefined, 'what is discarded holds a record');
  const { source, shardId, condition, invocations } = discard;
  return {
    requestContext: {
      requestId: discard.requestId ?? `${shardId}:${first.sequenceNumber}`,
      functionArn: source.functionArn,
      condition,
      approximateInvokeCount: invocations,
    },
    ...(invocations === 0
      ? {}
      : {
          responseContext: {
            statusCode: 200,
            executedVersion: '$LATEST',
            ...(discard.isFunctionError ? { functionError: 'Unhandled' } : {}),
          },
        }),
    version: '1.0',
    timestamp: new Date(discard.nowMs).toISOString(),
    KinesisBatchInfo: {
      shardId,
      startSequenceNumber: first.sequenceNumber,
      endSequenceNumber: last.sequenceNumber,
      approximateArrivalOfFirstRecord: new Date(first.arrivalMs).toISOString(),
      approximateArrivalOfLastRecord: new Date(last.arrivalMs).toISOString(),
      batchSize: discard.records.length,
      streamArn: source.streamArn,
    },
  };
}
