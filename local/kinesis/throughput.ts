/**
 * What may be spent in a second, in requests or records and in bytes. Seconds are those of the clock. One that overspends, as
 * a large record or a large read may, leaves its debt to the seconds that follow: AWS refuses reads for 5 s after one of
 * 10 MiB (https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html).
 */
export interface Budget {
  readonly countPerSecond: number;
  readonly bytesPerSecond: number;
  second: number;
  count: number;
  bytes: number;
}

export function createBudget(perSecond: { readonly count: number; readonly bytes: number }): Budget {
  return { countPerSecond: perSecond.count, bytesPerSecond: perSecond.bytes, second: 0, count: 0, bytes: 0 };
}

/** Whether one more of `bytes` fits now. What alone is more than a second's bytes fits into a second that is unspent. */
export function fits(budget: Budget, request: { readonly nowMs: number; readonly bytes: number }): boolean {
  catchUp(budget, request.nowMs);
  if (budget.count >= budget.countPerSecond) return false;
  return budget.bytes === 0 || budget.bytes + request.bytes <= budget.bytesPerSecond;
}

/** Whether there is anything left now, for a request whose size only its answer shows. */
export function isOpen(budget: Budget, nowMs: number): boolean {
  catchUp(budget, nowMs);
  return budget.count < budget.countPerSecond && budget.bytes < budget.bytesPerSecond;
}

export function spend(budget: Budget, bytes: number): void {
  budget.count += 1;
  budget.bytes += bytes;
}

function catchUp(budget: Budget, nowMs: number): void {
  const second = Math.floor(nowMs / 1_000);
  if (second === budget.second) return;
  // A clock that was set back starts afresh, rather than refusing until it has caught up.
  const elapsed = second > budget.second ? second - budget.second : Number.MAX_SAFE_INTEGER;
  budget.second = second;
  budget.count = Math.max(0, budget.count - elapsed * budget.countPerSecond);
  budget.bytes = Math.max(0, budget.bytes - elapsed * budget.bytesPerSecond);
}
