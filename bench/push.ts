import { setTimeout } from 'node:timers/promises';
import { KinesisClient, PutRecordsCommand, type PutRecordsRequestEntry } from '@aws-sdk/client-kinesis';
import { localClient } from '#local/client.ts';
import { createFlowLine } from './flow-file.ts';

/** What a producer of its own process pushes. */
export interface Push {
  readonly endpoint: string;
  readonly streamName: string;
  readonly eventCount: number;
  readonly eventsPerSecond: number;
  /** A record of Kinesis may hold several lines. */
  readonly linesPerRecord: number;
  readonly keyCount: number;
  /** Of the events before this one, each 500th is a probe: the only event of an IP of its own. */
  readonly probesBefore: number;
  readonly seed: number;
}

export interface Pushed {
  readonly firstPutMs: number;
  /** When the probe of each number was handed to the producer. */
  readonly probeMs: readonly number[];
}

const probeEveryEvents = 500;
const tickMs = 20;
const entriesMax = 500;
const refusedSleepMs = 100;

/** Pushes events by the clock, as far as Kinesis accepts them. */
export async function push(options: Push): Promise<Pushed> {
  const client = new KinesisClient(localClient(options.endpoint));
  const line = createFlowLine(options);
  const encoder = new TextEncoder();
  const probeMs: number[] = [];
  const firstPutMs = Date.now();
  for (let made = 0; made < options.eventCount; ) {
    const elapsedMs = Date.now() - firstPutMs;
    const records: PutRecordsRequestEntry[] = [];
    const due = Math.min(options.eventCount, Math.ceil((elapsedMs / 1_000) * options.eventsPerSecond));
    while (made < due) {
      let text = '';
      for (const end = Math.min(options.eventCount, made + options.linesPerRecord); made < end; made += 1) {
        const isProbe = made < options.probesBefore && made % probeEveryEvents === 0;
        text += isProbe ? probe(probeMs) : line(Date.now());
        text += '\n';
      }
      records.push({ Data: encoder.encode(text), PartitionKey: `generated:${made}` });
    }
    await putAll(client, options.streamName, records);
    await setTimeout(tickMs);
  }
  return { firstPutMs, probeMs };
}

/** As a producer does that does not aggregate: what its records cost, and how many a shard takes, is the subject here. */
async function putAll(client: KinesisClient, streamName: string, records: PutRecordsRequestEntry[]): Promise<void> {
  for (let rest = records; rest.length > 0; ) {
    const call = rest.slice(0, entriesMax);
    const { Records = [] } = await client.send(new PutRecordsCommand({ StreamName: streamName, Records: call }));
    const refused = call.filter((_, index) => Records[index]?.ErrorCode !== undefined);
    rest = [...refused, ...rest.slice(entriesMax)];
    if (refused.length > 0) await setTimeout(refusedSleepMs);
  }
}

export function probeIp(number: number): string {
  return `probe-${number}`;
}

function probe(probeMs: number[]): string {
  const nowMs = Date.now();
  probeMs.push(nowMs);
  return `{"ts":${nowMs},"ip":"${probeIp(probeMs.length - 1)}","bytes":1}`;
}

const [options] = process.argv.slice(2);
if (import.meta.main && options !== undefined)
  process.stdout.write(`${JSON.stringify(await push(JSON.parse(options) as Push))}\n`);
