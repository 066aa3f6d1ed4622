import type { Clock } from '#shared/ports/clock.ts';
import type { Exchange, ExchangeEntry } from '#shared/ports/exchange.ts';
import type { ExchangeReader, ExchangeRecord, ExchangeShard } from '#shared/ports/exchange-reader.ts';
import type { ShardDirectory } from '#shared/ports/shard-directory.ts';
import { assert } from '#shared/schemas/error.ts';

export interface MemoryRecord extends ExchangeRecord {
  readonly partitionKey: string;
}

export interface MemoryShard extends ExchangeShard {
  readonly records: MemoryRecord[];
  closed: boolean;
}

export interface MemoryStreamOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** The roots, which share the hash space evenly. Default one, `shard-0`. */
  readonly shardIds?: readonly string[];
  /** How many records a read gives at most. Default 3, so that a reader has to come again. */
  readonly readRecordsMax?: number;
}

const hashSpace = 2n ** 128n;

/** A Kinesis stream in memory: shards by ranges of the hash key, which can be split and merged. */
export class MemoryStream implements Exchange, ExchangeReader, ShardDirectory {
  /** All shards there ever were, parents before their children. */
  readonly stored: MemoryShard[];
  readonly #clock: Pick<Clock, 'now'>;
  readonly #readRecordsMax: number;
  #sequence = 0;

  constructor({ clock, shardIds = ['shard-0'], readRecordsMax = 3 }: MemoryStreamOptions) {
    this.#clock = clock;
    this.#readRecordsMax = readRecordsMax;
    const count = BigInt(shardIds.length);
    this.stored = shardIds.map((shardId, index) => {
      const from = (hashSpace * BigInt(index)) / count;
      return shardOf(shardId, [], [from, (hashSpace * BigInt(index + 1)) / count - 1n]);
    });
  }

  /** The shards that take records, by their ranges. */
  get open(): readonly MemoryShard[] {
    return this.stored
      .filter((shard) => !shard.closed)
      .sort((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1));
  }

  readonly put = async (entries: readonly ExchangeEntry[]): Promise<readonly number[]> => {
    for (const { slot, explicitHashKey, bytes } of entries) {
      const hashKey = BigInt(explicitHashKey);
      const shard = this.stored.find(
        (one) => !one.closed && one.startingHashKey <= hashKey && hashKey <= one.endingHashKey,
      );
      assert(shard !== undefined, 'the open shards share the whole hash space');
      this.append(shard, String(slot), bytes);
    }
    return [];
  };

  /** Puts a record into a shard that is open. */
  append(shard: MemoryShard, partitionKey: string, bytes: Uint8Array): MemoryRecord {
    assert(!shard.closed, `records are put into open shards; ${shard.shardId} is closed`);
    this.#sequence += 1;
    const record = { sequence: String(this.#sequence), partitionKey, arrivalMs: this.#clock.now(), bytes };
    shard.records.push(record);
    return record;
  }

  readonly shards = async (): Promise<readonly ExchangeShard[]> => [...this.stored];

  readonly list = async () => this.stored.map(({ shardId, parents }) => ({ shardId, parents }));

  readonly read = async (shardId: string, after: string | undefined) => {
    const shard = this.stored.find((one) => one.shardId === shardId);
    assert(shard !== undefined, `only listed shards are read; ${shardId} is none`);
    const from = after === undefined ? 0 : indexBehind(shard.records, Number(after));
    const records = shard.records.slice(from, from + this.#readRecordsMax);
    const left = shard.records.length - from - records.length;
    return { records, ended: shard.closed && left === 0, millisBehindLatest: left };
  };

  /** Cuts an open shard in two, the first one unless another is given. */
  split(parent = this.stored.find((one) => !one.closed)): void {
    assert(parent !== undefined && !parent.closed, 'what is split is open');
    const { shardId, startingHashKey, endingHashKey } = parent;
    const middle = (startingHashKey + endingHashKey) / 2n;
    parent.closed = true;
    this.stored.push(
      shardOf(`${shardId}-low`, [shardId], [startingHashKey, middle]),
      shardOf(`${shardId}-high`, [shardId], [middle + 1n, endingHashKey]),
    );
  }

  /** Merges an open shard with the one behind it; false when it has none. */
  merge(index: number): boolean {
    const left = this.open[index];
    const right = this.open[index + 1];
    if (left === undefined || right === undefined) return false;
    left.closed = true;
    right.closed = true;
    const parents = [left.shardId, right.shardId];
    this.stored.push(shardOf(`shard-${this.stored.length}`, parents, [left.startingHashKey, right.endingHashKey]));
    return true;
  }
}

function shardOf(
  shardId: string,
  parents: readonly string[],
  [startingHashKey, endingHashKey]: readonly [bigint, bigint],
): MemoryShard {
  return { shardId, parents, startingHashKey, endingHashKey, closed: false, records: [] };
}

/** The index of the first record with a greater sequence number, by bisection. */
function indexBehind(records: readonly MemoryRecord[], sequence: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Number((records[middle] as MemoryRecord).sequence) > sequence) high = middle;
    else low = middle + 1;
  }
  return low;
}
