import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { MetricName, Telemetry } from '#shared/ports/telemetry.ts';

const namespace = 'Millrace';

/** Structured logs and metrics in the embedded metric format, as CloudWatch reads them from a Lambda's output. */
export function createPowertoolsTelemetry(labels: {
  readonly pipeline: string;
  readonly stage: string;
  readonly placement: string;
}): Telemetry {
  const logger = new Logger({ serviceName: labels.stage, persistentKeys: { ...labels } });
  const metrics = new Metrics({ namespace, serviceName: labels.stage, defaultDimensions: { ...labels } });
  return {
    log: (level, message, fields = {}) => logger[level](message, { fields }),
    // A dimension per shard or slot would be a paid metric each: these labels go into the line as plain fields.
    metric: (name, value) => metrics.addMetric(name, unitOf(name), value),
    flush: () => metrics.publishStoredMetrics(),
  };
}

function unitOf(name: MetricName): (typeof MetricUnit)[keyof typeof MetricUnit] {
  if (name.endsWith('_ms') || name === 'millis_behind_latest') return MetricUnit.Milliseconds;
  if (name.startsWith('bytes') || name.endsWith('_bytes')) return MetricUnit.Bytes;
  return name === 'busy_ratio' ? MetricUnit.NoUnit : MetricUnit.Count;
}
