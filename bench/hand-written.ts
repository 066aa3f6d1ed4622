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

export const windowMs = 60_000;
export const zero = 0x30;
export const comma = 0x2c;
export const quote = 0x22;
export const brace = 0x7d;

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

  /** Knows the bytes between the values of `{"ts":1767225600000,"ip":"1.2.3.4","bytes":73}` and does not look at them. */
  takeBytes(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      at += '{"ts":'.length;
      let ts = 0;
      for (let byte = bytes[at] as number; byte !== comma; at += 1, byte = bytes[at] as number)
        ts = ts * 10 + byte - zero;
      at += ',"ip":"'.length;
      const from = at;
      while (bytes[at] !== quote) at += 1;
      const ip = bytes.toString('latin1', from, at);
      at += '","bytes":'.length;
      let count = 0;
      for (let byte = bytes[at] as number; byte !== brace; at += 1, byte = bytes[at] as number)
        count = count * 10 + byte - zero;
      at += '}\n'.length;
      this.#add(ts, ip, count);
    }
  }

  take(record: FlowRecord): void {
    if (typeof record.ts !== 'number' || typeof record.ip !== 'string' || typeof record.bytes !== 'number') return;
    this.#add(record.ts, record.ip, record.bytes);
  }

  #add(ts: number, ip: string, bytes: number): void {
    const startMs = ts - (ts % windowMs);
    if (startMs !== this.#lastStartMs) {
      this.#lastStartMs = startMs;
      this.#lastWindow = this.#windows.get(startMs) ?? new Map();
      this.#windows.set(startMs, this.#lastWindow);
    }
    const traffic = this.#lastWindow.get(ip);
    if (traffic === undefined) {
      this.#lastWindow.set(ip, { count: 1, bytes });
    } else {
      traffic.count += 1;
      traffic.bytes += bytes;
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
