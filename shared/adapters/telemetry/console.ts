import { pino } from 'pino';
import type { MetricName, Telemetry } from '#shared/ports/telemetry.ts';

/** How often at most the gathered metrics are written: one line with all of them. */
const flushEveryMs = 5_000;

/** Structured lines on standard output, for a long-running process: logs as they come, metrics every few seconds. */
export function createConsoleTelemetry(labels: {
  readonly pipeline: string;
  readonly stage: string;
  readonly placement: string;
}): Telemetry {
  const logger = pino({
    base: labels,
    level: process.env['LOG_LEVEL'] ?? 'info',
    timestamp: pino.stdTimeFunctions.isoTime,
  });
  const gathered = new Map<
    string,
    { readonly name: MetricName; value: number; readonly labels: Readonly<Record<string, string>> }
  >();
  let flushedMs = Date.now();
  const flush = (): void => {
    flushedMs = Date.now();
    if (gathered.size === 0) return;
    logger.info({ metrics: [...gathered.values()] }, 'metrics');
    gathered.clear();
  };
  return {
    flush,
    log: (level, message, fields = {}) => logger[level](fields, message),
    metric: (name, value, own = {}) => {
      const id = `${name}${JSON.stringify(own)}`;
      const known = gathered.get(id);
      if (known === undefined) gathered.set(id, { name, value, labels: own });
      else known.value = name.endsWith('_total') ? known.value + value : value;
      if (Date.now() - flushedMs >= flushEveryMs) flush();
    },
  };
}
