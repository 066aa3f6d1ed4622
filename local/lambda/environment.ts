import { Worker } from 'node:worker_threads';
import type { Clock } from '#shared/ports/clock.ts';
import { assert } from '#shared/schemas/error.ts';
import { initMsMax, payloadBytesMax } from './limits.ts';
import { splitLines } from './lines.ts';
import type { Invocation, Report, Start } from './messages.ts';
import type { FunctionError, InvocationOutcome } from './outcome.ts';
import { createTerminationFlags, terminate } from './termination.ts';

/** A line that a function wrote. */
export interface OutputLine {
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
  readonly logStreamName: string;
}

/** One execution environment: a worker thread that has imported the bundle and takes one invocation at a time. */
export interface ExecutionEnvironment {
  readonly invoke: (invocation: {
    readonly requestId: string;
    readonly eventJson: string;
  }) => Promise<InvocationOutcome>;
  /** Ends it, now and in the middle of whatever it does: an invocation fails. Resolves when the thread is gone. */
  readonly kill: () => Promise<void>;
  readonly isBusy: () => boolean;
}

export interface EnvironmentOptions {
  readonly clock: Clock;
  readonly start: Omit<Start, 'termination'>;
  readonly variables: Readonly<Record<string, string>>;
  readonly memoryMb: number;
  readonly timeoutMs: number;
  readonly onLine: (line: OutputLine) => void;
  /** It is gone and takes nothing any more. */
  readonly onEnd: () => void;
}

interface Running {
  readonly invocation: Invocation;
  readonly settle: (outcome: InvocationOutcome) => void;
}

/** Starts one, which is a cold start. */
export function startEnvironment(options: EnvironmentOptions): ExecutionEnvironment {
  const { clock, start, timeoutMs } = options;
  const termination = createTerminationFlags();
  const worker = new Worker(new URL('./bootstrap.ts', import.meta.url), {
    workerData: { ...start, termination } satisfies Start,
    env: { ...options.variables },
    argv: [],
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: options.memoryMb },
    stdout: true,
    stderr: true,
  });
  let running: Running | undefined;
  let isReady = false;
  let isEnded = false;
  let deadlineMs = clock.now() + initMsMax;
  let wakesAtMs = Number.POSITIVE_INFINITY;

  for (const stream of ['stdout', 'stderr'] as const) {
    const { logStreamName } = start.context;
    splitLines(worker[stream], (text) => options.onLine({ stream, text, logStreamName }));
  }
  worker.on('message', receive);
  worker.on('error', (error) => end(functionError(describeDeath(error, options.memoryMb))));
  worker.on('exit', (code) => {
    const errorMessage = `The function ended its own process with exit status ${code}.`;
    end(functionError({ errorType: 'Runtime.ExitError', errorMessage, trace: [] }));
  });
  watch();

  function receive(report: Report): void {
    switch (report.kind) {
      case 'ready':
        isReady = true;
        deadlineMs = Number.POSITIVE_INFINITY;
        if (running !== undefined) post(running.invocation);
        break;
      case 'start-failed':
        void end(functionError(report.error));
        break;
      case 'threw':
        settle(functionError(report.error));
        break;
      case 'responded':
        settle(respond(report.payloadJson));
        break;
    }
  }

  function post(invocation: Invocation): void {
    // The time for the start is not the function's.
    deadlineMs = clock.now() + timeoutMs;
    worker.postMessage(invocation);
    watch();
  }

  function settle(outcome: (requestId: string) => InvocationOutcome): void {
    deadlineMs = Number.POSITIVE_INFINITY;
    const settled = running;
    running = undefined;
    settled?.settle(outcome(settled.invocation.requestId));
  }

  /** Once ended, whatever still comes out of the thread is nobody's. */
  async function end(outcome: (requestId: string) => InvocationOutcome): Promise<void> {
    if (isEnded) return;
    isEnded = true;
    options.onEnd();
    settle(outcome);
    await terminate(worker, termination);
  }

  /** Clocks cannot cancel a sleep, so one that ends early enough is used again. */
  function watch(): void {
    if (isEnded || wakesAtMs <= deadlineMs) return;
    const atMs = deadlineMs;
    wakesAtMs = atMs;
    void clock.sleep(atMs - clock.now()).then(() => {
      if (wakesAtMs === atMs) wakesAtMs = Number.POSITIVE_INFINITY;
      if (deadlineMs <= clock.now()) void end((requestId) => ({ kind: 'timed-out', requestId }));
      else watch();
    });
  }

  return {
    invoke: ({ requestId, eventJson }) => {
      assert(running === undefined && !isEnded, 'an environment takes one invocation at a time');
      const invocation = { requestId, eventJson, timeoutMs };
      return new Promise((resolve) => {
        running = { invocation, settle: resolve };
        if (isReady) post(invocation);
      });
    },
    kill: () =>
      end(functionError({ errorType: 'Runtime.ExitError', errorMessage: 'The environment was killed.', trace: [] })),
    isBusy: () => running !== undefined,
  };
}

function respond(payloadJson: string): (requestId: string) => InvocationOutcome {
  if (Buffer.byteLength(payloadJson) > payloadBytesMax) {
    const errorMessage = `Response payload size exceeded maximum allowed payload size (${payloadBytesMax} bytes).`;
    return functionError({ errorType: 'Function.ResponseSizeTooLarge', errorMessage, trace: [] });
  }
  return (requestId) => ({ kind: 'response', payload: JSON.parse(payloadJson), requestId });
}

function functionError(error: FunctionError): (requestId: string) => InvocationOutcome {
  return (requestId) => ({ kind: 'function-error', error, requestId });
}

/** Why the thread died: an exception that nobody caught, or too little memory. */
function describeDeath(error: unknown, memoryMb: number): FunctionError {
  if (!(error instanceof Error)) return { errorType: 'Runtime.ExitError', errorMessage: String(error), trace: [] };
  const trace = (error.stack ?? '').split('\n');
  if ('code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    const errorMessage = `The function used up its memory of ${memoryMb} MB. Raise MemorySize, or hold less at once.`;
    return { errorType: 'Runtime.OutOfMemory', errorMessage, trace };
  }
  return { errorType: error.name, errorMessage: error.message, trace };
}
