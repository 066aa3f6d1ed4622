import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { errorInLine } from './worker-error.ts';

/** The template's ECS service. */
export interface ServiceOptions {
  /** How many tasks there should be. */
  readonly tasks: number;
  /** The folder of the worker's bundle. */
  readonly codePath: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Holds a folder for each task, in which it runs. */
  readonly scratchFolder: string;
  /** From SIGTERM to SIGKILL. */
  readonly stopTimeoutMs: number;
  readonly onLine: (task: number, line: string) => void;
  /** A task has ended by itself, of the error that is given; undefined for one that goes on. */
  readonly onFailure: (task: number, error: string | undefined) => void;
}

/** Keeps the workers running, as ECS does: one that ends is replaced by a new one. */
export interface WorkerService {
  readonly taskCount: number;
  /** Kills the worker with this number, or the next one that is running, without a warning (SIGKILL). False if none was running. */
  readonly kill: (task: number) => boolean;
  /** Where each worker tells of its health and its metrics; undefined for one that is still starting. */
  readonly urls: () => readonly (string | undefined)[];
  readonly startCount: () => number;
  /** SIGTERM, and SIGKILL to those that take too long. */
  readonly stop: () => Promise<void>;
}

interface Task {
  readonly kill: () => boolean;
  readonly url: () => string | undefined;
  readonly stop: () => Promise<void>;
}

const restartMsMin = 200;
const restartMsMax = 10_000;
/** A worker that lived so long was not failing at its start. */
const steadyMs = 10_000;
/** One that lived so long is well: it may have been restoring a large state for a while. */
const wellMs = 30_000;
const flags = ['--enable-source-maps', `--import=${new URL('./worker-leash.ts', import.meta.url).href}`];

export function startWorkerService(options: ServiceOptions): WorkerService {
  let starts = 0;
  const onStart = () => {
    starts += 1;
  };
  const tasks = Array.from({ length: options.tasks }, (_, index) => startTask(options, index, onStart));
  return {
    taskCount: options.tasks,
    urls: () => tasks.map((task) => task.url()),
    startCount: () => starts,
    kill: (number) => {
      const first = number % tasks.length;
      return [...tasks.slice(first), ...tasks.slice(0, first)].some((task) => task.kill());
    },
    stop: async () => {
      await Promise.all(tasks.map((task) => task.stop()));
    },
  };
}

function startTask(options: ServiceOptions, index: number, onStart: () => void): Task {
  const scratchFolder = join(options.scratchFolder, String(index));
  mkdirSync(scratchFolder, { recursive: true });
  let child: ChildProcess | undefined;
  let url: string | undefined;
  let stopping = false;
  let delayMs = restartMsMin;
  let timer: NodeJS.Timeout | undefined;

  const start = (): void => {
    const startedMs = performance.now();
    let error: string | undefined;
    onStart();
    const started = spawn(process.execPath, [...flags, join(options.codePath, 'main.mjs')], {
      // Only what the template gives: a worker that needs more of the laptop's environment would fail in AWS.
      env: options.environment,
      cwd: scratchFolder,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Control-C in the terminal is for the command line, which then stops the worker in its turn.
      detached: true,
    });
    child = started;
    const onLine = (line: string): void => {
      // It listens on any free port, and says on which.
      if (child === started) url ??= /"url":"(http:[^"]+)"/.exec(line)?.[1];
      error = errorInLine(line) ?? error;
      options.onLine(index, line);
    };
    for (const stream of [started.stdout, started.stderr])
      if (stream !== null) createInterface({ input: stream }).on('line', onLine);
    const well = setTimeout(() => options.onFailure(index, undefined), wellMs);
    // Not at its exit: what it said last may come after that.
    started.on('close', (code) => {
      clearTimeout(well);
      child = undefined;
      url = undefined;
      if (stopping) return;
      // Without a status it was killed, which is no fault of its own.
      if (code !== null) options.onFailure(index, error ?? `it exited with status ${code}.`);
      if (performance.now() - startedMs > steadyMs) delayMs = restartMsMin;
      timer = setTimeout(start, delayMs);
      delayMs = Math.min(restartMsMax, delayMs * 2);
    });
  };

  start();
  return {
    url: () => url,
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
