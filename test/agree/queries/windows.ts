import type { Draw } from '#test/fuzz/targets.ts';

export interface Window {
  readonly kind: 'TUMBLE' | 'HOP' | 'CUMULATE' | 'SESSION';
  /** As they are written behind the time. */
  readonly bounds: string;
  readonly sizeMs: number;
  /** From one window to the next, and from one cumulative window's end to the next. */
  readonly stepMs: number;
}

const windows: readonly Window[] = [
  ...[
    ["'30' SECOND", 30_000],
    ["'1' MINUTE", 60_000],
    ["'90' SECOND", 90_000],
    ["'1' DAY", 86_400_000],
    ["'7' DAY", 7 * 86_400_000],
  ].map(
    ([text, ms]): Window => ({ kind: 'TUMBLE', bounds: `INTERVAL ${text}`, sizeMs: Number(ms), stepMs: Number(ms) }),
  ),
  { kind: 'HOP', bounds: "INTERVAL '30' SECOND, INTERVAL '1' MINUTE", sizeMs: 60_000, stepMs: 30_000 },
  { kind: 'HOP', bounds: "INTERVAL '1' MINUTE, INTERVAL '150' SECOND", sizeMs: 150_000, stepMs: 60_000 },
  { kind: 'HOP', bounds: "INTERVAL '1' MINUTE, INTERVAL '3' MINUTE", sizeMs: 180_000, stepMs: 60_000 },
  { kind: 'CUMULATE', bounds: "INTERVAL '1' MINUTE, INTERVAL '3' MINUTE", sizeMs: 180_000, stepMs: 60_000 },
  { kind: 'CUMULATE', bounds: "INTERVAL '12' HOUR, INTERVAL '1' DAY", sizeMs: 86_400_000, stepMs: 43_200_000 },
  { kind: 'SESSION', bounds: "INTERVAL '30' SECOND", sizeMs: 30_000, stepMs: 0 },
  { kind: 'SESSION', bounds: "INTERVAL '1' MINUTE", sizeMs: 60_000, stepMs: 0 },
  { kind: 'SESSION', bounds: "INTERVAL '9' SECOND", sizeMs: 9_000, stepMs: 0 },
];

export function drawWindow(
  draw: Draw,
  kind: Window['kind'] = draw.pick(['TUMBLE', 'HOP', 'CUMULATE', 'SESSION']),
): Window {
  return draw.pick(windows.filter((window) => window.kind === kind));
}

/** The records of a relation with each of their windows, as DuckDB computes them: its arithmetic on their time. */
export function theirWindow(
  { kind, sizeMs, stepMs }: Window,
  {
    from,
    where,
    time,
    partition,
  }: { readonly from: string; readonly where: string; readonly time: string; readonly partition: readonly string[] },
): string {
  const ms = `epoch_ms(${time})`;
  const floor = (unit: number): string => `(floor(${ms} / ${unit})::BIGINT * ${unit})`;
  const bounds = 'epoch_ms(w) AS window_start, epoch_ms(e) AS window_end, epoch_ms(e - 1) AS window_time';
  const named = (query: string): string => `(SELECT * EXCLUDE (w, e), ${bounds} FROM (${query})) AS windowed`;
  switch (kind) {
    case 'TUMBLE':
    case 'HOP':
      return named(
        `SELECT *, w + ${sizeMs} AS e FROM (SELECT *, unnest(generate_series(${floor(stepMs)}, ${ms} - ${sizeMs - 1}, -${stepMs})) AS w FROM ${from}${where})`,
      );
    case 'CUMULATE':
      return named(
        `SELECT *, ${floor(sizeMs)} AS w, unnest(generate_series(${floor(stepMs)} + ${stepMs}, ${floor(sizeMs)} + ${sizeMs}, ${stepMs})) AS e FROM ${from}${where}`,
      );
    case 'SESSION': {
      const by = partition.length === 0 ? '' : `PARTITION BY ${partition.join(', ')}`;
      const begins = `SELECT *, coalesce(${ms} - lag(${ms}) OVER (${by} ORDER BY ${ms}) > ${sizeMs}, true) AS begins FROM ${from}${where}`;
      const islands = `SELECT *, sum(begins::INT) OVER (${by} ORDER BY ${ms}) AS island FROM (${begins})`;
      const session = `PARTITION BY ${[...partition, 'island'].join(', ')}`;
      return named(
        `SELECT * EXCLUDE (begins, island), min(${ms}) OVER (${session}) AS w, max(${ms}) OVER (${session}) + ${sizeMs} AS e FROM (${islands})`,
      );
    }
  }
}
