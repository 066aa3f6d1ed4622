import { KinesisClient } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { createKinesis, type Kinesis } from '#local/kinesis/model.ts';
import { startKinesisServer } from '#local/kinesis/wire.ts';
import type { Clock } from '#shared/ports/clock.ts';
import { fault } from '../scripted-requests.ts';
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** The embedded Kinesis behind its wire server and a proxy, on a clock that only moves when told to or slept on. */
export interface LocalKinesis {
  readonly kinesis: Kinesis;
  readonly client: KinesisClient;
  readonly clock: Clock;
  readonly proxy: TcpProxy;
  readonly passMs: (ms: number) => void;
  /** Gives what `work` comes to. While nothing happens, time passes for who sleeps no longer than `sleepMsMax`. */
  readonly settle: <T>(work: Promise<T>, sleepMsMax?: number) => Promise<T>;
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
  /** Default: http1. */
  readonly protocol?: 'http1' | 'http2';
}): Promise<LocalKinesis> {
  let nowMs = 1_700_000_000_000;
  let sleepers: { readonly untilMs: number; readonly wake: () => void }[] = [];
  const passMs = (ms: number) => {
    nowMs += ms;
    const due = sleepers.filter(({ untilMs }) => untilMs <= nowMs);
    sleepers = sleepers.filter(({ untilMs }) => untilMs > nowMs);
    for (const { wake } of due) wake();
  };
  const kinesis = createKinesis({ now: () => nowMs, throttle: options.throttle });
  const server = await startKinesisServer({ kinesis });
  const proxy = await openTcpProxy(server.port);
  const client = new KinesisClient({
    endpoint: `http://127.0.0.1:${proxy.port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    ...(options.protocol !== 'http2' && { requestHandler: new NodeHttpHandler() }),
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
    clock: {
      now: () => nowMs,
      sleep: async (ms) => {
        if (options.sleeping !== 'waits') passMs(ms);
        else await new Promise<void>((wake) => sleepers.push({ untilMs: nowMs + ms, wake }));
      },
    },
    passMs,
    settle: async (work, sleepMsMax = 5_000) => {
      let isDone = false;
      const done = work.finally(() => {
        isDone = true;
      });
      done.catch(() => {});
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (isDone) return done;
        const leftMs = Math.min(...sleepers.map(({ untilMs }) => untilMs)) - nowMs;
        if (leftMs <= sleepMsMax) passMs(leftMs);
      }
    },
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
