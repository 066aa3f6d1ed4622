import { EventStreamCodec } from '@smithy/eventstream-codec';
import { demand, KinesisError } from './error.ts';
import { consumerReadBytesPerSecond, subscriptionLifetimeMs, subscriptionTakeoverMs } from './limits.ts';
import type { Kinesis } from './model.ts';
import { recordBytes } from './shard-records.ts';
import { createBudget, isOpen, spend } from './throughput.ts';
import type { ReadResult, Shard, StartingPoint } from './types.ts';
import { type Fields, fieldsOf, textOf } from './wire-fields.ts';
import { startingPointOf } from './wire-iterator.ts';
import { consumerOf } from './wire-names.ts';
import { findShardNamed, type WireContext } from './wire-operations.ts';
import { childShardShapes, recordShape } from './wire-shapes.ts';

/** What a subscription writes to: an answer of HTTP/1.1 or of HTTP/2. */
export interface EventSink {
  readonly begin: (headers: Readonly<Record<string, string>>) => void;
  /** False if the client is slow: go on after `onDrain`. */
  readonly write: (bytes: Uint8Array) => boolean;
  readonly end: () => void;
  readonly onDrain: (listener: () => void) => void;
  readonly onClose: (listener: () => void) => void;
}

/** The last subscription of each consumer to each shard, ended or not: AWS counts the five seconds from its beginning. */
export type Subscriptions = Map<string, { readonly startedMs: number; readonly stop: () => void }>;

/** AWS sends an event every few seconds even if there is nothing in it, so that a client can tell quiet from dead. */
const heartbeatMs = 5_000;
const eventRecordsMax = 10_000;
const eventBytesMax = 1_048_576;

/**
 * Pushes a shard's records to a consumer until the shard ends or five minutes are over.
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html
 */
export function subscribeToShard(
  fields: Fields,
  { kinesis, subscriptions, sink }: WireContext & { readonly subscriptions: Subscriptions; readonly sink: EventSink },
): void {
  const { streamName, shard, name, from } = parseRequest(kinesis, fields);
  const startedMs = kinesis.now();
  takeOver(subscriptions, { name, startedMs });
  sink.begin({ 'content-type': 'application/vnd.amazon.eventstream' });
  sink.write(encodeEvent('initial-response', {}));
  const stopPushing = push({ kinesis, streamName, shard, from, sink, onEnd: () => stop() });
  const stop = () => {
    stopPushing();
    sink.end();
  };
  subscriptions.set(name, { startedMs, stop });
  sink.onClose(stop);
}

function parseRequest(kinesis: Kinesis, fields: Fields) {
  const { streamName, consumerName } = consumerOf(fields);
  const { consumers } = kinesis.describeStream(streamName);
  demand(
    consumers.some((consumer) => consumer.consumerName === consumerName),
    'ResourceNotFoundException',
    () => `Consumer ${consumerName} of stream ${streamName} not found.`,
  );
  const shard = findShardNamed(kinesis, { streamName, shardId: textOf(fields, 'ShardId') });
  const from = startingPointOf(fieldsOf(fields, 'StartingPosition'), {
    type: 'Type',
    sequenceNumber: 'SequenceNumber',
    shard,
    nowMs: kinesis.now(),
  });
  return { streamName, shard, from, name: `${streamName}/${shard.shardId}/${consumerName}` };
}

function takeOver(
  subscriptions: Subscriptions,
  subscription: { readonly name: string; readonly startedMs: number },
): void {
  const current = subscriptions.get(subscription.name);
  demand(
    current === undefined || subscription.startedMs - current.startedMs >= subscriptionTakeoverMs,
    'ResourceInUseException',
    () => `The last subscription of ${subscription.name} was made less than ${subscriptionTakeoverMs} ms ago.`,
  );
  current?.stop();
}

/** Reads and writes whenever there is something to read and the client takes it. Gives what stops it. */
function push(task: {
  readonly kinesis: Kinesis;
  readonly streamName: string;
  readonly shard: Shard;
  readonly from: StartingPoint;
  readonly sink: EventSink;
  readonly onEnd: () => void;
}): () => void {
  const { kinesis, streamName, sink, onEnd } = task;
  const { shardId } = task.shard;
  const budget = createBudget({ count: Number.POSITIVE_INFINITY, bytes: consumerReadBytesPerSecond });
  let from = task.from;
  let isBlocked = false;
  let wake: NodeJS.Immediate | undefined;
  let retry: NodeJS.Timeout | undefined;

  function pushAll(mayBeEmpty: boolean): void {
    try {
      while (!isBlocked && pushPage(mayBeEmpty)) mayBeEmpty = false;
    } catch (error) {
      sink.write(encodeException(error));
      onEnd();
    }
  }

  /** False if there is nothing more to push for now. */
  function pushPage(mayBeEmpty: boolean): boolean {
    const nowMs = kinesis.now();
    if (kinesis.isThrottled && !isOpen(budget, nowMs)) {
      retry ??= setTimeout(
        () => {
          retry = undefined;
          pushAll(false);
        },
        1_000 - (nowMs % 1_000),
      );
      return false;
    }
    const page = kinesis.read({ streamName, shardId, from, recordsMax: eventRecordsMax, bytesMax: eventBytesMax });
    from = page.next;
    if (page.records.length === 0 && !page.ended && !mayBeEmpty) return false;
    for (const record of page.records) spend(budget, recordBytes(record));
    isBlocked = !sink.write(
      encodeEvent('SubscribeToShardEvent', eventShape({ kinesis, streamName, shard: task.shard, page })),
    );
    if (page.ended) onEnd();
    return !page.ended && page.records.length > 0;
  }

  const forget = kinesis.onChange((change) => {
    if (change.streamName !== streamName) return;
    // All puts of one turn of the loop make one event.
    wake ??= setImmediate(() => {
      wake = undefined;
      pushAll(false);
    });
  });
  sink.onDrain(() => {
    isBlocked = false;
    pushAll(false);
  });
  const heartbeat = setInterval(() => pushAll(true), heartbeatMs);
  const lifetime = setTimeout(onEnd, subscriptionLifetimeMs);
  wake = setImmediate(() => {
    wake = undefined;
    pushAll(true);
  });
  return () => {
    forget();
    isBlocked = true;
    clearInterval(heartbeat);
    clearTimeout(lifetime);
    clearTimeout(retry);
    clearImmediate(wake);
  };
}

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShardEvent.html */
function eventShape(event: {
  readonly kinesis: Kinesis;
  readonly streamName: string;
  readonly shard: Shard;
  readonly page: ReadResult;
}): object {
  const { shard, page } = event;
  const { shardId, startingSequenceNumber } = shard;
  return {
    Records: page.records.map(recordShape),
    MillisBehindLatest: page.millisBehindLatest,
    // At the end of a shard there is nothing to continue with but its children; Amazon's own consumer library relies on it.
    ...(page.ended
      ? { ChildShards: childShardShapes(event.kinesis.listShards(event.streamName), shardId) }
      : {
          ContinuationSequenceNumber: 'sequenceNumber' in page.next ? page.next.sequenceNumber : startingSequenceNumber,
        }),
  };
}

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString(),
  (text) => Buffer.from(text),
);

function encodeEvent(type: string, body: object): Uint8Array {
  return encode({ ':message-type': 'event', ':event-type': type }, body);
}

function encodeException(error: unknown): Uint8Array {
  const type = error instanceof KinesisError ? error.code : 'InternalFailureException';
  const message = error instanceof Error ? error.message : String(error);
  return encode({ ':message-type': 'exception', ':exception-type': type }, { message });
}

function encode(headers: Readonly<Record<string, string>>, body: object): Uint8Array {
  const all = { ...headers, ':content-type': 'application/json' };
  return codec.encode({
    headers: Object.fromEntries(Object.entries(all).map(([name, value]) => [name, { type: 'string' as const, value }])),
    body: Buffer.from(JSON.stringify(body)),
  });
}
