import type { MetricName } from '#shared/ports/telemetry.ts';

export type Labels = Readonly<Record<string, string>>;

/** The labels that every metric of a host has. */
export interface HostLabels {
  readonly pipeline: string;
  readonly stage: string;
  readonly placement: string;
}

/** One metric with one set of labels. */
export interface Sample {
  readonly name: MetricName;
  /** A sum when the name ends in `_total`, otherwise the latest value. */
  readonly value: number;
  /** Besides those of the host: shard, slot. */
  readonly labels: Labels;
}

/** Adds up totals and keeps the latest of all else, by name and labels, so that a line a flush is enough. */
export function gather() {
  let samples = new Map<string, Sample>();
  return {
    add: (name: MetricName, value: number, labels: Labels = {}): void => {
      // A metric that cannot be drawn would make the line unreadable that the others are in.
      if (!Number.isFinite(value)) return;
      let id: string = name;
      for (const label of Object.keys(labels).sort()) id += `\n${label}\n${labels[label]}`;
      const known = name.endsWith('_total') ? (samples.get(id)?.value ?? 0) : 0;
      // Set anew, so that the samples are in the order in which they were reported last.
      samples.delete(id);
      samples.set(id, { name, value: known + value, labels });
    },
    list: (): readonly Sample[] => [...samples.values()],
    /** Gives all samples and begins afresh. */
    take: (): readonly Sample[] => {
      const taken = [...samples.values()];
      samples = new Map();
      return taken;
    },
  };
}
