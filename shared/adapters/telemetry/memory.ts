import type { LogLevel, MetricName, Telemetry } from '#shared/ports/telemetry.ts';
import { gather, type Labels, type Sample } from './gather.ts';

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export type MemoryTelemetry = Telemetry & {
  /** A metric over all samples that have these labels: totals added up, others as they were reported last. */
  readonly value: (name: MetricName, labels?: Labels) => number | undefined;
  /** Since the beginning, by name and labels, in the order in which they were reported last. */
  readonly samples: () => readonly Sample[];
  /** The newest `logLinesMax`. */
  readonly lines: readonly LogLine[];
};

export const logLinesMax = 10_000;

/** Gathers metrics and logs in memory, for tests and for what a person watches. A flush changes nothing. */
export function createMemoryTelemetry(): MemoryTelemetry {
  const gathered = gather();
  const lines: LogLine[] = [];
  return {
    lines,
    metric: gathered.add,
    log: (level, message, fields = {}) => {
      lines.push({ level, message, fields });
      if (lines.length > logLinesMax) lines.shift();
    },
    flush: () => {},
    samples: gathered.list,
    value: (name, labels = {}) => {
      const found = gathered.list().filter((sample) => sample.name === name && hasLabels(sample, labels));
      if (!name.endsWith('_total')) return found.at(-1)?.value;
      return found.length === 0 ? undefined : found.reduce((sum, sample) => sum + sample.value, 0);
    },
  };
}

function hasLabels(sample: Sample, labels: Labels): boolean {
  return Object.entries(labels).every(([name, value]) => sample.labels[name] === value);
}
