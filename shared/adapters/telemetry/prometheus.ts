import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { gather, type HostLabels, type Sample } from './gather.ts';

/** A shard that was not heard of for so long is read by another worker, which tells of it now. */
export const shardSilenceMsMax = 60_000;

export type PrometheusTelemetry = Telemetry & {
  /** What Prometheus fetches: totals since the start, the latest of all else, and how the process itself is. */
  readonly scrape: () => Promise<string>;
};

/** Passes everything on to `next`, and keeps the metrics for whoever fetches them. https://prometheus.io/docs/instrumenting/exposition_formats/ */
export function createPrometheusTelemetry(
  labels: HostLabels,
  next: Telemetry,
  now: () => number = () => Date.now(),
): PrometheusTelemetry {
  const samples = gather();
  const heardMs = new Map<string, number>();
  const ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess });
  const isSilent = ({ labels: { shard } }: Sample): boolean =>
    shard !== undefined && now() - (heardMs.get(shard) ?? 0) > shardSilenceMsMax;
  return {
    log: next.log,
    flush: next.flush,
    metric: (name, value, own = {}) => {
      samples.add(name, value, own);
      if (own['shard'] !== undefined) heardMs.set(own['shard'], now());
      next.metric(name, value, own);
    },
    scrape: () => {
      const registry = registryOf(samples.list().filter((sample) => !isSilent(sample)));
      const all = Registry.merge([registry, ofProcess]);
      all.setDefaultLabels({ ...labels });
      return all.metrics();
    },
  };
}

function registryOf(samples: readonly Sample[]): Registry {
  const registry = new Registry();
  for (const [name, its] of Map.groupBy(samples, (sample) => sample.name)) {
    const labelNames = [...new Set(its.flatMap((sample) => Object.keys(sample.labels)))];
    const metric = { name: `millrace_${name}`, help: name.replaceAll('_', ' '), labelNames, registers: [registry] };
    if (name.endsWith('_total')) {
      const counter = new Counter(metric);
      for (const sample of its) counter.inc(sample.labels, sample.value);
    } else {
      const gauge = new Gauge(metric);
      for (const sample of its) gauge.set(sample.labels, sample.value);
    }
  }
  return registry;
}
