import type { WorkerService } from '#local/worker-service.ts';

/** A worker that is busy answers late; the view does not wait for it. */
const patienceMs = 500;

/** A line for each worker, as its metrics have it. */
export function describeWorkers(worker: WorkerService): Promise<readonly string[]> {
  return Promise.all(worker.urls().map(async (url, task) => `worker ${task}  ${await describeWorker(url)}`));
}

async function describeWorker(url: string | undefined): Promise<string> {
  if (url === undefined) return 'starting';
  try {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(patienceMs) });
    return describeMetrics(await response.text());
  } catch {
    return 'does not answer';
  }
}

/** Over all threads of the worker: `shards 2   keys 40   open windows 61   checkpoint 3.2 s ago`. */
export function describeMetrics(metrics: string): string {
  const gauges = (name: string): readonly number[] =>
    [...metrics.matchAll(new RegExp(`^millrace_${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].map(([, value]) => Number(value));
  const sum = (name: string): number => gauges(name).reduce((total, value) => total + value, 0);
  if (sum('leases') === 0) return 'no shards yet';
  const checkpointSeconds = (Math.max(0, ...gauges('checkpoint_age_ms')) / 1_000).toFixed(1);
  return `shards ${sum('leases')}   keys ${sum('state_keys')}   open windows ${sum('open_windows')}   checkpoint ${checkpointSeconds} s ago`;
}
