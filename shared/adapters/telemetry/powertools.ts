import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { metricNamespace } from '#shared/schemas/settings.ts';
import { cutLines, unitOf } from './embedded-metrics.ts';
import { gather, type HostLabels } from './gather.ts';
import { plainFields, quietly } from './quietly.ts';

/**
 * Structured logs and metrics in the embedded metric format, as CloudWatch reads them from a Lambda's output. Its level is
 * that of `POWERTOOLS_LOG_LEVEL` or `LOG_LEVEL`. Of dimensions see `embedMetrics`.
 */
export function createPowertoolsTelemetry(labels: HostLabels): Telemetry {
  const logger = new Logger({ serviceName: labels.stage, persistentKeys: { ...labels } });
  const metrics = new Metrics({ namespace: metricNamespace, serviceName: labels.stage });
  // Powertools would add the service as a dimension of its own.
  metrics.clearDefaultDimensions();
  metrics.setDefaultDimensions({ ...labels });
  const samples = gather();
  return {
    log: (level, message, fields) =>
      quietly(() =>
        fields === undefined ? logger[level](message) : logger[level](message, { fields: plainFields(fields) }),
      ),
    metric: samples.add,
    flush: () => {
      const lines = cutLines(samples.take());
      quietly(() => {
        for (const line of lines) {
          // Powertools takes text only.
          metrics.addMetadata('samples', JSON.stringify(line));
          for (const { name, value } of line) metrics.addMetric(name, unitOf(name), value);
          // A line that is full was published by the last addMetric.
          if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
        }
      });
    },
  };
}
