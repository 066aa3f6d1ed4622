import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startWorkerService } from '#local/worker-service.ts';

/** What is told of a worker whose program is this text, until it has failed twice. */
async function failuresOf(program: string): Promise<readonly (string | undefined)[]> {
  const codePath = mkdtempSync(join(tmpdir(), 'millrace-worker-service-'));
  writeFileSync(join(codePath, 'main.mjs'), program);
  const failures: (string | undefined)[] = [];
  const twice = Promise.withResolvers<void>();
  const service = startWorkerService({
    tasks: 1,
    codePath,
    environment: {},
    scratchFolder: join(codePath, 'scratch'),
    stopTimeoutMs: 1_000,
    onLine: () => undefined,
    onFailure: (task, error) => {
      failures.push(`${task}: ${error}`);
      if (failures.length === 2) twice.resolve();
    },
  });
  await twice.promise;
  await service.stop();
  return failures;
}

test('a worker that cannot be imported is told with what it threw', async () => {
  const [first, second] = await failuresOf(
    'await import("node:fs");\nthrow new TypeError("codes.at is not a function");\n',
  );
  expect([first, second]).toEqual([
    '0: TypeError: codes.at is not a function',
    '0: TypeError: codes.at is not a function',
  ]);
});

test('a worker that logs why it ends is told with that, without a stack', async () => {
  const line = JSON.stringify({
    level: 'ERROR',
    fields: {
      thread: '0',
      error: 'MillraceError: STATE_UNREADABLE: slot 2 is gone.\nRestore it.\n    at a (b.ts:1:2)',
    },
    message: 'A thread of the worker has ended.',
  });
  const [first] = await failuresOf(`console.log(${JSON.stringify(line)}); process.exitCode = 1;`);
  expect(first).toBe('0: STATE_UNREADABLE: slot 2 is gone.\nRestore it.');
});

test('a worker that says nothing is told with its status', async () => {
  expect((await failuresOf('process.exitCode = 3;'))[0]).toBe('0: it exited with status 3.');
});
