import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A task of the template's ECS service. */
export interface TaskOptions {
  /** The folder of the worker's bundle. */
  readonly codePath: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Stands in for the container's writable volume at /tmp. */
  readonly scratchFolder: string;
  /** From SIGTERM to SIGKILL. */
  readonly stopTimeoutMs: number;
  readonly onLine: (line: string) => void;
}

/** Keeps one worker running, as ECS does: one that ends is replaced by a new one. */
export interface WorkerService {
  /** Kills the worker without a warning (SIGKILL). False if there was none. */
  readonly kill: () => boolean;
  readonly isRunning: () => boolean;
  readonly startCount: () => number;
  /** SIGTERM, and SIGKILL when it takes too long. */
  readonly stop: () => Promise<void>;
}

const restartMsMin = 200;
const restartMsMax = 10_000;
/** A worker that lived so long was not failing at its start. */
const steadyMs = 10_000;
const flags = ['--enable-source-maps', `--import=${new URL('./worker-leash.ts', import.meta.url).href}`];

export function startWorkerService(options: TaskOptions): WorkerService {
  mkdirSync(options.scratchFolder, { recursive: true });
  let child: ChildProcess | undefined;
  let stopping = false;
  let starts = 0;
  let delayMs = restartMsMin;
  let timer: NodeJS.Timeout | undefined;

  const start = (): void => {
    const startedMs = performance.now();
    starts += 1;
    const started = spawn(process.execPath, [...flags, join(options.codePath, 'main.mjs')], {
      // Only what the template gives: a worker that needs more of the laptop's environment would fail in AWS.
      env: Object.fromEntries(
        Object.entries(options.environment).map(([name, value]) => [
          name,
          value.replace(/^\/tmp\//, `${options.scratchFolder}/`),
        ]),
      ),
      cwd: options.scratchFolder,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Control-C in the terminal is for the command line, which then stops the worker in its turn.
      detached: true,
    });
    child = started;
    for (const stream of [started.stdout, started.stderr])
      if (stream !== null) createInterface({ input: stream }).on('line', options.onLine);
    started.on('exit', () => {
      child = undefined;
      if (stopping) return;
      if (performance.now() - startedMs > steadyMs) delayMs = restartMsMin;
      timer = setTimeout(start, delayMs);
      delayMs = Math.min(restartMsMax, delayMs * 2);
    });
  };

  start();
  return {
    isRunning: () => child !== undefined,
    startCount: () => starts,
    kill: () => {
      // Killed on purpose, so there is no reason to wait long before the next one.
      delayMs = restartMsMin;
      return child?.kill('SIGKILL') ?? false;
    },
    stop: async () => {
      stopping = true;
      clearTimeout(timer);
      const running = child;
      if (running === undefined || running.exitCode !== null) return;
      await new Promise<void>((resolve) => {
        const impatience = setTimeout(() => running.kill('SIGKILL'), options.stopTimeoutMs);
        running.on('exit', () => {
          clearTimeout(impatience);
          resolve();
        });
        running.kill('SIGTERM');
      });
    },
  };
}
