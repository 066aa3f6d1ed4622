import type { ExchangeBatch } from '#shared/ports/exchange-reader.ts';

/** How far what is applied is behind what has been put: a batch that reaches the end may still be minutes of work. No clock is compared. */
export function behindMsOf({ records, millisBehindLatest }: ExchangeBatch): number {
  const [first, last] = [records[0], records.at(-1)];
  return millisBehindLatest + (first === undefined || last === undefined ? 0 : last.arrivalMs - first.arrivalMs);
}

/** Of its blocks, as they were read. */
export function bytesOf({ records }: ExchangeBatch): number {
  return records.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
