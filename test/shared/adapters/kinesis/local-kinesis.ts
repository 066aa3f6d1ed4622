import { KinesisClient } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { createKinesis, type Kinesis } from '#local/kinesis/model.ts';
import { startKinesisServer } from '#local/kinesis/wire.ts';
import type { Clock } from '#shared/ports/clock.ts';

/** The embedded Kinesis behind its wire server, on a clock that only moves when told to or slept on. */
export interface LocalKinesis {
  readonly kinesis: Kinesis;
  readonly client: KinesisClient;
  readonly clock: Clock;
  readonly passMs: (ms: number) => void;
  readonly close: () => Promise<void>;
}

export async function openKinesis(options: { readonly throttle: boolean }): Promise<LocalKinesis> {
  let nowMs = 1_700_000_000_000;
  const passMs = (ms: number) => {
    nowMs += ms;
  };
  const kinesis = createKinesis({ now: () => nowMs, throttle: options.throttle });
  const server = await startKinesisServer({ kinesis });
  const client = new KinesisClient({
    endpoint: server.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    requestHandler: new NodeHttpHandler(),
    // Its retries wait on the wall clock.
    maxAttempts: 1,
  });
  return {
    kinesis,
    client,
    clock: { now: () => nowMs, sleep: async (ms) => passMs(ms) },
    passMs,
    close: async () => {
      client.destroy();
      await server.close();
    },
  };
}
