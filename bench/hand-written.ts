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

/** What a line holds. */
export interface FlowRecord {
  readonly ts: number;
  readonly ip: string;
  readonly bytes: number;
}

/**
 * The query of the flow pipeline as one would write it by hand for a file: two levels of maps, and the rows at the end. It knows its three
 * fields, keeps every window open, and has no late records, retries or names for what is wrong with a line.
 */
export class HandWritten {
  readonly #windows = new Map<number, Map<string, Traffic>>();
  #lastStartMs = Number.NaN;
  #lastWindow = new Map<string, Traffic>();

  takeText(text: string): void {
    for (let start = 0; start < text.length; ) {
      const found = text.indexOf('\n', start);
      const end = found === -1 ? text.length : found;
      this.take(JSON.parse(text.slice(start, end)));
      start = end + 1;
    }
  }

  take(record: FlowRecord): void {
    if (typeof record.ts !== 'number' || typeof record.ip !== 'string' || typeof record.bytes !== 'number') return;
    const startMs = record.ts - (record.ts % windowMs);
    if (startMs !== this.#lastStartMs) {
      this.#lastStartMs = startMs;
      this.#lastWindow = this.#windows.get(startMs) ?? new Map();
      this.#windows.set(startMs, this.#lastWindow);
    }
    const traffic = this.#lastWindow.get(record.ip);
    if (traffic === undefined) {
      this.#lastWindow.set(record.ip, { count: 1, bytes: record.bytes });
    } else {
      traffic.count += 1;
      traffic.bytes += record.bytes;
    }
  }

  rows(): readonly FlowRow[] {
    const rows: FlowRow[] = [];
    for (const [startMs, window] of [...this.#windows].sort(([a], [b]) => a - b)) {
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
}
