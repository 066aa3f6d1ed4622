import {
  type Consumer,
  type ConsumerDescription,
  DescribeStreamConsumerCommand,
  DescribeStreamSummaryCommand,
  type KinesisClient,
  RegisterStreamConsumerCommand,
} from '@aws-sdk/client-kinesis';
import type { Clock } from '#shared/ports/clock.ts';
import { assert } from '#shared/schemas/error.ts';
import { backoffMs, isThrottled, nameOf } from './request.ts';

/** A consumer is active within seconds; this is a minute and more. */
const triesMax = 20;

/**
 * The ARN of a stream's consumer for enhanced fan-out, once it is active. It is registered if there is none of the name; several hosts may do
 * that at once. Rejects with Kinesis' error.
 */
export async function registerStreamConsumer(options: {
  readonly client: KinesisClient;
  readonly streamName: string;
  readonly consumerName: string;
  readonly clock: Clock;
  readonly random: () => number;
}): Promise<string> {
  const { client, streamName, consumerName, clock, random } = options;
  const summary = await client.send(new DescribeStreamSummaryCommand({ StreamName: streamName }));
  const named = { StreamARN: summary.StreamDescriptionSummary?.StreamARN, ConsumerName: consumerName };
  for (let tries = 1; ; tries += 1) {
    try {
      const consumer = (await describe(client, named)) ?? (await register(client, named));
      assert(consumer?.ConsumerARN !== undefined, 'a consumer of Kinesis has an ARN');
      if (consumer.ConsumerStatus === 'ACTIVE') return consumer.ConsumerARN;
      // One that is being created is active soon; one that is being deleted is gone soon.
      if (tries === triesMax) throw new Error(`consumer ${consumerName} is still ${consumer.ConsumerStatus}`);
    } catch (error) {
      // In use: somebody else has registered it meanwhile.
      const mayHeal = isThrottled(error) || nameOf(error) === 'ResourceInUseException';
      if (!mayHeal || tries === triesMax) throw error;
    }
    await clock.sleep(backoffMs(tries, random));
  }
}

interface Named {
  readonly StreamARN: string | undefined;
  readonly ConsumerName: string;
}

async function register(client: KinesisClient, named: Named): Promise<Consumer | undefined> {
  return (await client.send(new RegisterStreamConsumerCommand(named))).Consumer;
}

async function describe(client: KinesisClient, named: Named): Promise<ConsumerDescription | undefined> {
  try {
    return (await client.send(new DescribeStreamConsumerCommand(named))).ConsumerDescription;
  } catch (error) {
    if (nameOf(error) === 'ResourceNotFoundException') return undefined;
    throw error;
  }
}
