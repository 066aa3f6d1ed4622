import { KinesisClient, type SubscribeToShardCommandInput, type SubscribeToShardEvent } from '@aws-sdk/client-kinesis';
import { expect, test } from 'vitest';
import {
  ShardSubscription,
  silenceMsMax,
  subscribeTriesMax,
  unreadMsMax,
} from '#shared/adapters/kinesis/shard-subscription.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { createWaitingClock } from './waiting-clock.ts';

/** What an event of Kinesis says, with records of so many bytes by their sequence numbers. */
function eventOf(fields: {
  readonly sequences?: readonly number[];
  readonly bytes?: number;
  readonly next?: string;
  readonly children?: readonly string[];
}): SubscribeToShardEvent {
  const { sequences = [], bytes = 1, next, children = [] } = fields;
  return {
    Records: sequences.map((sequence) => ({
      SequenceNumber: String(sequence),
      PartitionKey: 'any',
      Data: new Uint8Array(bytes),
      ApproximateArrivalTimestamp: new Date(0),
    })),
    ContinuationSequenceNumber: next,
    MillisBehindLatest: 0,
    ChildShards: children.map((ShardId) => ({ ShardId, ParentShards: ['s-0'], HashKeyRange: undefined })),
  };
}

type Script = () => AsyncGenerator<SubscribeToShardEvent>;

/** A shard whose subscriptions are scripts of events, one after the other. Whoever takes nothing sleeps, as a worker does. */
function subscribe(...scripts: readonly Script[]) {
  const clock = createWaitingClock();
  const telemetry = createMemoryTelemetry();
  const client = new KinesisClient({ region: 'us-east-1' });
  const positions: unknown[] = [];
  const answer = async ({ input }: { readonly input: object }) => {
    positions.push((input as SubscribeToShardCommandInput).StartingPosition);
    const script = scripts[positions.length - 1] ?? stayQuiet;
    const events = async function* () {
      for await (const event of script()) yield { SubscribeToShardEvent: event };
    };
    return { response: undefined, output: { EventStream: events(), $metadata: {} } } as never;
  };
  client.middlewareStack.add(() => answer, { step: 'initialize' });
  const subscription = new ShardSubscription({
    client,
    shardId: 's-0',
    consumerArn: async () => 'arn',
    after: undefined,
    from: { Type: 'TRIM_HORIZON' },
    subscribedMs: new Map(),
    clock,
    random: () => 0,
    telemetry,
  });
  const take = async () => {
    const batch = await clock.settle(subscription.take());
    if (batch.records.length === 0 && !batch.ended) clock.passMs(250);
    return { ...batch, sequences: batch.records.map(({ sequence }) => sequence) };
  };
  /** The sequence numbers of the next so many records. */
  const takeAll = async (count: number) => {
    const sequences: string[] = [];
    for (let takes = 0; takes < 500 && sequences.length < count; takes += 1)
      sequences.push(...(await take()).sequences);
    return sequences;
  };
  return { subscription, clock, telemetry, positions, take, takeAll };
}

async function* stayQuiet(): AsyncGenerator<SubscribeToShardEvent> {
  yield eventOf({ next: '99' });
  await new Promise(() => {});
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 50));

test('events are gone on behind when a subscription is over, even those without records', async () => {
  const { take, positions } = subscribe(
    async function* () {
      yield eventOf({ sequences: [1, 2], next: '2' });
    },
    async function* () {
      yield eventOf({ next: '7' });
    },
  );
  expect((await take()).sequences).toEqual(['1', '2']);
  while (positions.length < 3) await take();
  expect(positions).toEqual([
    { Type: 'TRIM_HORIZON' },
    { Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: '2' },
    { Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: '7' },
  ]);
});

test('an event that names children ends the shard with its own records', async () => {
  const { take } = subscribe(async function* () {
    yield eventOf({ sequences: [1], next: '1' });
    yield eventOf({ sequences: [2], children: ['s-1'] });
  });
  const batches = [await take()];
  if (!batches[0]?.ended) batches.push(await take());
  expect(batches.flatMap(({ sequences }) => sequences)).toEqual(['1', '2']);
  expect(batches.at(-1)?.ended).toBe(true);
  expect(await take()).toMatchObject({ records: [], ended: true });
});

test('an event that neither goes on nor names children is not believed: the shard is read again from before it', async () => {
  const { take, takeAll, positions } = subscribe(
    async function* () {
      yield eventOf({ sequences: [1], next: '1' });
      yield eventOf({ sequences: [2] });
    },
    async function* () {
      yield eventOf({ sequences: [2], next: '2' });
      await new Promise(() => {});
    },
  );
  expect(await takeAll(2)).toEqual(['1', '2']);
  expect(positions.at(-1)).toEqual({ Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: '1' });
  expect(await take()).toMatchObject({ records: [], ended: false });
});

test('events are not taken while the buffer is full, which is no silence', async () => {
  let pushed = 0;
  const { subscription, clock, take, positions, telemetry } = subscribe(async function* () {
    while (pushed < 100) {
      pushed += 1;
      yield eventOf({ sequences: [pushed], bytes: 1_000_000, next: String(pushed) });
    }
  });
  const { records } = await take();
  await tick();
  expect(pushed - records.length).toBe(5);
  clock.passMs(2 * silenceMsMax);
  await tick();
  expect([pushed - records.length, positions.length]).toEqual([5, 1]);
  expect((await take()).records).toHaveLength(5);
  await tick();
  expect([pushed, telemetry.lines]).toEqual([records.length + 10, []]);
  subscription.release();
  await tick();
  expect(pushed).toBe(records.length + 10);
});

test('a subscription that nothing is taken from for long is over', async () => {
  const { clock, take, positions } = subscribe(stayQuiet);
  await take();
  clock.passMs(unreadMsMax);
  await tick();
  clock.passMs(10 * silenceMsMax);
  await tick();
  expect(positions).toHaveLength(1);
});

test('subscriptions that end again and again without an event fail who waits for one', async () => {
  const { take } = subscribe(...Array.from({ length: subscribeTriesMax }, () => async function* () {}));
  await expect(take()).rejects.toThrow('the subscription ended without an event');
});

test('subscriptions may break behind their events however often', async () => {
  const count = 2 * subscribeTriesMax;
  const breaking = (index: number): Script =>
    async function* () {
      yield eventOf({ sequences: [index], next: String(index) });
      throw new Error('broken');
    };
  const { takeAll } = subscribe(...Array.from({ length: count }, (_, index) => breaking(index)));
  expect(await takeAll(count)).toHaveLength(count);
});
