import { pino } from 'pino';
import type { LogLevel, Telemetry } from '#shared/ports/telemetry.ts';
import { embedMetrics } from './embedded-metrics.ts';
import { gather, type HostLabels } from './gather.ts';
import { plainFields, quietly } from './quietly.ts';

/** How often at most the gathered metrics are written by themselves, for a host that never flushes. */
export const flushEveryMs = 5_000;

/** Structured lines on standard output, for a long-running process: logs as they come, metrics every few seconds. */
export function createConsoleTelemetry(
  labels: HostLabels,
  options: {
    readonly now?: () => number;
    /** Takes a whole line, its end included. */
    readonly write?: (line: string) => void;
    readonly level?: LogLevel;
  } = {},
): Telemetry {
  const { now = () => Date.now(), write, level = levelOf(process.env['LOG_LEVEL']) } = options;
  const settings = {
    base: labels,
    level,
    messageKey: 'message',
    formatters: { level: (label: string) => ({ level: label.toUpperCase() }) },
    timestamp: () => `,"timestamp":"${new Date(now()).toISOString()}"`,
  };
  const logger = write === undefined ? pino(settings) : pino(settings, { write });
  // Metrics are no log: whoever wants fewer lines still wants them.
  const metricLines = logger.child({}, { level: 'info' });
  const samples = gather();
  let flushedMs = now();
  const flush = (): void => {
    flushedMs = now();
    const taken = samples.take();
    quietly(() => {
      for (const line of embedMetrics({ samples: taken, labels, nowMs: flushedMs })) metricLines.info(line, 'metrics');
    });
  };
  return {
    flush,
    log: (logLevel, message, fields) =>
      quietly(() => logger[logLevel](fields === undefined ? {} : { fields: plainFields(fields) }, message)),
    metric: (name, value, own) => {
      samples.add(name, value, own);
      if (now() - flushedMs >= flushEveryMs) flush();
    },
  };
}

function levelOf(setting: string | undefined): LogLevel {
  const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
  return levels.find((level) => level === setting?.toLowerCase()) ?? 'info';
}
