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

/** `shards 2   keys 40   open windows 61   checkpoint 3.2 s ago`. */
export function describeMetrics(metrics: string): string {
  const gauge = (name: string): number => {
    const [, value] = new RegExp(`^millrace_${name}(?:\\{.*\\})? (\\S+)$`, 'm').exec(metrics) ?? [];
    return Number(value ?? 0);
  };
  if (gauge('leases') === 0) return 'no shards yet';
  const checkpointSeconds = (gauge('checkpoint_age_ms') / 1_000).toFixed(1);
  return `shards ${gauge('leases')}   keys ${gauge('state_keys')}   open windows ${gauge('open_windows')}   checkpoint ${checkpointSeconds} s ago`;
}
