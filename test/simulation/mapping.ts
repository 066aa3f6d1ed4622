import type { Random } from '#shared/testing/random.ts';
import type { Choice, Task } from './scheduler.ts';
import type { SimRecord, SimShard, SimStream } from './stream.ts';

/** How a mapping may break the promise that no record is skipped; for sabotage alone. */
export interface MappingFlaws {
  readonly retriesMax?: number;
  readonly startsAtLatest?: boolean;
  readonly ignoresParents?: boolean;
  /** Looks at the parents, but not at theirs. */
  readonly ignoresGrandparents?: boolean;
}

/** What an invocation gave back. */
export type InvocationEnd = { readonly kind: 'ok'; readonly failedFrom?: string } | { readonly kind: 'failed' };

export type MappingFault = 'redelivery' | 'rewind';

/** What reads a stream and invokes a function, as the world sees it. */
export interface Mapping {
  /** Everything was acknowledged, and nothing is in flight. */
  readonly isIdle: boolean;
  /** The batches that may be delivered now. */
  choices(): readonly Choice[];
  /** Whoever had the batch is gone or was given up: it is delivered again. */
  abandon(task: Task): void;
}

interface Cursor {
  readonly shard: SimShard;
  next: number;
  inFlight: Task | undefined;
  failures: number;
  started: boolean;
}

/**
 * An event source mapping as adversary: all that Lambda promises is that each batch of a shard follows what was acknowledged, that one is
 * in flight at a time as far as it knows, and that a child waits for its ancestors. Batches are cut anew at every delivery.
 */
export class SimMapping implements Mapping {
  readonly #stream: SimStream;
  readonly #random: Random;
  readonly #batchRecordsMax: number;
  readonly #invoke: (shardId: string, records: readonly SimRecord[], done: (end: InvocationEnd) => void) => Task;
  readonly #flaws: MappingFlaws;
  readonly #cursors = new Map<string, Cursor>();
  readonly #faults: (kind: MappingFault) => boolean;

  constructor(options: {
    readonly stream: SimStream;
    readonly random: Random;
    readonly batchRecordsMax: number;
    readonly invoke: (shardId: string, records: readonly SimRecord[], done: (end: InvocationEnd) => void) => Task;
    readonly flaws?: MappingFlaws;
    readonly faults: (kind: MappingFault) => boolean;
  }) {
    this.#stream = options.stream;
    this.#random = options.random;
    this.#batchRecordsMax = options.batchRecordsMax;
    this.#invoke = options.invoke;
    this.#flaws = options.flaws ?? {};
    this.#faults = options.faults;
  }

  get isIdle(): boolean {
    return this.#stream.shards.every((shard) => {
      if (this.#flaws.startsAtLatest === true && !this.#cursors.has(shard.shardId)) return false;
      const cursor = this.#cursorOf(shard);
      return cursor.inFlight === undefined && cursor.next >= shard.records.length;
    });
  }

  choices(): readonly Choice[] {
    return this.#stream.shards.flatMap((shard) => {
      // Who starts at the tip misses what came before the shard was found.
      if (this.#flaws.startsAtLatest === true && !this.#cursors.has(shard.shardId) && !this.#random.chance(0.05))
        return [];
      const cursor = this.#cursorOf(shard);
      if (cursor.inFlight !== undefined || cursor.next >= shard.records.length || !this.#mayStart(cursor)) return [];
      return [{ weight: 1, act: () => this.#deliver(cursor) }];
    });
  }

  abandon(task: Task): void {
    for (const cursor of this.#cursors.values()) if (cursor.inFlight === task) this.#fail(cursor);
  }

  #deliver(cursor: Cursor): void {
    cursor.started = true;
    const from = cursor.next;
    const records = cursor.shard.records.slice(from, from + this.#random.between(1, this.#batchRecordsMax));
    const task = this.#invoke(cursor.shard.shardId, records, (end) => {
      if (cursor.inFlight !== task) return;
      cursor.inFlight = undefined;
      this.#acknowledge(cursor, from, records, end);
    });
    cursor.inFlight = task;
  }

  #acknowledge(cursor: Cursor, from: number, records: readonly SimRecord[], end: InvocationEnd): void {
    if (end.kind === 'failed') {
      this.#fail(cursor);
      return;
    }
    // The function succeeded, and its mapping forgot.
    if (this.#faults('redelivery')) return;
    const failed =
      end.failedFrom === undefined ? records.length : records.findIndex((record) => record.sequence === end.failedFrom);
    if (failed < 0) throw new Error(`an invocation named ${end.failedFrom}, which is not in its batch`);
    cursor.next = from + failed;
    if (failed > 0) cursor.failures = 0;
    if (this.#faults('rewind')) cursor.next = this.#random.below(cursor.next + 1);
  }

  #fail(cursor: Cursor): void {
    cursor.inFlight = undefined;
    cursor.failures += 1;
    if (this.#flaws.retriesMax === undefined || cursor.failures <= this.#flaws.retriesMax) return;
    cursor.failures = 0;
    cursor.next += 1;
  }

  #mayStart(cursor: Cursor): boolean {
    if (cursor.started || this.#flaws.ignoresParents === true) return true;
    const isFinished = (shardId: string): boolean => {
      const shard = this.#stream.shards.find((one) => one.shardId === shardId);
      if (shard === undefined) return true;
      const parent = this.#cursorOf(shard);
      if (parent.inFlight !== undefined || parent.next < shard.records.length) return false;
      return this.#flaws.ignoresGrandparents === true || shard.parents.every(isFinished);
    };
    return cursor.shard.parents.every(isFinished);
  }

  #cursorOf(shard: SimShard): Cursor {
    let cursor = this.#cursors.get(shard.shardId);
    if (cursor === undefined) {
      const next = this.#flaws.startsAtLatest === true ? shard.records.length : 0;
      cursor = { shard, next, inFlight: undefined, failures: 0, started: false };
      this.#cursors.set(shard.shardId, cursor);
    }
    return cursor;
  }
}
