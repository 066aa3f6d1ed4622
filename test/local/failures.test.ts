import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { createFailures, failuresFileIn } from '#local/failures.ts';
import type { InvocationOutcome } from '#local/lambda/outcome.ts';

const arn = 'arn:aws:lambda:us-east-1:000000000000:function:aggregate';
const error = { errorType: 'MillraceError', errorMessage: 'PLAN_MISMATCH: deploy anew.', trace: [] };
const failed: InvocationOutcome = { kind: 'function-error', error };
const throttled: InvocationOutcome = { kind: 'throttled' };
const responded: InvocationOutcome = { kind: 'response', payload: {} };

test('a function that fails again and again is told of, with why, until it does not', () => {
  const failures = createFailures();
  for (const outcome of [failed, failed, throttled]) expect(failures.noteOutcome(arn, outcome)).toBe(outcome);
  expect(failures.list()).toEqual([]);
  failures.noteOutcome(arn, failed);
  expect(failures.list()).toEqual(['aggregate has failed 3 times: PLAN_MISMATCH: deploy anew.']);
  failures.noteOutcome(arn, responded);
  expect(failures.list()).toEqual([]);
});

test('a worker is told of as a function is', () => {
  const failures = createFailures();
  for (const _ of [1, 2, 3]) failures.note('worker 0', 'STATE_UNREADABLE: an object is gone.');
  expect(failures.list()).toEqual(['worker 0 has failed 3 times: STATE_UNREADABLE: an object is gone.']);
  failures.note('worker 0', undefined);
  expect(failures.list()).toEqual([]);
});

test('what fails can be read by another process, and only a change of it is told', () => {
  vi.useFakeTimers();
  try {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-failures-'));
    const file = failuresFileIn(folder);
    let changes = 0;
    const failures = createFailures(() => {
      changes += 1;
      file.writeSoon(() => failures.list());
    });
    for (const _ of [1, 2, 3]) failures.note('worker 0', 'gone.');
    vi.runAllTimers();
    expect(failuresFileIn(folder).read()).toEqual(['worker 0 has failed 3 times: gone.']);
    for (const _ of [1, 2]) failures.note('worker 0', undefined);
    vi.runAllTimers();
    expect(failuresFileIn(folder).read()).toEqual([]);
    expect(changes).toBe(4);
  } finally {
    vi.useRealTimers();
  }
});
