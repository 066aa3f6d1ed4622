import type { LogLevel, MetricName, Telemetry } from '#shared/ports/telemetry.ts';

export type MemoryTelemetry = Telemetry & {
  /** A metric over all labels: totals added up, others as they were reported last. */
  readonly value: (name: MetricName) => number | undefined;
  readonly lines: readonly {
    readonly level: LogLevel;
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[];
};

/** Gathers metrics and logs in memory. */
export function createMemoryTelemetry(): MemoryTelemetry {
  const values = new Map<MetricName, number>();
  const lines: MemoryTelemetry['lines'][number][] = [];
  return {
    lines,
    metric: (name, value) => {
      values.set(name, name.endsWith('_total') ? (values.get(name) ?? 0) + value : value);
    },
    log: (level, message, fields = {}) => {
      lines.push({ level, message, fields });
    },
    flush: () => {},
    value: (name) => values.get(name),
  };
}
