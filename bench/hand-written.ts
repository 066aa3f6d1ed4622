import { readChunks } from './chunks.ts';

/** The row that the flow pipeline prints. */
export interface FlowRow {
  readonly view: 'by-ip';
  readonly windowStart: string;
  readonly windowEnd: string;
  readonly final: true;
  readonly ip: string;
  readonly count: number;
  readonly bytes: number;
  readonly share: number;
}

interface Traffic {
  count: number;
  bytes: number;
}

const windowMs = 60_000;

/**
 * The query of the flow pipeline as one would write it by hand for a file: a loop, two levels of maps, and the rows at the end. It
 * knows its three fields, keeps every window open, and has no late records, retries or names for what is wrong with a line.
 */
export async function runHandWritten(path: string): Promise<readonly FlowRow[]> {
  const windows = new Map<number, Map<string, Traffic>>();
  let lastStartMs = Number.NaN;
  let lastWindow = new Map<string, Traffic>();
  for await (const text of readChunks(path)) {
    for (let start = 0; start < text.length; ) {
      const found = text.indexOf('\n', start);
      const end = found === -1 ? text.length : found;
      const record = JSON.parse(text.slice(start, end));
      start = end + 1;
      if (typeof record.ts !== 'number' || typeof record.ip !== 'string' || typeof record.bytes !== 'number') continue;
      const startMs = record.ts - (record.ts % windowMs);
      if (startMs !== lastStartMs) {
        lastStartMs = startMs;
        lastWindow = windows.get(startMs) ?? new Map();
        windows.set(startMs, lastWindow);
      }
      const traffic = lastWindow.get(record.ip);
      if (traffic === undefined) {
        lastWindow.set(record.ip, { count: 1, bytes: record.bytes });
      } else {
        traffic.count += 1;
        traffic.bytes += record.bytes;
      }
    }
  }
  return rowsOf(windows);
}

function rowsOf(windows: ReadonlyMap<number, ReadonlyMap<string, Traffic>>): readonly FlowRow[] {
  const rows: FlowRow[] = [];
  for (const [startMs, window] of [...windows].sort(([a], [b]) => a - b)) {
    const windowStart = new Date(startMs).toISOString();
    const windowEnd = new Date(startMs + windowMs).toISOString();
    let total = 0;
    for (const { bytes } of window.values()) total += bytes;
    for (const [ip, { count, bytes }] of [...window].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const share = total === 0 ? 0 : bytes / total;
      rows.push({ view: 'by-ip', windowStart, windowEnd, final: true, ip, count, bytes, share });
    }
  }
  return rows;
}
