import type { InvocationOutcome } from '#local/lambda/outcome.ts';

/** What an invocation's outcome means for its batch. */
export type Verdict =
  | { readonly kind: 'succeeded'; readonly state?: WindowState }
  /** The records before `index` are done; those from it on are not. */
  | { readonly kind: 'failed-from'; readonly index: number; readonly state?: WindowState }
  | { readonly kind: 'failed'; readonly isFunctionError: boolean }
  | { readonly kind: 'not-invoked' };

/** What a function keeps from one invocation of a tumbling window to the next. */
export type WindowState = Readonly<Record<string, unknown>>;

/**
 * Reads an outcome by Lambda's rules.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
 * https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
 */
export function judgeOutcome(
  outcome: InvocationOutcome,
  request: {
    readonly sequenceNumbers: readonly string[];
    readonly reportsItemFailures: boolean;
    readonly hasWindow: boolean;
  },
): Verdict {
  switch (outcome.kind) {
    case 'function-error':
    case 'timed-out':
      return { kind: 'failed', isFunctionError: true };
    case 'throttled':
      return { kind: 'not-invoked' };
    case 'response': {
      const state = request.hasWindow ? findState(outcome.payload) : undefined;
      // With tumbling windows a response without a state is a failed invocation.
      if (request.hasWindow && state === undefined) return notUnderstood;
      const failure = request.reportsItemFailures ? findFailure(outcome.payload, request.sequenceNumbers) : 'none';
      if (failure === 'all') return notUnderstood;
      const kept = state === undefined ? {} : { state };
      return failure === 'none' ? { kind: 'succeeded', ...kept } : { kind: 'failed-from', index: failure, ...kept };
    }
  }
}

const notUnderstood: Verdict = { kind: 'failed', isFunctionError: false };

/** The index of the first record that is named as failed. */
function findFailure(payload: unknown, sequenceNumbers: readonly string[]): number | 'none' | 'all' {
  if (payload === undefined || payload === null || payload === '') return 'none';
  if (!isObject(payload)) return 'all';
  const failures = payload['batchItemFailures'];
  if (failures === undefined || failures === null) return 'none';
  if (!Array.isArray(failures)) return 'all';
  let lowest: number | 'none' = 'none';
  for (const failure of failures as readonly unknown[]) {
    const identifier = isObject(failure) ? failure['itemIdentifier'] : undefined;
    const index = typeof identifier === 'string' ? sequenceNumbers.indexOf(identifier) : -1;
    // Null, empty, under another name, or of a record that is not in the batch: nothing in the report can be trusted.
    if (index === -1) return 'all';
    if (lowest === 'none' || index < lowest) lowest = index;
  }
  return lowest;
}

function findState(payload: unknown): WindowState | undefined {
  const state = isObject(payload) ? payload['state'] : undefined;
  return isObject(state) ? state : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
