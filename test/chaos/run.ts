import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Chaos, createChaos } from '#cli/chaos.ts';
import type { FaultKind } from '#cli/faults.ts';
import { createLogFile } from '#cli/log-file.ts';
import { portsOf } from '#cli/ports.ts';
import { waitUntilFinal } from '#cli/settle.ts';
import { createStackReader } from '#cli/stack-reader.ts';
import { type LocalStack, startStack } from '#local/stack.ts';
import { bursts } from '#pipelines/bursts.ts';
import type { Counts, Reader } from '#shared/runtime/read.ts';
import { type Comparison, compareWithBatch } from './compare.ts';
import { boundsOf, countBefore, type Load } from './load.ts';
import type { Permission, Push, Pushed } from './push.ts';

export interface ChaosOptions {
  readonly load: Load;
  /** Where everything is kept. */
  readonly folder: string;
  readonly workers: number;
  /** Of each worker. */
  readonly threads: number;
  readonly rawShards: number;
  readonly exchangeShards: number;
  /** Workers to kill in all, one every so often. */
  readonly killCount: number;
  readonly killEveryMs: number;
  readonly reshardEveryMs: number;
  /** As fast as the pipeline goes when it is not given. */
  readonly eventsPerSecond: number | undefined;
  /** After so long nothing more is pushed and nothing more is broken. */
  readonly timeMs: number;
  readonly print: (line: string) => void;
}

export interface ChaosReport {
  readonly pushedCount: number;
  readonly counts: Counts;
  /** What was done, such as `kill-worker=60 split-raw=3`. */
  readonly faults: string;
  readonly workerStarts: number;
  /** From the first record until every window was final. */
  readonly seconds: number;
  readonly comparison: Comparison;
}

/** A killed worker's shards wait for so long; the least that a busy machine keeps up with. */
const leaseSeconds = 3;
/** A Lambda is killed at every second worker. */
const workersPerLambda = 2;
const reshardings = ['split-exchange', 'split-raw', 'merge-exchange', 'merge-raw'] as const satisfies FaultKind[];
/** Records that may be pushed and not yet behind the watermark: what a run takes to settle. */
const backlogMax = 250_000;
const lookEveryMs = 1_000;
const printEveryMs = 5_000;

/** Runs the bursts pipeline on the embedded AWS, breaks it all the while, and compares its rows with those of a batch. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { load, folder, print } = options;
  const log = createLogFile(join(folder, 'log'));
  const stack = await startStack({
    pipeline: bursts,
    folder: join(folder, 'stack'),
    ports: portsOf('0'),
    throttle: false,
    props: {
      rawShards: options.rawShards,
      exchangeShards: options.exchangeShards,
      worker: { tasks: options.workers, threads: options.threads, leaseSeconds },
    },
    onLine: log.write,
  });
  try {
    const reader = createStackReader(bursts, stack);
    const chaos = createChaos(stack, load.seed);
    const startMs = performance.now();
    const isLate = () => performance.now() - startMs > options.timeMs;
    const pushing = startPush(stack, options);
    let isFinal = false;
    const watching = watch({ reader, pushing, chaos, load, isOver: () => isFinal, isLate, print });
    const breaking = breakAll(chaos, options, () => isFinal || isLate());
    const pushedCount = await pushing.done;
    const counts = await waitUntilFinal({
      pipeline: bursts,
      stack,
      reader,
      feed: { pushedCount: () => pushedCount },
      endMs: boundsOf(load, pushedCount).toMs,
      folder: log.path,
    });
    isFinal = true;
    const seconds = (performance.now() - startMs) / 1_000;
    await Promise.all([watching, breaking]);
    print('every window is final; the same records in one batch …');
    const comparison = await compareWithBatch({ reader, load, count: pushedCount, folder });
    return {
      pushedCount,
      counts,
      faults: chaos.summary(),
      workerStarts: stack.worker?.startCount() ?? 0,
      seconds,
      comparison,
    };
  } finally {
    await stack.stop();
  }
}

interface Pushing {
  readonly pushedCount: () => number;
  readonly permit: (permission: Permission) => void;
  /** How many were pushed, when no more follow. */
  readonly done: Promise<number>;
}

function startPush(stack: LocalStack, { load, eventsPerSecond }: ChaosOptions): Pushing {
  const streamName = stack.rawStreams.get('flows') as string;
  const push: Push = { load, endpoint: stack.endpoints.kinesis, streamName, eventsPerSecond };
  const child: ChildProcess = fork(fileURLToPath(new URL('push.ts', import.meta.url)), [JSON.stringify(push)]);
  let count = 0;
  const done = new Promise<number>((resolve, reject) => {
    child.on('message', (message) => {
      const pushed = message as Pushed;
      count = pushed.count;
      if (pushed.isDone) resolve(count);
    });
    child.on('exit', (code) => reject(new Error(`the producer ended with ${code} after ${count} records`)));
  });
  return {
    pushedCount: () => count,
    // One that is just ending hears no more.
    permit: (permission) => void (child.connected && child.send(permission, () => undefined)),
    done,
  };
}

/** Lets the producer go on as far as the slowest slot has come, and says every few seconds how things stand. */
async function watch(it: {
  readonly reader: Reader;
  readonly pushing: Pushing;
  readonly chaos: Chaos;
  readonly load: Load;
  readonly isOver: () => boolean;
  readonly isLate: () => boolean;
  readonly print: (line: string) => void;
}): Promise<void> {
  const startMs = performance.now();
  let printedMs = startMs;
  while (!it.isOver()) {
    const progress = await it.reader.progress();
    const passed = Math.min(...progress.map(({ watermarkMs }) => countBefore(it.load, watermarkMs ?? 0)));
    it.pushing.permit({ countMax: passed + backlogMax, isOver: it.isLate() });
    if (performance.now() - printedMs >= printEveryMs) {
      printedMs = performance.now();
      const { counted, late, duplicates } = await it.reader.counts();
      const behind = Math.max(0, it.pushing.pushedCount() - passed);
      it.print(
        `${Math.round((printedMs - startMs) / 1_000)} s   pushed ${it.pushing.pushedCount()}, counted ${counted}, late ${late}, behind ${behind}, duplicates suppressed ${duplicates}   ${it.chaos.summary()}`,
      );
    }
    await setTimeout(lookEveryMs);
  }
}

async function breakAll(chaos: Chaos, options: ChaosOptions, isOver: () => boolean): Promise<void> {
  const kill = async (number: number): Promise<void> => {
    if (number > options.killCount) return;
    await chaos.perform('kill-worker');
    if (number % workersPerLambda === 0) await chaos.perform('kill-lambda');
  };
  const reshard = (number: number): Promise<void> =>
    chaos.perform(reshardings[(number - 1) % reshardings.length] as FaultKind);
  await Promise.all([every(options.killEveryMs, kill, isOver), every(options.reshardEveryMs, reshard, isOver)]);
}

/** Does something again and again, with the number of times, from 1. */
async function every(ms: number, work: (number: number) => Promise<void>, isOver: () => boolean): Promise<void> {
  let doneMs = performance.now();
  for (let number = 1; !isOver(); ) {
    await setTimeout(Math.min(ms, 100));
    if (performance.now() - doneMs < ms) continue;
    doneMs += ms;
    await work(number);
    number += 1;
  }
}
