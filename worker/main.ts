import { isMainThread, workerData } from 'node:worker_threads';
import { serve } from '@hono/node-server';
import { pipelines } from '#pipelines/index.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createConsoleTelemetry } from '#shared/adapters/telemetry/console.ts';
import { createPrometheusTelemetry } from '#shared/adapters/telemetry/prometheus.ts';
import { drainLoadOf } from '#shared/engine/slots/drain.ts';
import { readAddress, readCount, readSettings, selectPipeline } from '#shared/runtime/settings.ts';
import { runMember } from './member.ts';
import { protectTask } from './protection.ts';
import { createStatus } from './status.ts';
import { startThreads } from './threads.ts';

/** What V8 may use of the task's memory; the rest is for buffers, compression and Node itself. */
const heapShare = 0.75;
/** What of it the state may take; beyond that it goes to the disk. The rest is for the records at hand and for what V8 has not collected yet. */
const stateShare = 0.3;
/** How often the load is measured, and the protection of the task looked after. */
const lookEveryMs = 5_000;
/** Fargate gives 120 s from SIGTERM to SIGKILL; after a failure of our own we take no longer. */
const handOverMsMax = 100_000;

// One file is both: the threads that work, and the thread that watches them and answers for them however busy they are.
if (isMainThread) await superviseThreads();
else await runMember(workerData);

async function superviseThreads(): Promise<never> {
  const settings = readSettings('worker', process.env);
  const pipeline = selectPipeline(pipelines, settings);
  const count = readCount('WORKER_THREADS', settings.WORKER_THREADS);
  const memoryMb = readCount('MEMORY_MB', settings.MEMORY_MB);
  const drainMs = readCount('DRAIN_SECONDS', settings.DRAIN_SECONDS) * 1_000;
  const labels = { pipeline: pipeline.id, stage: 'window', placement: 'fargate' };
  const clock = wallClock;
  const telemetry = createPrometheusTelemetry(labels, createConsoleTelemetry(labels));
  telemetry.log('info', 'The worker starts.', { planHash: pipeline.planHash, threads: count });
  const threads = startThreads({
    program: new URL(import.meta.url),
    count,
    heapMb: Math.floor((memoryMb * heapShare) / count),
    stateMb: Math.floor((memoryMb * stateShare) / count),
    clock,
    telemetry,
    handOverMsMax,
  });

  const status = createStatus({ ...threads, metrics: telemetry.scrape });
  serve({ fetch: status.fetch, ...readAddress('HTTP_ADDRESS', settings.HTTP_ADDRESS) }, ({ address, port }) =>
    telemetry.log('info', 'Health and metrics are served.', { url: `http://${address}:${port}` }),
  );

  const protect = protectTask({ agentUri: process.env['ECS_AGENT_URI'], clock, telemetry });
  setInterval(() => {
    const loads = threads.loads().map((load) => ({ ...load, drainLoad: drainLoadOf({ ...load, drainMs }) }));
    for (const [thread, { busyRatio }] of loads.entries())
      telemetry.metric('busy_ratio', busyRatio, { stage: 'window', thread: String(thread) });
    const drainLoad = loads.reduce((sum, load) => sum + load.drainLoad, 0) / loads.length;
    telemetry.metric('drain_load', drainLoad, { stage: 'window' });
    void protect(threads.isMoving());
  }, lookEveryMs);

  // ECS and the embedded AWS ask with SIGTERM and kill after stopTimeout: the batches at hand are finished and everything is snapshot.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      telemetry.log('info', 'The worker was asked to stop; it snapshots its state.', { signal });
      threads.stop();
    });
  }
  const isHandedOver = await threads.ended;
  if (isHandedOver) telemetry.log('info', 'The worker has stopped; its state is snapshot.');
  telemetry.flush();
  process.exit(isHandedOver ? 0 : 1);
}
