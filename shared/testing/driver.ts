import { standstillMs } from '#shared/engine/slots/watermark.ts';
import type { Duration } from '#shared/pipeline/duration.ts';
import type { AnyOutput, Pipeline } from '#shared/pipeline/pipeline.ts';
import { type StepPlan, sourcesOf, stepsOf, timeColumnsOf } from '#shared/pipeline/plan.ts';
import { givenOptions, shown } from '#shared/pipeline/refuse.ts';
import type { KeyShape } from '#shared/pipeline/stream.ts';
import { slotsMax } from '#shared/pipeline/validate.ts';
import type { Counts, Progress } from '#shared/runtime/read.ts';
import type { DeadLetter } from '#shared/schemas/dead-letter.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { encodeKey } from '#shared/schemas/key.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';
import { endOfStreamMs, watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import type { FaultKind, FaultOptions } from './faults.ts';
import { givenDurationMs, givenTimeMs, givenWhole } from './given.ts';
import { Hosts } from './hosts.ts';
import { type MemoryShard, MemoryStream } from './memory-stream.ts';
import { createVirtualClock } from './virtual-clock.ts';

export interface TestDriverOptions {
  /** Of each raw stream. Default 1: records are judged in the order in which they are sent. */
  readonly shards?: number;
  /** Of the exchange. Default 1. */
  readonly exchangeShards?: number;
  /** Into how many the keys are cut, a power of two. Default the pipeline's own. Rows are the same with fewer, and a test is quicker. */
  readonly slots?: number;
  /**
   * How many records a batch has at most. Default 1: each record is judged by the watermark of those before it, as in `millrace run`. In a
   * batch all are judged by the watermark that stood before it.
   */
  readonly batchRecords?: number;
  /** What the clock shows at first. Default 2026-01-01T00:00:00.000Z. */
  readonly start?: Date;
  /** What the tables that records are enriched from hold at first, by name. */
  readonly tables?: Readonly<Record<string, readonly LookupItem[]>>;
  /** Without it nothing goes wrong. */
  readonly faults?: FaultOptions;
}

/** What names a stream: itself, or its name. */
export type SourceOf<In> = { readonly name: string; readonly __in?: In } | string;

type Outputs = Readonly<Record<string, AnyOutput>>;
/** The row of a view, as it is read: the columns of its type, and whether they may still change. */
export type RowOf<O extends Outputs, View extends keyof O> = Readonly<NonNullable<O[View]['__row']>> & {
  readonly final: boolean;
};

export interface RowQuery {
  /** All columns of one key. */
  readonly key?: KeyShape;
  /** Rows whose window starts in [from, to). */
  readonly from?: Date;
  readonly to?: Date;
}

/** A pipeline under test: all its stages as they are deployed, on memory and virtual time. */
export interface TestDriver<O extends Outputs = Outputs> {
  /**
   * Puts records into a stream and takes them into the exchange. A record is a value that its schema accepts, sent as JSON, or the text or
   * bytes of a raw record in any format that the stream decodes. They are dealt out to the shards in turn, or go to `shard`.
   */
  send<In>(
    source: SourceOf<In>,
    records: readonly (NoInfer<In> | string | Uint8Array)[],
    options?: { readonly shard?: number },
  ): Promise<void>;
  /** Promises that nothing older than `time` follows in any shard of the stream. */
  promise<In>(source: SourceOf<In>, time: Date | number): Promise<void>;
  /** Lets time pass, in which nothing is sent: rows are refreshed, and shards that stay silent for longer than `idleAfter` are given up. */
  advance(duration: Duration): Promise<void>;
  /** Puts an item into a table that records are enriched from; what is sent from now on finds it, as soon as none that is kept is fresh. */
  putItem(table: { readonly name: string } | string, item: LookupItem): void;
  /** Removes an item from such a table. */
  removeItem(table: { readonly name: string } | string, key: Readonly<Record<string, string | number>>): void;
  /** The rows of a view, by window start and key. What was sent before is in them, as soon as its row is refreshed or final. */
  read<View extends keyof O & string>(view: View, query?: RowQuery): Promise<readonly RowOf<O, View>[]>;
  /** What has gone into a view's stream: each row once, with its position. */
  readStream(view: keyof O & string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** The files of the views that go into some, by name. */
  files(): Promise<ReadonlyMap<string, Uint8Array>>;
  /** What could not be counted, each letter once. */
  deadLetters(): Promise<readonly DeadLetter[]>;
  /** Records by what became of them: sent = counted + filtered + late + rejected. */
  counts(): Promise<Counts>;
  /** How far each stage has come. */
  progress(): Promise<readonly Progress[]>;
  /** Cuts a shard of a stream, or of the exchange, in two; `shard` counts the open ones from 0. */
  split(stream: SourceOf<unknown> | 'exchange', shard?: number): Promise<void>;
  /** Merges a shard with the one behind it. */
  merge(stream: SourceOf<unknown> | 'exchange', shard?: number): Promise<void>;
  /** The end of all streams: every window is final. */
  close(): Promise<void>;
  /** What the clock shows. */
  now(): Date;
  /** How often each kind of fault has happened so far. */
  faults(): Readonly<Partial<Record<FaultKind, number>>>;
}

const startMsDefault = Date.UTC(2026, 0, 1);
/** As the schedule of a deployed stack. */
const tickEveryMs = 60_000;
/** Of one call of `advance`: a month has no more of them than a day. */
const ticksMax = 200;
/** How the exchange's blocks are batched decides nothing: records are judged block by block. */
const blocksPerBatch = 100;
/** Where no host dies, no lease has to run out. */
const quietRoundsMax = 5;
const openShardsMax = 8;
const shardsMax = 1_000;
const exchangeName = 'exchange';

/**
 * Runs a pipeline as it is deployed, preprocess, exchange, aggregate stage and worker, on memory and on virtual time: nothing waits, and the
 * same calls give the same rows. A driver goes on until it is no longer used; nothing must be released.
 *
 * `const driver = testDriver(traffic); await driver.send(requests, [{ ip: 'a', at: 0 }]); await driver.close();`
 */
export function testDriver<const O extends Outputs>(
  pipeline: Pipeline<O>,
  options: TestDriverOptions = {},
): TestDriver<O> {
  const driver = new Driver(pipeline, options);
  return {
    send: async (source, records, options = {}) => {
      const { shard } = givenOptions('send', options, ['shard'], '{ shard: 0 }');
      await driver.send(nameOf(source), records, shard);
    },
    promise: (source, time) => driver.promise(nameOf(source), typeof time === 'object' ? Number(time) : time),
    advance: (duration) => driver.advance(duration),
    putItem: (table, item) => driver.hosts.lookupTables.put(nameOf(table), item),
    removeItem: (table, key) => driver.hosts.lookupTables.remove(nameOf(table), key),
    read: async (view, query = {}) => (await driver.read(view, query)) as readonly RowOf<O, typeof view>[],
    readStream: (view) => driver.readStream(view),
    files: () => driver.files(),
    deadLetters: () => driver.deadLetters(),
    counts: async () => (await driver.settled()).counts(),
    progress: async () => (await driver.settled()).progress(),
    split: (stream, shard = 0) => driver.reshard(nameOf(stream), shard, 'split'),
    merge: (stream, shard = 0) => driver.reshard(nameOf(stream), shard, 'merge'),
    close: () => driver.close(),
    now: () => new Date(driver.hosts.clock.now()),
    faults: () => driver.hosts.faults.counts,
  };
}

function nameOf(named: SourceOf<unknown>): string {
  return typeof named === 'string' ? named : named.name;
}

/** What is behind `testDriver`, without the types of a pipeline. */
export class Driver {
  readonly hosts: Hosts;
  readonly #pipeline: Pipeline;
  readonly #batchRecords: number;
  readonly #raw: ReadonlyMap<string, MemoryStream>;
  readonly #hasLambda: boolean;
  readonly #hasWorker: boolean;
  readonly #idleAfterMsMax: number;
  #sent = 0;
  #settledAt = -1;

  constructor(given: Pipeline, options: TestDriverOptions) {
    const {
      shards = 1,
      exchangeShards = 1,
      batchRecords = 1,
      start,
      faults,
      tables = {},
      slots = given.plan.slots,
    } = givenOptions(
      'testDriver',
      options,
      ['shards', 'exchangeShards', 'slots', 'batchRecords', 'start', 'tables', 'faults'],
      '{ shards: 2 }',
    );
    if (!Number.isInteger(slots) || !Number.isInteger(Math.log2(slots)) || slots > slotsMax)
      throw new MillraceError(
        'INPUT_INVALID',
        `testDriver: slots is ${shown(slots)}; it must be a power of two up to ${slotsMax}.`,
      );
    const pipeline: Pipeline = slots === given.plan.slots ? given : { ...given, plan: { ...given.plan, slots } };
    for (const [name, value] of Object.entries({ shards, exchangeShards }))
      givenWhole(`testDriver: ${name}`, value, 1, shardsMax);
    givenWhole('testDriver: batchRecords', batchRecords, 1, Number.MAX_SAFE_INTEGER);
    this.#pipeline = pipeline;
    this.#batchRecords = batchRecords;
    this.hosts = new Hosts(pipeline, {
      startMs: start === undefined ? startMsDefault : givenTimeMs('testDriver: start', start),
      exchangeShards,
      // A host that sleeps moves no time but its own: what a test sees moves when the test says so.
      hostClock: createVirtualClock,
      readRecordsMax: 100,
      isHeard: false,
      ...(faults === undefined ? { quietRoundsMax } : {}),
      faults,
    });
    const shardIds = Array.from({ length: shards }, (_, index) => `shard-${index}`);
    this.#raw = new Map(
      sourcesOf(pipeline.plan).map(({ id }) => [id, new MemoryStream({ clock: this.hosts.clock, shardIds })]),
    );
    for (const [table, items] of Object.entries(tables))
      for (const item of items) this.hosts.lookupTables.put(table, item);
    this.#hasLambda = stepsOf(pipeline.plan, 'lambda').length > 0;
    this.#hasWorker = stepsOf(pipeline.plan, 'fargate').length > 0;
    this.#idleAfterMsMax = Math.max(0, ...sourcesOf(pipeline.plan).map(({ idleAfterMs }) => idleAfterMs ?? 0));
  }

  async send(source: string, records: readonly unknown[], shard?: number): Promise<void> {
    const stream = this.#streamOf(source);
    const bytes = records.map((record) => this.#bytesOf(source, record));
    if (shard !== undefined) givenWhole(`send: shard of ${source}`, shard, 0, stream.open.length - 1);
    for (let at = 0; at < bytes.length; at += this.#batchRecords) {
      const batches = new Map<MemoryShard, Uint8Array[]>();
      const { open } = stream;
      for (const record of bytes.slice(at, at + this.#batchRecords)) {
        const to = open[(shard ?? this.#sent) % open.length] as MemoryShard;
        this.#sent += 1;
        const batch = batches.get(to);
        if (batch === undefined) batches.set(to, [record]);
        else batch.push(record);
      }
      for (const [to, batch] of batches) await this.#take(source, stream, to, batch);
      this.#reshardByChance(stream);
    }
  }

  async promise(source: string, timeMs: number): Promise<void> {
    const stream = this.#streamOf(source);
    const punctuation = new TextEncoder().encode(JSON.stringify({ watermark: givenTimeMs('promise: time', timeMs) }));
    for (const shard of stream.open) await this.#take(source, stream, shard, [punctuation], watermarkPartitionKey);
  }

  async advance(duration: number): Promise<void> {
    const durationMs = givenDurationMs('advance: duration', duration);
    const coarseMs = Math.max(tickEveryMs, Math.ceil(durationMs / ticksMax));
    // Rule 10: what stays away for longer than its minutes is a stack that stands still, and no stream falls silent meanwhile.
    const fineMs = coarseMs <= standstillMs ? 0 : this.#idleAfterMsMax + 2 * tickEveryMs;
    for (let left = durationMs, everyMs = 0; left > 0; left -= everyMs) {
      everyMs = Math.min(left, left > fineMs ? Math.min(coarseMs, left - fineMs) : tickEveryMs);
      this.hosts.clock.move(everyMs);
      await this.hosts.tick();
      // The rows of each turn are written in that turn, as they are where time passes by itself.
      await this.settled();
    }
  }

  async read(view: string, query: RowQuery): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const rows = await this.printedRows(
      view,
      givenOptions('read', query, ['key', 'from', 'to'], "{ key: { user: 'ann' } }"),
    );
    const step = stepsOf(this.#pipeline.plan).find(({ id }) => id === view) as StepPlan;
    return rows.map((row) => typedRow(step, row));
  }

  /** Rows as the read API has them, with times as texts. */
  async printedRows(view: string, { key, from, to }: RowQuery = {}): Promise<readonly PrintedRow[]> {
    const reader = await this.settled();
    return reader.rows({
      view,
      fromMs: from === undefined ? Number.MIN_SAFE_INTEGER : givenTimeMs('read: from', from),
      ...(to === undefined ? {} : { toMs: givenTimeMs('read: to', to) }),
      ...(key && { key: encodeKey(key) }),
    });
  }

  async readStream(view: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    await this.settled();
    const stream = this.hosts.rowStreams.get(view);
    if (stream === undefined) {
      const known = [...this.hosts.rowStreams.keys()].join(', ') || 'none';
      throw new MillraceError('VIEW_UNKNOWN', `view ${view} goes into no stream; those that do: ${known}.`);
    }
    // Kinesis may keep a record twice; its position tells.
    const once = new Map<string, Readonly<Record<string, unknown>>>();
    for (const { records } of stream.stored) {
      for (const { bytes } of records) {
        for (const line of new TextDecoder().decode(bytes).trimEnd().split('\n')) {
          const row = JSON.parse(line) as Readonly<Record<string, unknown>>;
          once.set(JSON.stringify(row['position']), row);
        }
      }
    }
    return [...once.values()];
  }

  async files(): Promise<ReadonlyMap<string, Uint8Array>> {
    await this.settled();
    const { archive } = this.hosts;
    const files = new Map<string, Uint8Array>();
    for (const name of await archive.list('')) files.set(name, (await archive.get(name)) as Uint8Array);
    return files;
  }

  async deadLetters(): Promise<readonly DeadLetter[]> {
    await this.settled();
    return [...new Map(this.hosts.deadLetters.letters.map((letter) => [letter.id, letter])).values()];
  }

  async reshard(name: string, shard: number, how: 'split' | 'merge'): Promise<void> {
    const stream = name === exchangeName && !this.#raw.has(name) ? this.hosts.exchange : this.#streamOf(name);
    const parent = stream.open[shard];
    if (parent === undefined || (how === 'merge' && !stream.merge(shard)))
      throw new MillraceError(
        'INPUT_INVALID',
        `${name} has ${stream.open.length} open shards; shard ${shard} cannot be ${how === 'split' ? 'split' : 'merged with the next one'}.`,
      );
    if (how === 'split') stream.split(parent);
  }

  async close(): Promise<void> {
    for (const source of this.#raw.keys()) await this.promise(source, endOfStreamMs);
    await this.settled();
  }

  /** All that was sent has gone as far as it goes by itself. */
  async settled() {
    await this.hosts.land();
    for (;;) {
      const { stored } = this.hosts.exchange;
      const records = stored.reduce((sum, shard) => sum + shard.records.length, stored.length);
      if (records === this.#settledAt) return this.hosts.reader();
      this.#settledAt = records;
      if (this.#hasLambda) await this.hosts.aggregate(blocksPerBatch);
      // It may put rows into the exchange, which are read in turn.
      if (this.#hasWorker) await this.hosts.work();
      await this.hosts.land();
    }
  }

  async #take(
    source: string,
    stream: MemoryStream,
    shard: MemoryShard,
    batch: readonly Uint8Array[],
    partitionKey = 'test',
  ): Promise<void> {
    const records = batch.map((bytes) => stream.append(shard, partitionKey, bytes));
    await this.hosts.preprocessBatch(source, stream, { shardId: shard.shardId, records });
  }

  #reshardByChance(raw: MemoryStream): void {
    const { faults, exchange } = this.hosts;
    for (const [stream, name] of [
      [exchange, 'Exchange'],
      [raw, 'Raw'],
    ] as const) {
      const { open } = stream;
      if (open.length < openShardsMax && faults.isFault(`split${name}`)) stream.split(faults.random.pick(open));
      else if (open.length > 1 && faults.isFault(`merge${name}`)) stream.merge(faults.random.below(open.length - 1));
    }
  }

  #streamOf(source: string): MemoryStream {
    const stream = this.#raw.get(source);
    if (stream !== undefined) return stream;
    throw new MillraceError(
      'INPUT_INVALID',
      `pipeline ${this.#pipeline.id} reads no stream ${source}; it reads ${[...this.#raw.keys()].join(', ')}.`,
    );
  }

  #bytesOf(source: string, record: unknown): Uint8Array {
    if (record instanceof Uint8Array) return record;
    if (typeof record === 'string') return new TextEncoder().encode(record);
    const formats = sourcesOf(this.#pipeline.plan).find(({ id }) => id === source)?.formats ?? [];
    if (!formats.some(({ format }) => format === 'json'))
      throw new MillraceError(
        'INPUT_INVALID',
        `stream ${source} decodes ${formats.map(({ format }) => format).join(', ')} and not JSON; send the text or the bytes of its records.`,
      );
    return new TextEncoder().encode(jsonOf(source, record));
  }
}

/** JSON has no bigints, and nothing would be sent of a function. */
function jsonOf(source: string, record: unknown): string {
  try {
    const text: unknown = JSON.stringify(record);
    if (typeof text === 'string') return text;
  } catch (cause) {
    throw new MillraceError('INPUT_INVALID', `a record for ${source} is not JSON: ${(cause as Error).message}.`, {
      cause,
    });
  }
  throw new MillraceError('INPUT_INVALID', `a record for ${source} is ${shown(record)}, which is not JSON.`);
}

/** A row with its times as dates, as its type has them. */
function typedRow(step: StepPlan, { view: _, ...typed }: PrintedRow): Readonly<Record<string, unknown>> {
  for (const column of ['windowStart', 'windowEnd', ...timeColumnsOf(step)]) {
    const value = typed[column];
    if (typeof value === 'string') (typed as Record<string, unknown>)[column] = new Date(value);
  }
  return typed;
}
