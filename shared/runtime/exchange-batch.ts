import type { MemoryStage } from '#shared/engine/memory-stage.ts';
import type { ExchangeBatch } from '#shared/ports/exchange-reader.ts';
import { generationOf, type LogPosition, logStart, sequenceOf } from '#shared/schemas/position.ts';

/** How far what is applied is behind what has been put: a batch that reaches the end may still be minutes of work. No clock is compared. */
export function behindMsOf({ records, millisBehindLatest }: ExchangeBatch): number {
  const [first, last] = [records[0], records.at(-1)];
  return millisBehindLatest + (first === undefined || last === undefined ? 0 : last.arrivalMs - first.arrivalMs);
}

/** Of its blocks, as they were read. */
export function bytesOf({ records }: ExchangeBatch): number {
  return records.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** Where a shard of this generation is read from: behind the least of its slots' positions, since what a slot has seen already it passes over. */
export function firstCursor(stages: readonly MemoryStage[], generation: number): string | undefined {
  let least: LogPosition | undefined;
  for (const { reader } of stages) {
    const { position } = reader.log;
    if (least === undefined || position < least) least = position;
  }
  return least === undefined || least === logStart || generationOf(least) < generation ? undefined : sequenceOf(least);
}
