import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import type { OrderedWindow } from '#shared/pipeline/window.ts';
import type { OracleCell, OracleOutput } from './oracle.ts';
import { canonical } from './process-oracle.ts';

type Bounds = readonly [startMs: number, endMs: number];

/**
 * The windows of one key that depend on the order of its records, from all of them at once: sorted by time and by what is selected of them, and
 * cut from the first one on. A global window has no bounds; of one whose key has begun anew the last is what is seen.
 */
export function orderedCellsOf(
  key: string,
  window: OrderedWindow,
  aggregates: Readonly<Record<string, AnyAggregator<unknown>>>,
  outputs: readonly OracleOutput[],
): readonly OracleCell[] {
  const textOf = ({ value, timeMs }: OracleOutput): string =>
    canonical(Object.values(aggregates).map(({ select }) => select(value, timeMs) ?? null));
  const sorted = outputs
    .map((output) => ({ output, text: textOf(output) }))
    .sort((a, b) => a.output.timeMs - b.output.timeMs || (a.text < b.text ? -1 : a.text === b.text ? 0 : 1))
    .map(({ output }) => output);
  return partsOf(window, sorted).map((part) => {
    const [startMs, endMs] = boundsOf(window, part);
    return { key, startMs, endMs, outputIds: part.map(({ id }) => id) };
  });
}

function partsOf(window: OrderedWindow, sorted: readonly OracleOutput[]): readonly (readonly OracleOutput[])[] {
  switch (window.kind) {
    case 'session':
      return cut(
        sorted,
        (part, { timeMs }) =>
          timeMs > timeOf(part.at(-1)) + window.gapMs || timeMs >= timeOf(part[0]) + window.maxLengthMs,
      );
    case 'count': {
      const parts = apart(window, sorted).flatMap((life) => cut(life, (part) => part.length === window.count));
      return window.incomplete === 'emit' ? parts : parts.filter((part) => part.length === window.count);
    }
    case 'global':
      return apart(window, sorted).slice(-1);
  }
}

/** Where a key was given up in between. */
function apart(
  { ttlMs = Number.POSITIVE_INFINITY }: { readonly ttlMs?: number },
  sorted: readonly OracleOutput[],
): readonly (readonly OracleOutput[])[] {
  return cut(sorted, (part, { timeMs }) => timeMs > timeOf(part.at(-1)) + ttlMs);
}

function cut(
  sorted: readonly OracleOutput[],
  isCut: (part: readonly OracleOutput[], next: OracleOutput) => boolean,
): readonly (readonly OracleOutput[])[] {
  const parts: OracleOutput[][] = [];
  for (const output of sorted) {
    const part = parts.at(-1);
    if (part === undefined || isCut(part, output)) parts.push([output]);
    else part.push(output);
  }
  return parts;
}

function boundsOf(window: OrderedWindow, part: readonly OracleOutput[]): Bounds {
  const [startMs, lastMs] = [timeOf(part[0]), timeOf(part.at(-1))];
  switch (window.kind) {
    case 'session':
      return [startMs, Math.min(lastMs + window.gapMs, startMs + window.maxLengthMs)];
    case 'count':
      return [startMs, lastMs + 1];
    case 'global':
      return [0, 0];
  }
}

function timeOf(output: OracleOutput | undefined): number {
  return output?.timeMs ?? Number.NaN;
}
