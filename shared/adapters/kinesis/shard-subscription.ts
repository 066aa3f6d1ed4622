import {
  type KinesisClient,
  type StartingPosition,
  SubscribeToShardCommand,
  type SubscribeToShardEvent,
} from '@aws-sdk/client-kinesis';
import type { Clock } from '#shared/ports/clock.ts';
import type { ExchangeBatch, ExchangeRecord } from '#shared/ports/exchange-reader.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { recordOf, sizeOf } from './read-shapes.ts';
import { backoffMs, isLasting, nameOf } from './request.ts';

/** Kinesis sends an event at least every 5 s, empty or not: a connection that is silent for longer than this is dead. */
export const silenceMsMax = 12_000;
/** Kinesis refuses a second subscription of one consumer to one shard within this time, and takes one request for it a second. */
const subscribeIntervalMs = 5_000;
const requestIntervalMs = 1_000;
/** Subscriptions in a row that failed without one event before the stream counts as unavailable. */
export const subscribeTriesMax = 6;
/** While more than this waits to be read, no event is taken from the connection. An event is at most as large as a read, 10 MiB. */
export const bufferBytesMax = 4 * 1024 * 1024;
/** A subscription from which nothing was taken for so long is over: whoever gave the shard up has forgotten to release it. */
export const unreadMsMax = 30_000;
/** What a record takes beside its bytes. */
const recordOverheadBytes = 200;

export interface SubscriptionOptions {
  readonly client: KinesisClient;
  readonly shardId: string;
  readonly consumerArn: () => Promise<string>;
  /** Behind which record it begins, and the same in the words of Kinesis. */
  readonly after: string | undefined;
  readonly from: StartingPosition;
  /** When each shard was subscribed to last, in milliseconds since the epoch. */
  readonly subscribedMs: Map<string, number>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly telemetry: Telemetry;
}

/**
 * A shard's records as Kinesis pushes them, kept until they are taken. The connection is made anew whenever it ends, breaks or
 * falls silent, behind the last event that was heard, until the shard ends, or `release` is called, or nobody reads any more.
 */
export class ShardSubscription {
  readonly #options: SubscriptionOptions;
  readonly #released = new AbortController();
  #after: string | undefined;
  #from: StartingPosition;
  #records: ExchangeRecord[] = [];
  #bytes = 0;
  #millisBehindLatest = 0;
  #ended = false;
  /** When the last event came. */
  #heardMs = Number.NEGATIVE_INFINITY;
  /** Since when an event is waited for; endless while nothing is taken from the connection. */
  #listeningMs = 0;
  #failures = 0;
  #failure: unknown;
  /** When something was taken last, or wanted; endless while somebody waits. */
  #takenMs: number;
  #waiting: (() => void)[] = [];

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#after = options.after;
    this.#from = options.from;
    this.#takenMs = options.clock.now();
    this.#keep();
  }

  /** The last record that was taken: what the next take goes on behind. */
  get after(): string | undefined {
    return this.#after;
  }

  /** Nobody waits in `take`, and it is not over. Two who wait would each get a part, and take it for the whole. */
  get isFree(): boolean {
    return this.#takenMs !== Number.POSITIVE_INFINITY && !this.#isReleased();
  }

  /**
   * All that waits to be taken. Empty at once if nothing is there, but only as long as the shard is heard of: else it waits, since
   * nobody knows what is there. Rejects, when all before it was taken, with the error that ended the subscription.
   */
  async take(): Promise<ExchangeBatch> {
    this.#takenMs = Number.POSITIVE_INFINITY;
    while (!this.#canAnswer()) await this.#change();
    this.#takenMs = this.#options.clock.now();
    const records = this.#records;
    if (records.length === 0 && this.#failure !== undefined) throw this.#failure;
    this.#records = [];
    this.#bytes = 0;
    this.#after = records.at(-1)?.sequence ?? this.#after;
    this.#signal();
    return { records, ended: this.#ended, millisBehindLatest: this.#millisBehindLatest };
  }

  release(): void {
    this.#released.abort();
    this.#signal();
  }

  #canAnswer(): boolean {
    if (this.#records.length > 0 || this.#ended || this.#failure !== undefined || this.#isReleased()) return true;
    return this.#options.clock.now() - this.#heardMs < silenceMsMax;
  }

  /** One subscription after the other. Never rejects. */
  async #keep(): Promise<void> {
    const { clock, random, shardId, telemetry } = this.#options;
    while (!this.#ended && !this.#isReleased()) {
      try {
        await this.#follow();
      } catch (error) {
        if (this.#isReleased()) return;
        this.#failures += 1;
        if (isLasting(error) || this.#failures === subscribeTriesMax) {
          this.#failure = error;
          this.#signal();
          return;
        }
        telemetry.metric('retries_total', 1, { operation: 'subscribe' });
        telemetry.log('warn', 'A subscription broke; it is made anew.', {
          shard: shardId,
          error: `${nameOf(error)}: ${error instanceof Error ? error.message : error}`,
        });
        await clock.sleep(Math.max(requestIntervalMs, backoffMs(this.#failures, random)));
      }
    }
  }

  /** Hears one subscription to its end: after five minutes at the latest. */
  async #follow(): Promise<void> {
    const { client, clock, consumerArn, shardId, subscribedMs } = this.#options;
    const ConsumerARN = await consumerArn();
    const turnMs = (subscribedMs.get(shardId) ?? Number.NEGATIVE_INFINITY) + subscribeIntervalMs;
    if (turnMs > clock.now()) await clock.sleep(turnMs - clock.now());
    if (this.#isReleased()) return;
    const connection = new AbortController();
    const abortSignal = AbortSignal.any([connection.signal, this.#released.signal]);
    this.#listeningMs = clock.now();
    this.#watch(connection);
    let isHeard = false;
    try {
      const subscribe = new SubscribeToShardCommand({ ConsumerARN, ShardId: shardId, StartingPosition: this.#from });
      // No limit of the client's: silence is watched here, and while the buffer is full there is silence of our own making.
      const { EventStream = [] } = await client.send(subscribe, { abortSignal, requestTimeout: 0 });
      subscribedMs.set(shardId, clock.now());
      for await (const { SubscribeToShardEvent: event } of EventStream) {
        if (event === undefined) continue;
        isHeard = true;
        this.#hear(event);
        if (this.#ended) return;
        this.#listeningMs = Number.POSITIVE_INFINITY;
        while (this.#bytes > bufferBytesMax && !this.#isReleased()) await this.#change();
        if (abortSignal.aborted) break;
        this.#listeningMs = clock.now();
      }
      connection.signal.throwIfAborted();
    } catch (error) {
      throw connection.signal.aborted ? connection.signal.reason : error;
    } finally {
      connection.abort();
    }
    if (!isHeard) throw new Error('the subscription ended without an event');
  }

  #hear({ Records = [], ContinuationSequenceNumber, ChildShards = [], MillisBehindLatest = 0 }: SubscribeToShardEvent) {
    this.#ended = ChildShards.length > 0;
    // Rule 6: to take a shard for ended that is not would skip the rest of it.
    if (!this.#ended && !ContinuationSequenceNumber) throw new Error('an event neither goes on nor names child shards');
    this.#from = { Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: ContinuationSequenceNumber };
    for (const record of Records) this.#records.push(recordOf(record));
    this.#bytes += sizeOf(Records) + Records.length * recordOverheadBytes;
    this.#millisBehindLatest = MillisBehindLatest;
    this.#heardMs = this.#options.clock.now();
    this.#failures = 0;
    this.#signal();
  }

  /** Ends a connection that is silent for too long, since half-open it would stay so for ever, and one that nobody reads. */
  async #watch(connection: AbortController): Promise<void> {
    const { clock } = this.#options;
    while (!connection.signal.aborted && !this.#isReleased()) {
      const leftMs = this.#listeningMs + silenceMsMax - clock.now();
      if (clock.now() - this.#takenMs >= unreadMsMax) this.release();
      else if (leftMs <= 0) connection.abort(new Error(`no event came within ${silenceMsMax} ms`));
      else await clock.sleep(Math.min(leftMs, silenceMsMax));
    }
  }

  #isReleased(): boolean {
    return this.#released.signal.aborted;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #signal(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
