import { setTimeout } from 'node:timers/promises';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { localClient } from '#local/client.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createKinesisProducer } from '#shared/adapters/kinesis/producer.ts';
import { boundsOf, createFlows, type Load, lineOf } from './load.ts';

// The producer is a process of its own: the one with the embedded AWS has enough to do.

/** What it is started with, as JSON. */
export interface Push {
  readonly load: Load;
  readonly endpoint: string;
  readonly streamName: string;
  readonly eventsPerSecond: number | undefined;
}

/** What it is told while it runs. */
export interface Permission {
  /** So many records may be pushed in all; the rest waits until more are counted. */
  readonly countMax: number;
  /** Time is up: push no more. */
  readonly isOver: boolean;
}

/** What it says while it runs. */
export interface Pushed {
  readonly count: number;
  /** No more will follow, and every shard was told so. */
  readonly isDone: boolean;
}

const linesPerRecord = 25;
const pauseMs = 20;

async function push({ load, endpoint, streamName, eventsPerSecond }: Push): Promise<void> {
  const client = new KinesisClient(localClient(endpoint));
  const producer = createKinesisProducer({ client, streamName, clock: wallClock });
  const next = createFlows(load);
  const encoder = new TextEncoder();
  let permission: Permission = { countMax: 0, isOver: false };
  process.on('message', (message) => {
    permission = message as Permission;
  });
  const startMs = performance.now();
  let made = 0;
  while (made < load.eventCount && !permission.isOver) {
    const dueCount = ((performance.now() - startMs) / 1_000) * (eventsPerSecond ?? Number.POSITIVE_INFINITY);
    const countMax = Math.min(load.eventCount, permission.countMax, dueCount, made + countPerTell);
    while (made < countMax) {
      let lines = '';
      for (const end = Math.min(load.eventCount, made + linesPerRecord); made < end; made += 1)
        lines += `${lineOf(next())}\n`;
      await producer.put({ data: encoder.encode(lines), partitionKey: `chaos:${made}` });
    }
    await producer.flush();
    tell({ count: made, isDone: false });
    await setTimeout(pauseMs);
  }
  await producer.punctuate(boundsOf(load, made).toMs);
  tell({ count: made, isDone: true });
  process.disconnect();
}

const countPerTell = 500 * linesPerRecord;

function tell(pushed: Pushed): void {
  process.send?.(pushed);
}

// Without its parent there is nobody to push for.
process.on('disconnect', () => process.exit());
await push(JSON.parse(process.argv[2] as string) as Push);
