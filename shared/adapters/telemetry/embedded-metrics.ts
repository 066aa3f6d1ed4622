import type { MetricName } from '#shared/ports/telemetry.ts';
import { metricNamespace } from '#shared/schemas/settings.ts';
import type { HostLabels, Sample } from './gather.ts';

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html */
const valuesPerMetricMax = 100;

/**
 * Samples in the embedded metric format: CloudWatch makes metrics of any log line that holds it, from Lambda as from Fargate.
 * The dimensions are the labels of the host, which the logger puts into every line. A shard is none, since each would be a metric to pay for; a metric that several shards
 * report has a value for each, of which CloudWatch gives the sum and the maximum, and `samples` tells them apart.
 */
export function embedMetrics(request: {
  readonly samples: readonly Sample[];
  readonly labels: HostLabels;
  readonly nowMs: number;
}): readonly Readonly<Record<string, unknown>>[] {
  const { samples, labels, nowMs } = request;
  return cutLines(samples).map((line) => {
    const values = Map.groupBy(line, (sample) => sample.name);
    const metrics = [...values.keys()].map((name) => ({ Name: name, Unit: unitOf(name) }));
    return {
      _aws: {
        Timestamp: nowMs,
        CloudWatchMetrics: [{ Namespace: metricNamespace, Dimensions: [Object.keys(labels)], Metrics: metrics }],
      },
      ...Object.fromEntries([...values].map(([name, its]) => [name, its.map((sample) => sample.value)])),
      samples: line,
    };
  });
}

/** Samples in as few lines as it takes for none to have more values of a metric than it may. */
export function cutLines(samples: readonly Sample[]): readonly (readonly Sample[])[] {
  const lines: Sample[][] = [];
  const counts = new Map<MetricName, number>();
  for (const sample of samples) {
    const count = counts.get(sample.name) ?? 0;
    counts.set(sample.name, count + 1);
    const index = Math.floor(count / valuesPerMetricMax);
    const line = lines[index] ?? [];
    lines[index] = line;
    line.push(sample);
  }
  return lines;
}

export function unitOf(name: MetricName): 'Milliseconds' | 'Bytes' | 'Count' | 'None' {
  if (name.endsWith('_ms') || name === 'millis_behind_latest') return 'Milliseconds';
  if (name.startsWith('bytes_') || name.endsWith('_bytes')) return 'Bytes';
  return name === 'busy_ratio' || name === 'drain_load' ? 'None' : 'Count';
}
