import type { LogLevel, MetricName, Telemetry } from '#shared/ports/telemetry.ts';
import { plainFields, quietly } from './quietly.ts';

/** What a thread has measured or has to say, as it goes to the thread that tells it to the world. */
export type Told =
  | {
      readonly kind: 'metric';
      readonly name: MetricName;
      readonly value: number;
      readonly labels: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'log';
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };

/** The telemetry of a thread: `tell` takes all of it elsewhere, every metric with these labels beside its own. */
export function createForwardingTelemetry(
  labels: Readonly<Record<string, string>>,
  tell: (told: Told) => void,
): Telemetry {
  return {
    flush: () => undefined,
    log: (level, message, fields = {}) =>
      quietly(() => tell({ kind: 'log', level, message, fields: { ...labels, ...plainFields(fields) } })),
    metric: (name, value, own) => quietly(() => tell({ kind: 'metric', name, value, labels: { ...labels, ...own } })),
  };
}

/** The other end of it. */
export function tellOn(telemetry: Telemetry, told: Told): void {
  if (told.kind === 'log') telemetry.log(told.level, told.message, told.fields);
  else telemetry.metric(told.name, told.value, told.labels);
}
