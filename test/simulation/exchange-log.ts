import { logPosition } from '#shared/schemas/position.ts';
import type { SimRecord, SimStream } from './stream.ts';

/** A record of the exchange with its place in its slot's log. */
export interface PlacedRecord {
  readonly record: SimRecord;
  readonly position: string;
}

/** By slot, the records of its log in the order of rule 7, in generations above those from before a savepoint. A block's partition key is its slot. */
export function logsOf(
  exchange: SimStream,
  slots: number,
  generationBefore = 0,
): ReadonlyMap<number, readonly PlacedRecord[]> {
  const generations = new Map<string, number>();
  const logs = new Map<number, PlacedRecord[]>();
  for (let slot = 0; slot < slots; slot += 1) logs.set(slot, []);
  for (const shard of exchange.shards) {
    const generation = 1 + Math.max(generationBefore, ...shard.parents.map((parent) => generations.get(parent) ?? 0));
    generations.set(shard.shardId, generation);
    for (const record of shard.records) {
      logs.get(Number(record.partitionKey))?.push({ record, position: logPosition(generation, record.sequence) });
    }
  }
  for (const log of logs.values()) log.sort((a, b) => (a.position < b.position ? -1 : 1));
  return logs;
}
