import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { LambdaFunction } from '#local/lambda/function.ts';
import { payloadBytesMax } from '#local/lambda/limits.ts';
import type { FunctionError } from '#local/lambda/outcome.ts';
import { withFunction } from './bundle.ts';

const echo = 'export const handler = async (event) => ({ got: event });';
const counter = 'let count = 0; export const handler = async () => { count += 1; return count; };';
/** Says on stdout that it has begun, and never ends. */
const hangs = 'export const handler = () => { console.log("begun"); return new Promise(() => {}); };';

test('the handler gets the event and its result is the response', () =>
  withFunction({ code: echo }, async ({ lambda }) => {
    expect(await lambda.invoke({ a: [1] })).toMatchObject({ kind: 'response', payload: { got: { a: [1] } } });
  }));

test('a handler that returns nothing responds with null', () =>
  withFunction({ code: 'export const handler = async () => {};' }, async ({ lambda }) => {
    expect(await lambda.invoke({})).toMatchObject({ kind: 'response', payload: null });
  }));

test('events travel as JSON: what JSON leaves out does not arrive', () =>
  withFunction({ code: 'export const handler = async (event) => Object.keys(event);' }, async ({ lambda }) => {
    expect(await lambda.invoke({ a: 1, b: undefined })).toMatchObject({ payload: ['a'] });
  }));

test('the handler string names the file and the export', () =>
  withFunction({ code: 'export const aggregate = async () => 7;', handler: 'index.aggregate' }, async ({ lambda }) => {
    expect(await lambda.invoke({})).toMatchObject({ payload: 7 });
  }));

test('an error that is thrown is a function error with its type, message and stack', () =>
  withFunction(
    { code: 'export const handler = async () => { throw new RangeError("too far"); };' },
    async ({ lambda }) => {
      const error = errorOf(await lambda.invoke({}));
      expect(error).toMatchObject({ errorType: 'RangeError', errorMessage: 'too far' });
      expect(error?.trace.join('\n')).toContain('index.mjs:1');
    },
  ));

test('module state lives as long as its environment', () =>
  withFunction({ code: counter }, async ({ lambda }) => {
    await lambda.invoke({});
    expect(await lambda.invoke({})).toMatchObject({ payload: 2 });
  }));

test('an error leaves the environment warm', () =>
  withFunction(
    {
      code: 'let count = 0; export const handler = async (fail) => { count += 1; if (fail) throw new Error("no"); return count; };',
    },
    async ({ lambda }) => {
      await lambda.invoke(true);
      expect(await lambda.invoke(false)).toMatchObject({ payload: 2 });
    },
  ));

test('invocations at the same time have environments of their own', () =>
  withFunction({ code: counter }, async ({ lambda }) => {
    const outcomes = await Promise.all([lambda.invoke({}), lambda.invoke({})]);
    expect(outcomes).toMatchObject([{ payload: 1 }, { payload: 1 }]);
  }));

test('one more invocation than the concurrency is throttled', () =>
  withFunction({ code: echo, concurrency: 1 }, async ({ lambda }) => {
    const first = lambda.invoke({});
    expect(await lambda.invoke({})).toEqual({ kind: 'throttled' });
    expect(await first).toMatchObject({ kind: 'response' });
  }));

test('nothing of the environment variables of the process is seen', () =>
  withFunction(
    { code: 'export const handler = async () => process.env;', variables: { TABLE: 't' } },
    async ({ lambda }) => {
      process.env['MILLRACE_TEST_SECRET'] = 'visible';
      const outcome = await lambda.invoke({});
      expect(outcome).toMatchObject({ payload: { TABLE: 't' } });
      expect(outcome).not.toMatchObject({ payload: { MILLRACE_TEST_SECRET: 'visible' } });
    },
  ));

test("Lambda's own variables are set, whatever the template says of them", () =>
  withFunction(
    { code: 'export const handler = async () => process.env;', memoryMb: 256, variables: { AWS_REGION: 'moon-1' } },
    async ({ lambda }) => {
      expect(await lambda.invoke({})).toMatchObject({
        payload: {
          AWS_REGION: 'eu-west-1',
          AWS_LAMBDA_FUNCTION_NAME: 'aggregate',
          AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256',
          _HANDLER: 'index.handler',
        },
      });
    },
  ));

test('the context names the function and the request', () =>
  withFunction(
    { code: 'export const handler = async (event, context) => context;', memoryMb: 512 },
    async ({ lambda }) => {
      const outcome = await lambda.invoke({});
      expect(outcome).toMatchObject({
        payload: {
          functionName: 'aggregate',
          functionVersion: '$LATEST',
          memoryLimitInMB: '512',
          invokedFunctionArn: 'arn:aws:lambda:eu-west-1:000000000000:function:aggregate',
          awsRequestId: 'requestId' in outcome ? outcome.requestId : undefined,
        },
      });
    },
  ));

test('the context tells how much of the timeout is left', () =>
  withFunction(
    { code: 'export const handler = async (event, context) => context.getRemainingTimeInMillis();', timeoutMs: 60_000 },
    async ({ lambda }) => {
      const outcome = await lambda.invoke({});
      const left = outcome.kind === 'response' ? Number(outcome.payload) : Number.NaN;
      expect(left).toBeGreaterThan(30_000);
      expect(left).toBeLessThanOrEqual(60_000);
    },
  ));

test('an invocation past the timeout is timed out', () =>
  withFunction({ code: hangs, timeoutMs: 5_000 }, async (world) => {
    const outcome = world.lambda.invoke({});
    await begun(world);
    await world.clock.advance(5_000);
    expect(await outcome).toMatchObject({ kind: 'timed-out' });
  }));

test('a function that never yields is timed out too', () =>
  withFunction({ code: 'export const handler = async (loop) => { while (loop); };' }, async ({ lambda, clock }) => {
    await lambda.invoke(false);
    const outcome = lambda.invoke(true);
    await clock.advance(3_000);
    expect(await outcome).toMatchObject({ kind: 'timed-out' });
  }));

test('a timeout ends the environment: the next invocation is a cold start', () =>
  withFunction(
    {
      code: `let count = 0; export const handler = (hang) => { count += 1; console.log("begun"); return hang ? new Promise(() => {}) : count; };`,
    },
    async (world) => {
      await world.lambda.invoke(false);
      const outcome = world.lambda.invoke(true);
      await world.clock.advance(3_000);
      await outcome;
      expect(await world.lambda.invoke(false)).toMatchObject({ payload: 1 });
    },
  ));

test('the timeout of an invocation that has ended ends nothing later', () =>
  withFunction({ code: counter, timeoutMs: 3_000 }, async ({ lambda, clock }) => {
    await lambda.invoke({});
    await clock.advance(2_999);
    const second = lambda.invoke({});
    await clock.advance(1_000);
    expect(await second).toMatchObject({ payload: 2 });
  }));

test('an environment that idles longer than the timeout stays warm', () =>
  withFunction({ code: counter, timeoutMs: 3_000 }, async ({ lambda, clock }) => {
    await lambda.invoke({});
    await clock.advance(10_000);
    expect(await lambda.invoke({})).toMatchObject({ payload: 2 });
  }));

test('after stop no thread goes on', () =>
  withFunction(
    {
      code: `import { writeFileSync } from 'node:fs';
        export const handler = async (path) => { for (let count = 0; ; count += 1) writeFileSync(path, String(count)); };`,
    },
    async ({ lambda, codePath }) => {
      const path = `${codePath}/count`;
      void lambda.invoke(path);
      await until(() => existsSync(path));
      await lambda.stop();
      const counts = new Set<string>();
      for (let turn = 0; turn < 5_000; turn += 1) counts.add(readFileSync(path, 'utf8'));
      expect(counts.size).toBe(1);
    },
  ));

test('killing an environment in the middle of an invocation makes it a function error', () =>
  withFunction({ code: hangs }, async (world) => {
    const outcome = world.lambda.invoke({});
    await begun(world);
    expect(world.lambda.kill()).toBe(true);
    expect(errorOf(await outcome)?.errorType).toBe('Runtime.ExitError');
  }));

test('a busy environment is killed before an idle one', () =>
  withFunction(
    { code: 'export const handler = (hang) => { console.log("begun"); return hang ? new Promise(() => {}) : 1; };' },
    async (world) => {
      const hanging = world.lambda.invoke(true);
      await world.lambda.invoke(false);
      world.lambda.kill();
      expect(await hanging).toMatchObject({ kind: 'function-error' });
      expect(world.lambda.environments()).toMatchObject({ total: 1, busy: 0 });
    },
  ));

test('there is nothing to kill before the first invocation', () =>
  withFunction({ code: echo }, async ({ lambda }) => {
    expect(lambda.kill()).toBe(false);
  }));

test('process.exit is a function error, and the next invocation a cold start', () =>
  withFunction(
    { code: 'export const handler = async (code) => (code ? process.exit(code) : "alive");' },
    async ({ lambda }) => {
      const error = errorOf(await lambda.invoke(3));
      expect(error?.errorType).toBe('Runtime.ExitError');
      expect(error?.errorMessage).toContain('3');
      expect(await lambda.invoke(0)).toMatchObject({ payload: 'alive' });
    },
  ));

test('an exception that nobody catches is a function error', () =>
  withFunction(
    {
      code: 'export const handler = () => { setTimeout(() => { throw new Error("later"); }); return new Promise(() => {}); };',
    },
    async ({ lambda }) => {
      expect(errorOf(await lambda.invoke({}))?.errorMessage).toBe('later');
    },
  ));

test('a rejection that nobody handles is a function error', () =>
  withFunction(
    { code: 'export const handler = () => { Promise.reject(new Error("unseen")); return new Promise(() => {}); };' },
    async ({ lambda }) => {
      expect(errorOf(await lambda.invoke({}))?.errorMessage).toBe('unseen');
    },
  ));

test('more memory than MemorySize is a function error', () =>
  withFunction(
    {
      code: 'const held = []; export const handler = async () => { for (;;) held.push(new Array(100_000).fill(0)); };',
    },
    async ({ lambda }) => {
      const error = errorOf(await lambda.invoke({}));
      expect(error).toMatchObject({ errorType: 'Runtime.OutOfMemory' });
      expect(error?.errorMessage).toContain('128 MB');
    },
  ));

test('a bundle that throws on import is named with the cause', () =>
  withFunction({ code: 'throw new TypeError("no table");' }, async ({ lambda, codePath }) => {
    const error = errorOf(await lambda.invoke({}));
    expect(error?.errorType).toBe('Runtime.ImportModuleError');
    expect(error?.errorMessage).toBe(`${codePath}/index.mjs cannot be imported: TypeError: no table`);
  }));

test('a bundle that is not there is named', () =>
  withFunction({ code: echo, handler: 'other.handler' }, async ({ lambda, codePath }) => {
    expect(errorOf(await lambda.invoke({}))?.errorMessage).toContain(`${codePath}/other.mjs cannot be imported`);
  }));

test('a handler that is not exported is named with what is', () =>
  withFunction({ code: 'export const main = () => 1;' }, async ({ lambda }) => {
    const error = errorOf(await lambda.invoke({}));
    expect(error?.errorType).toBe('Runtime.HandlerNotFound');
    expect(error?.errorMessage).toContain('"handler". It exports: main.');
  }));

test('a bundle whose import never ends is timed out', () =>
  withFunction({ code: 'setInterval(() => {}, 1e6); await new Promise(() => {});' }, async ({ lambda, clock }) => {
    const outcome = lambda.invoke({});
    await clock.advance(10_000);
    expect(await outcome).toMatchObject({ kind: 'timed-out' });
  }));

test('an event over 6 MB is refused without an invocation', () =>
  withFunction({ code: echo }, async ({ lambda }) => {
    const error = errorOf(await lambda.invoke('x'.repeat(payloadBytesMax)));
    expect(error?.errorType).toBe('RequestTooLargeException');
    expect(lambda.environments().coldStarts).toBe(0);
  }));

test('a response over 6 MB is a function error', () =>
  withFunction({ code: 'export const handler = async (bytes) => "x".repeat(bytes);' }, async ({ lambda }) => {
    const error = errorOf(await lambda.invoke(payloadBytesMax));
    expect(error?.errorMessage).toBe('Response payload size exceeded maximum allowed payload size (6291556 bytes).');
  }));

test('a response of just 6 MB is none', () =>
  withFunction({ code: 'export const handler = async (bytes) => "x".repeat(bytes);' }, async ({ lambda }) => {
    expect(await lambda.invoke(payloadBytesMax - '""'.length)).toMatchObject({ kind: 'response' });
  }));

test('what the function writes comes line by line', () =>
  withFunction(
    { code: 'export const handler = async () => { console.log("one\\ntwo"); console.error("three"); };' },
    async (world) => {
      await world.lambda.invoke({});
      await until(() => world.lines.length === 3);
      expect(world.lines.map(({ stream, text }) => `${stream} ${text}`).toSorted()).toEqual([
        'stderr three',
        'stdout one',
        'stdout two',
      ]);
    },
  ));

test('a handler without a dot is refused with advice', async () => {
  await expect(withFunction({ code: echo, handler: 'index' }, async () => {})).rejects.toThrow('such as index.handler');
});

test('after stop nothing is invoked any more', () =>
  withFunction({ code: echo }, async ({ lambda }) => {
    await lambda.stop();
    expect(await lambda.invoke({})).toEqual({ kind: 'throttled' });
  }));

function errorOf(outcome: Awaited<ReturnType<LambdaFunction['invoke']>>): FunctionError | undefined {
  return outcome.kind === 'function-error' ? outcome.error : undefined;
}

/** Waits for the line by which the functions above say that they were entered. */
function begun(world: { readonly lines: readonly { readonly text: string }[] }): Promise<void> {
  return until(() => world.lines.some(({ text }) => text === 'begun'));
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
