import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { Clock } from '#shared/ports/clock.ts';
import type { ExchangeReader } from '#shared/ports/exchange-reader.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { listShards } from './list-shards.ts';
import { shardOf } from './read-shapes.ts';
import { unavailable } from './request.ts';
import { ShardSubscription } from './shard-subscription.ts';
import { type Start, startingPositions } from './starting-position.ts';
import { registerStreamConsumer } from './stream-consumer.ts';

/**
 * Reads the shards of the exchange stream by enhanced fan-out. A shard is subscribed to with its first read and until it is released; a
 * read gives what has arrived since the one before, at once. An `after` that is not where that one ended costs a new subscription,
 * and up to 5 s. So does a read while another one of the shard waits, which then finds nothing.
 */
export function createFanOutReader(options: {
  readonly client: KinesisClient;
  readonly streamName: string;
  /** It is registered with the stream if it is not there. No other reader may use it for the same shards at the same time. */
  readonly consumerName: string;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly start?: Start;
  /** Draws from [0, 1). */
  readonly random?: () => number;
}): Required<ExchangeReader> {
  const { client, streamName, clock, start = 'trim-horizon', random = Math.random } = options;
  const positionBehind = startingPositions(start, clock);
  const subscriptions = new Map<string, ShardSubscription>();
  const subscribedMs = new Map<string, number>();
  let registered: Promise<string> | undefined;

  const consumerArn = (): Promise<string> => {
    registered ??= registerStreamConsumer({ ...options, random }).catch((error: unknown) => {
      registered = undefined;
      throw error;
    });
    return registered;
  };

  const release = (shardId: string): void => {
    subscriptions.get(shardId)?.release();
    subscriptions.delete(shardId);
  };

  const subscribe = (shardId: string, after: string | undefined): ShardSubscription => {
    release(shardId);
    const from = positionBehind(after);
    const subscription = new ShardSubscription({ ...options, random, shardId, consumerArn, after, from, subscribedMs });
    subscriptions.set(shardId, subscription);
    return subscription;
  };

  return {
    shards: async () => (await listShards(client, streamName)).map(shardOf),
    read: async (shardId, after) => {
      const known = subscriptions.get(shardId);
      const isFitting = known?.isFree === true && known.after === after;
      const subscription = isFitting ? known : subscribe(shardId, after);
      try {
        return await subscription.take();
      } catch (error) {
        if (subscriptions.get(shardId) === subscription) release(shardId);
        // The consumer may be gone.
        registered = undefined;
        throw unavailable('SOURCE_UNAVAILABLE', `subscribing to ${shardId} of ${streamName}`, error);
      }
    },
    release,
  };
}
