import type { KinesisEvent } from '#local/event-source-mapping/event.ts';
import { createEventSourceMapping, type EventSourceMapping } from '#local/event-source-mapping/mapping.ts';
import { defaultSettings } from '#local/event-source-mapping/settings.ts';
import type { Kinesis } from '#local/kinesis/model.ts';
import type { InvocationOutcome } from '#local/lambda/outcome.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { Random } from '#shared/testing/random.ts';
import type { InvocationEnd, Mapping, MappingFault } from './mapping.ts';
import type { Choice, Task } from './scheduler.ts';
import type { SimRecord, SimStream } from './stream.ts';

/** The event source mapping that the laptop runs, over our own Kinesis: what deploys, instead of the adversary. */
export class DriverMapping implements Mapping {
  readonly #stream: SimStream;
  readonly #random: Random;
  readonly #mapping: EventSourceMapping;
  readonly #invoke: (shardId: string, records: readonly SimRecord[], done: (end: InvocationEnd) => void) => Task;
  readonly #faults: (kind: MappingFault) => boolean;
  readonly #abandoned = new Map<Task, () => void>();
  /** By shard, how often it was rewound. */
  readonly #epochs = new Map<string, number>();
  readonly #toRewind = new Set<string>();
  /** By shard, how many of its records are done. */
  readonly #done = new Map<string, number>();

  constructor(options: {
    readonly stream: SimStream;
    readonly kinesis: Kinesis;
    readonly clock: Clock;
    readonly random: Random;
    readonly batchRecordsMax: number;
    readonly invoke: (shardId: string, records: readonly SimRecord[], done: (end: InvocationEnd) => void) => Task;
    readonly faults: (kind: MappingFault) => boolean;
  }) {
    const { stream, kinesis, clock, random, batchRecordsMax } = options;
    this.#stream = stream;
    this.#random = random;
    this.#invoke = options.invoke;
    this.#faults = options.faults;
    this.#mapping = createEventSourceMapping({
      reader: kinesis,
      clock,
      streamName: stream.name,
      source: { streamArn: stream.name, functionArn: 'function', roleArn: 'role', region: 'nowhere' },
      settings: {
        ...defaultSettings,
        // As deployed: without it a record that kills its process would never be alone.
        bisects: true,
        reportsItemFailures: true,
        batchingWindowMs: random.pick([0, 0, 700]),
      },
      batchSize: () => random.between(1, batchRecordsMax),
      invoke: (event) => this.#deliver(event),
      onArrival: (listener) => kinesis.onChange(() => listener()),
    });
  }

  get isIdle(): boolean {
    return (
      this.#abandoned.size === 0 &&
      this.#toRewind.size === 0 &&
      this.#stream.shards.every((shard) => (this.#done.get(shard.shardId) ?? 0) >= shard.records.length)
    );
  }

  /** Apart from a rewind it goes by itself, on the clock. */
  choices(): readonly Choice[] {
    return [...this.#toRewind].map((shardId) => ({ weight: 0.5, act: () => this.#rewind(shardId) }));
  }

  abandon(task: Task): void {
    this.#abandoned.get(task)?.();
  }

  #deliver(event: KinesisEvent): Promise<InvocationOutcome> {
    const shardId = event.Records[0]?.eventID.split(':')[0] ?? '';
    const shard = this.#stream.shards.find((one) => one.shardId === shardId);
    const records = event.Records.map(({ kinesis }) => ({
      sequence: kinesis.sequenceNumber,
      partitionKey: kinesis.partitionKey,
      bytes: Buffer.from(kinesis.data, 'base64'),
      arrivalMs: kinesis.approximateArrivalTimestamp * 1_000,
    }));
    const indexOf = (sequence: string | undefined): number =>
      shard?.records.findIndex((record) => record.sequence === sequence) ?? -1;
    const epoch = this.#epochs.get(shardId) ?? 0;
    return new Promise((resolve) => {
      const task = this.#invoke(shardId, records, (end) => {
        if (!this.#abandoned.delete(task)) return;
        if (end.kind === 'failed' || this.#faults('redelivery')) {
          resolve(functionError);
          return;
        }
        const { failedFrom } = end;
        resolve({
          kind: 'response',
          payload: failedFrom === undefined ? {} : { batchItemFailures: [{ itemIdentifier: failedFrom }] },
        });
        // A rewind came in between: these records are delivered again.
        if (epoch !== (this.#epochs.get(shardId) ?? 0)) return;
        const done = failedFrom === undefined ? indexOf(records.at(-1)?.sequence) + 1 : indexOf(failedFrom);
        this.#done.set(shardId, done);
        if (done > 0 && this.#faults('rewind')) this.#toRewind.add(shardId);
      });
      this.#abandoned.set(task, () => {
        this.#abandoned.delete(task);
        resolve({ kind: 'timed-out' });
      });
    });
  }

  /** Goes back to an earlier record of the shard; what is in flight there goes on with nobody waiting for it. */
  #rewind(shardId: string): void {
    this.#toRewind.delete(shardId);
    const index = this.#random.below((this.#done.get(shardId) ?? 0) + 1);
    const after = this.#stream.shards.find((shard) => shard.shardId === shardId)?.records[index - 1]?.sequence;
    this.#epochs.set(shardId, (this.#epochs.get(shardId) ?? 0) + 1);
    this.#mapping.rewind(shardId, after);
    this.#done.set(shardId, index);
  }
}

const functionError: InvocationOutcome = {
  kind: 'function-error',
  error: { errorType: 'Error', errorMessage: 'not answered', trace: [] },
};
