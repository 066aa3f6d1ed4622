import type { Worker } from 'node:worker_threads';
import { tellOn } from '#shared/adapters/telemetry/forward.ts';
import { spawnThread } from '#shared/adapters/thread.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { createThreadLoad, type ThreadLoad } from './load.ts';
import type { Report, Request, Start } from './messages.ts';

export interface ThreadsOptions {
  /** What each thread runs: a module that finds a `Start` in its `workerData`. */
  readonly program: URL;
  readonly count: number;
  /** Of each thread, in MB; the thread that needs more ends. */
  readonly heapMb: number;
  /** What of it the state of a thread may take. */
  readonly stateMb: number;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** How long those that go on may take to hand over when one has failed. */
  readonly handOverMsMax: number;
}

/** The threads of one process, among which the shards are shared. */
export interface Threads {
  /** Each got on within the last minute. */
  readonly isAlive: () => boolean;
  /** Each takes part in the work. */
  readonly isReady: () => boolean;
  /** A shard's state is on its way from or to one of them. */
  readonly isMoving: () => boolean;
  readonly loads: () => readonly ThreadLoad[];
  /** All hand over what they have. */
  readonly stop: () => void;
  /** When all have ended: true if they were asked to and have handed over. */
  readonly ended: Promise<boolean>;
}

/** A thread that is alive shows it several times a lease period, which is at most this long. */
export const silenceMsMax = 60_000;

interface Thread {
  readonly worker: Worker;
  readonly load: () => ThreadLoad;
  readonly ended: Promise<void>;
  aliveMs: number;
  isReady: boolean;
  isMoving: boolean;
  isStopped: boolean;
}

/**
 * Starts the threads. None is started again: what one dies of, too little memory or an outside world that is broken for good, its
 * process dies of too. The others hand over first, so that nothing is done twice, and whoever keeps the process starts it again.
 */
export function startThreads(options: ThreadsOptions): Threads {
  const { clock, telemetry } = options;
  const threads = Array.from({ length: options.count }, (_, index) => startThread(options, index, onFailure));
  const givenUp = Promise.withResolvers<void>();
  let isStopping = false;

  const stop = (): void => {
    isStopping = true;
    for (const { worker } of threads) worker.postMessage('stop' satisfies Request);
  };

  function onFailure(index: number, error: string): void {
    telemetry.log('error', 'A thread of the worker has ended; its successor goes on from the snapshots.', {
      thread: String(index),
      error,
    });
    // Whoever asks the process to stop kills it in time. After a failure nobody does.
    if (!isStopping) void clock.sleep(options.handOverMsMax).then(givenUp.resolve);
    if (!isStopping) stop();
  }

  return {
    isAlive: () => threads.every(({ aliveMs }) => clock.now() - aliveMs < silenceMsMax),
    isReady: () => !isStopping && threads.every(({ isReady }) => isReady),
    isMoving: () => threads.some(({ isMoving }) => isMoving),
    loads: () => threads.map(({ load }) => load()),
    stop,
    ended: Promise.race([Promise.all(threads.map(({ ended }) => ended)), givenUp.promise]).then(() =>
      threads.every(({ isStopped }) => isStopped),
    ),
  };
}

function startThread(
  { program, heapMb, stateMb, clock, telemetry }: ThreadsOptions,
  index: number,
  onFailure: (index: number, error: string) => void,
): Thread {
  const worker = spawnThread(program, { thread: index, stateMb } satisfies Start, heapMb);
  const load = createThreadLoad({ utilization: worker.performance.eventLoopUtilization, now: clock.now });
  let failure: string | undefined;
  const thread: Thread = {
    worker,
    load: load.take,
    aliveMs: clock.now(),
    isReady: false,
    isMoving: true,
    isStopped: false,
    ended: new Promise((resolve) => {
      worker.on('exit', (code) => {
        thread.isMoving = false;
        if (!thread.isStopped) onFailure(index, failure ?? `it exited with status ${code}`);
        resolve();
      });
    }),
  };
  worker.on('error', (error) => {
    failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
  });
  worker.on('message', (report: Report) => {
    switch (report.kind) {
      case 'alive':
        thread.aliveMs = clock.now();
        thread.isReady = report.isReady;
        thread.isMoving = report.isMoving;
        break;
      case 'stopped':
        thread.isStopped = true;
        break;
      default:
        load.hear(report);
        tellOn(telemetry, report);
    }
  });
  return thread;
}
