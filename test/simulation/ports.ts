import type { ExchangeReader } from '#shared/ports/exchange-reader.ts';
import type { ShardDirectory } from '#shared/ports/shard-directory.ts';
import type { SimShard, SimStream } from './stream.ts';

/** Does something to the outside world when the schedule says so, or never. The name is for the history. */
export type Call = <T>(name: string, effect: () => T | Promise<T>) => Promise<T>;

/** Every method of a store becomes a yield point. */
export function storePort<Store extends object>(store: Store, call: Call): Store {
  const port: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(store)) {
    port[name] = (...given: readonly unknown[]) =>
      call(`${name} ${summaryOf(given)}`, () => (method as (...given: readonly unknown[]) => unknown)(...given));
  }
  return port as Store;
}

export function directoryPort(stream: SimStream, call: Call): ShardDirectory {
  return { list: () => call('list shards', () => stream.shards.map(({ shardId, parents }) => ({ shardId, parents }))) };
}

/** `batchSize` draws how many records a read gives at most. */
export function readerPort(exchange: SimStream, batchSize: () => number, call: Call): ExchangeReader {
  return {
    shards: () =>
      call('list shards', () =>
        exchange.shards.map(({ shardId, parents, startingHashKey, endingHashKey, closed }) => ({
          shardId,
          parents,
          startingHashKey,
          endingHashKey,
          closed,
        })),
      ),
    read: (shardId, after) =>
      call(`read ${shardId} after ${after}`, () => {
        const shard = exchange.shards.find((one) => one.shardId === shardId) as SimShard;
        const from = after === undefined ? 0 : shard.records.findIndex((record) => record.sequence === after) + 1;
        const records = shard.records.slice(from, from + batchSize());
        const ended = shard.closed && from + records.length >= shard.records.length;
        return { records, ended, millisBehindLatest: 0 };
      }),
  };
}

function summaryOf(given: readonly unknown[]): string {
  const [first] = given;
  if (typeof first !== 'object' || first === null) return given.join(' ');
  if (Array.isArray(first)) return `${first.length} of them`;
  return ['stage', 'slot', 'shard', 'view', 'step', 'paneMs']
    .filter((name) => name in first)
    .map((name) => String((first as Readonly<Record<string, unknown>>)[name]))
    .join(' ');
}
