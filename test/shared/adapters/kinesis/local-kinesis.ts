import { KinesisClient } from '@aws-sdk/client-kinesis';
import { createKinesis, type Kinesis } from '#local/kinesis/model.ts';
import { startKinesisServer } from '#local/kinesis/wire.ts';
import { createRequestHandler, createStreamingRequestHandler } from '#shared/adapters/request-handler.ts';
import type { Clock } from '#shared/ports/clock.ts';
import { fault } from '../scripted-requests.ts';
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { createWaitingClock, type WaitingClock } from './waiting-clock.ts';

/** The embedded Kinesis behind its wire server and a proxy, on a clock that only moves when told to or slept on. */
export interface LocalKinesis {
  readonly kinesis: Kinesis;
  readonly client: KinesisClient;
  readonly clock: Clock;
  readonly proxy: TcpProxy;
  readonly passMs: WaitingClock['passMs'];
  readonly settle: WaitingClock['settle'];
  /** Has the next requests of an operation refused, before they are sent. */
  readonly refuse: (refusal: { readonly operation: string; readonly error: string; readonly requests: number }) => void;
  /** What was sent, by the names of the operations; with a colon and the name of the error behind it when it was refused. */
  readonly sent: readonly string[];
  readonly close: () => Promise<void>;
}

export async function openKinesis(options: {
  readonly throttle: boolean;
  /** `passes`: to sleep moves the clock. `waits`: who sleeps waits until the clock has moved. Default: passes. */
  readonly sleeping?: 'passes' | 'waits';
  /** After how long without a byte the client gives up a request. Default: never. */
  readonly silenceMsMax?: number;
  /** Default: http1. */
  readonly protocol?: 'http1' | 'http2';
}): Promise<LocalKinesis> {
  const clock = createWaitingClock();
  const { now, passMs, settle } = clock;
  const kinesis = createKinesis({ now, throttle: options.throttle });
  const server = await startKinesisServer({ kinesis });
  const proxy = await openTcpProxy(server.port);
  const client = new KinesisClient({
    endpoint: `http://127.0.0.1:${proxy.port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    requestHandler: handlerOf(options),
    // Its retries wait on the wall clock.
    maxAttempts: 1,
  });
  const sent: string[] = [];
  const refusals: { operation: string; error: string }[] = [];
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (request) => {
        const operation = commandName.replace(/Command$/, '');
        const refusal = refusals.findIndex((one) => one.operation === operation);
        try {
          if (refusal >= 0) throw fault(refusals.splice(refusal, 1)[0]?.error ?? '');
          const answer = await next(request);
          sent.push(operation);
          return answer;
        } catch (error) {
          sent.push(`${operation}: ${error instanceof Error ? error.name : error}`);
          throw error;
        }
      },
    { step: 'initialize' },
  );
  return {
    kinesis,
    client,
    proxy,
    sent,
    clock: options.sleeping === 'waits' ? clock : { now, sleep: async (ms) => passMs(ms) },
    passMs,
    settle,
    refuse: ({ operation, error, requests }) => {
      for (let count = 0; count < requests; count += 1) refusals.push({ operation, error });
    },
    close: async () => {
      client.destroy();
      await proxy.close();
      await server.close();
    },
  };
}

function handlerOf(options: { readonly protocol?: string; readonly silenceMsMax?: number }) {
  const { protocol, silenceMsMax = 0 } = options;
  return protocol === 'http2'
    ? createStreamingRequestHandler(silenceMsMax)
    : createRequestHandler({ connectionMsMax: 0, silenceMsMax });
}
