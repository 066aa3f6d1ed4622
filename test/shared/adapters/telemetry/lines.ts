import type { LogLevel, MetricName } from '#shared/ports/telemetry.ts';

/** A line as a host writes it to standard output. */
export type WrittenLine = Readonly<Record<string, unknown>>;

export const hostLabels = { pipeline: 'traffic', stage: 'window', placement: 'fargate' };

/** What a telemetry contract asks for, out of lines in the embedded metric format. */
export function readLines(lines: readonly WrittenLine[]) {
  return {
    samples: () => lines.flatMap((line) => samplesOf(line['samples'])),
    lines: () =>
      lines
        .filter((line) => line['samples'] === undefined)
        .map((line) => ({
          level: String(line['level']).toLowerCase() as LogLevel,
          message: String(line['message']),
          fields: (line['fields'] ?? {}) as Readonly<Record<string, unknown>>,
        })),
  };
}

interface WrittenSample {
  readonly name: MetricName;
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

function samplesOf(written: unknown): readonly WrittenSample[] {
  return (typeof written === 'string' ? JSON.parse(written) : (written ?? [])) as readonly WrittenSample[];
}

/** The metrics that CloudWatch makes of a line: name to unit and values. */
export function extractMetrics(line: WrittenLine) {
  const { CloudWatchMetrics, Timestamp } = line['_aws'] as {
    Timestamp: number;
    CloudWatchMetrics: { Namespace: string; Dimensions: string[][]; Metrics: { Name: string; Unit: string }[] }[];
  };
  const [directive] = CloudWatchMetrics;
  const dimensions = directive?.Dimensions.map((names) => names.map((name) => [name, line[name]]));
  const metrics = directive?.Metrics.map(({ Name, Unit }) => [Name, Unit, line[Name]].flat());
  return { namespace: directive?.Namespace, timestampMs: Timestamp, dimensions, metrics };
}
