import type { StoredRecord } from '#local/kinesis/types.ts';
import { retryDelayMsMax, retryDelayMsMin } from './limits.ts';
import type { Verdict } from './response.ts';
import type { MappingSettings } from './settings.ts';

/** A record between being read and being done. */
export interface ReadRecord {
  readonly record: StoredRecord;
  /** Of its JSON in an event. */
  readonly bytes: number;
  readonly readMs: number;
  /** Delivered, discarded or filtered out. */
  isDone: boolean;
}

/** Records that are offered to the function together. */
export interface Batch {
  readonly records: readonly ReadRecord[];
  readonly invocations: number;
  /** How many of the retries that the settings allow are used up. */
  readonly retries: number;
  readonly notBeforeMs: number;
  /** Set on the invocation without records that closes a tumbling window. */
  readonly closes?: 'at-end' | 'early';
}

/** What becomes of a batch. Records that are in neither list are done. */
export interface Settlement {
  /** To be offered, in this order, before anything newer. */
  readonly again: readonly Batch[];
  /** Given up: their positions go to the on-failure destination. */
  readonly discarded: readonly ReadRecord[];
}

export function newBatch(records: readonly ReadRecord[]): Batch {
  return { records, invocations: 0, retries: 0, notBeforeMs: 0 };
}

/**
 * What a verdict means. Cutting a batch uses up no retries:
 * https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
 *
 *     a b c d   fails                a b | c d      with bisect
 *     a b c d   fails from c         c d            a and b are done
 */
export function settleBatch(
  batch: Batch,
  verdict: Verdict,
  policy: { readonly settings: Pick<MappingSettings, 'bisects' | 'retryAttemptsMax'>; readonly nowMs: number },
): Settlement {
  if (verdict.kind === 'succeeded') return { again: [], discarded: [] };
  if (verdict.kind === 'not-invoked') {
    // Throttles use up no retries, since the batch did not reach the function.
    return { again: [{ ...batch, notBeforeMs: policy.nowMs + retryDelayMsMin }], discarded: [] };
  }
  const failed: Batch = {
    ...batch,
    records: verdict.kind === 'failed-from' ? batch.records.slice(verdict.index) : batch.records,
    invocations: batch.invocations + 1,
    notBeforeMs: policy.nowMs + retryDelayMs(batch.invocations),
  };
  if (policy.settings.bisects) {
    // The report has cut the batch. Where it named the very first record there is nothing to cut off: halves then.
    if (failed.records.length < batch.records.length) return { again: [failed], discarded: [] };
    if (failed.records.length > 1) return { again: halve(failed), discarded: [] };
  }
  const { retryAttemptsMax } = policy.settings;
  // A window is closed before anything else happens in the shard, however often that must be tried.
  if (retryAttemptsMax === undefined || failed.retries < retryAttemptsMax || failed.closes !== undefined) {
    return { again: [{ ...failed, retries: failed.retries + 1 }], discarded: [] };
  }
  return { again: [], discarded: failed.records };
}

/** Cuts off the records at the front that are older than a function is ever sent, or gone from the stream. */
export function splitExpired(
  batch: Batch,
  limit: {
    readonly recordAgeMsMax: number | undefined;
    readonly nowMs: number;
    readonly isStored: (record: StoredRecord) => boolean;
  },
): { readonly expired: readonly ReadRecord[]; readonly live: Batch } {
  const oldestMs = limit.nowMs - (limit.recordAgeMsMax ?? Number.POSITIVE_INFINITY);
  const firstLive = batch.records.findIndex(({ record }) => record.arrivalMs >= oldestMs && limit.isStored(record));
  const count = firstLive === -1 ? batch.records.length : firstLive;
  return { expired: batch.records.slice(0, count), live: { ...batch, records: batch.records.slice(count) } };
}

/** Doubles with each invocation that failed. */
export function retryDelayMs(invocations: number): number {
  return Math.min(retryDelayMsMax, retryDelayMsMin * 2 ** Math.min(invocations, 20));
}

function halve(batch: Batch): readonly Batch[] {
  const middle = Math.ceil(batch.records.length / 2);
  return [
    { ...batch, records: batch.records.slice(0, middle) },
    { ...batch, records: batch.records.slice(middle) },
  ];
}
