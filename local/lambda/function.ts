import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Clock } from '#shared/ports/clock.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { ExecutionEnvironment, OutputLine } from './environment.ts';
import { startEnvironment } from './environment.ts';
import * as limits from './limits.ts';
import type { FunctionError, InvocationOutcome } from './outcome.ts';
import { environmentVariables } from './variables.ts';

/** A function as the template has it. */
export interface FunctionOptions {
  readonly clock: Clock;
  readonly functionName: string;
  readonly functionArn: string;
  readonly region: string;
  /** The folder of the bundle. */
  readonly codePath: string;
  /** As in the template: `index.handler` is the export `handler` of `index.mjs`, `index.js` or `index.cjs`. */
  readonly handler: string;
  readonly memoryMb?: number;
  readonly timeoutMs?: number;
  /** All that the function finds in its environment besides what Lambda sets. */
  readonly variables?: Readonly<Record<string, string>>;
  /** How many environments may be there at a time; one more invocation is throttled. */
  readonly concurrency: number;
  readonly onLine?: (line: OutputLine) => void;
}

export interface LambdaFunction {
  readonly invoke: (event: unknown) => Promise<InvocationOutcome>;
  /** Kills one environment, a busy one if there is one. False if there was none to kill. */
  readonly kill: () => boolean;
  readonly environments: () => { readonly total: number; readonly busy: number; readonly coldStarts: number };
  /** Kills all; what is in flight fails. */
  readonly stop: () => Promise<void>;
}

/** Runs a bundle as Lambda would, in as many worker threads as there are invocations at a time. */
export function createLambdaFunction(options: FunctionOptions): LambdaFunction {
  const environments = new Set<ExecutionEnvironment>();
  const ends = new Set<Promise<void>>();
  const memoryMb = checkRange(
    'MemorySize',
    options.memoryMb ?? limits.memoryMbDefault,
    limits.memoryMbMin,
    limits.memoryMbMax,
  );
  const timeoutMs = checkRange('Timeout', options.timeoutMs ?? limits.timeoutMsDefault, 1, limits.timeoutMsMax);
  const { bundlePath, handlerName } = findBundle(options);
  let coldStarts = 0;
  let isStopped = false;

  function startOne(): ExecutionEnvironment {
    coldStarts += 1;
    const logGroupName = `/aws/lambda/${options.functionName}`;
    const logStreamName = `[$LATEST]${coldStarts}`;
    const { functionName, handler, codePath, region } = options;
    const environment = startEnvironment({
      clock: options.clock,
      start: {
        bundlePath,
        handlerName,
        context: {
          functionName,
          functionVersion: '$LATEST',
          invokedFunctionArn: options.functionArn,
          memoryLimitInMB: String(memoryMb),
          logGroupName,
          logStreamName,
        },
      },
      variables: environmentVariables({
        functionName,
        handler,
        codePath,
        memoryMb,
        region,
        logGroupName,
        logStreamName,
        variables: options.variables ?? {},
      }),
      memoryMb,
      timeoutMs,
      onLine: options.onLine ?? (() => {}),
      onEnd: () => environments.delete(environment),
    });
    environments.add(environment);
    return environment;
  }

  function kill(environment: ExecutionEnvironment): void {
    const end = environment.kill().finally(() => ends.delete(end));
    ends.add(end);
  }

  return {
    invoke: async (event) => {
      const eventJson = JSON.stringify(event) ?? 'null';
      const bytes = Buffer.byteLength(eventJson);
      if (bytes > limits.payloadBytesMax) return { kind: 'function-error', error: tooLarge(bytes) };
      const idle = [...environments].findLast((environment) => !environment.isBusy());
      if (isStopped || (idle === undefined && environments.size >= options.concurrency)) return { kind: 'throttled' };
      return (idle ?? startOne()).invoke({ requestId: randomUUID(), eventJson });
    },
    kill: () => {
      const all = [...environments];
      const victim = all.find((environment) => environment.isBusy()) ?? all[0];
      if (victim !== undefined) kill(victim);
      return victim !== undefined;
    },
    environments: () => ({
      total: environments.size,
      busy: [...environments].filter((environment) => environment.isBusy()).length,
      coldStarts,
    }),
    stop: async () => {
      isStopped = true;
      for (const environment of [...environments]) kill(environment);
      await Promise.all(ends);
    },
  };
}

function findBundle(options: { readonly codePath: string; readonly handler: string }) {
  const dot = options.handler.lastIndexOf('.');
  const moduleName = options.handler.slice(0, dot);
  const candidates = ['.mjs', '.js', '.cjs'].map((extension) =>
    resolve(join(options.codePath, moduleName + extension)),
  );
  // One that does not exist is told by the import, in the outcome of each invocation, as AWS does.
  const bundlePath = candidates.find((path) => existsSync(path)) ?? candidates[0];
  if (dot > 0 && bundlePath !== undefined) return { bundlePath, handlerName: options.handler.slice(dot + 1) };
  throw new MillraceError(
    'TEMPLATE_UNSUPPORTED',
    `Handler is "${options.handler}". Use file.function, such as index.handler.`,
  );
}

function tooLarge(bytes: number): FunctionError {
  const errorMessage = `${bytes} byte payload is too large for the RequestResponse invocation type (limit ${limits.payloadBytesMax} bytes).`;
  return { errorType: 'RequestTooLargeException', errorMessage, trace: [] };
}

function checkRange(name: string, value: number, low: number, high: number): number {
  if (value >= low && value <= high) return value;
  throw new MillraceError('SETTING_INVALID', `${name} of a function is ${value}. Use ${low} to ${high}.`);
}
