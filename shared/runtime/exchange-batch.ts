import type { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import type { PlacedBlock } from '#shared/engine/slots/slot.ts';
import type { ExchangeBatch, ExchangeRecord } from '#shared/ports/exchange-reader.ts';
import { generationOf, type LogPosition, logPosition, logStart, sequenceOf } from '#shared/schemas/position.ts';
import type { BlockDecoder } from './block-codec.ts';
import { isBehindRestore } from './generations.ts';

/**
 * The blocks of a batch, each with its place in its slot's log. Where a savepoint was restored into other slots, the exchange may still hold
 * blocks for those there were before. They are passed over: what they hold is in the state, or read again from the raw streams. Without a
 * restore they are given, and refused where they are applied.
 */
export function* placeBlocks(
  {
    records,
    shardId,
    generation,
  }: Pick<ExchangeBatch, 'records'> & {
    readonly shardId: string;
    readonly generation: number;
  },
  { slots, decoder }: { readonly slots: number; readonly decoder: BlockDecoder },
): Generator<{ readonly placed: PlacedBlock; readonly record: ExchangeRecord }> {
  for (const record of records) {
    const decoded = decoder.decode(record.bytes, `record ${record.sequence} of ${shardId}`);
    if (decoded.block.slots !== slots && isBehindRestore(generation)) continue;
    const position = logPosition(generation, record.sequence);
    yield { placed: { ...decoded, position, arrivalMs: record.arrivalMs }, record };
  }
}

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
