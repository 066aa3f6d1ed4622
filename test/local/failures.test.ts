import { expect, test } from 'vitest';
import { createFailures } from '#local/failures.ts';
import type { InvocationOutcome } from '#local/lambda/outcome.ts';

const arn = 'arn:aws:lambda:us-east-1:000000000000:function:aggregate';
const error = { errorType: 'MillraceError', errorMessage: 'PLAN_MISMATCH: deploy anew.', trace: [] };
const failed: InvocationOutcome = { kind: 'function-error', error };
const throttled: InvocationOutcome = { kind: 'throttled' };
const responded: InvocationOutcome = { kind: 'response', payload: {} };

test('a function that fails again and again is told of, with why, until it does not', () => {
  const failures = createFailures();
  for (const outcome of [failed, failed, throttled]) expect(failures.note(arn, outcome)).toBe(outcome);
  expect(failures.list()).toEqual([]);
  failures.note(arn, failed);
  expect(failures.list()).toEqual(['aggregate has failed 3 times: PLAN_MISMATCH: deploy anew.']);
  failures.note(arn, responded);
  expect(failures.list()).toEqual([]);
});
