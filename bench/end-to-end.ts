import { setTimeout } from 'node:timers/promises';
import { portsOf } from '#cli/ports.ts';
import { createStackReader } from '#cli/stack-reader.ts';
import { startStack } from '#local/stack.ts';
import { flow } from '#pipelines/flow.ts';
import { runChild } from './child.ts';
import { type Meter, startMeter } from './meter.ts';
import { type Push, type Pushed, probeIp } from './push.ts';

/** One load on the embedded AWS. */
export interface EndToEndLoad {
  /** Where the stack keeps everything; still written to when the run is over, until the process ends. */
  readonly folder: string;
  /** Pushed before anything is measured. */
  readonly warmupEventCount: number;
  readonly eventCount: number;
  readonly eventsPerSecond: number;
  readonly linesPerRecord: number;
  readonly rawShards: number;
  readonly keyCount: number;
  readonly seed: number;
}

export interface EndToEndReport {
  /** From the first put until every event was counted. */
  readonly eventsPerSecond: number;
  readonly counted: number;
  /** From handing a probe to the producer until the write of the row that shows it is answered. */
  readonly latencyMsP50: number;
  readonly latencyMsP99: number;
  /** By when every event was counted. */
  readonly billed: Meter;
}

/** A row is refreshed when a later block comes, so no probe is put at the very end. */
const withoutProbesSeconds = 10;
const pollMs = 250;
/** Without any progress for so long the run has failed. */
const stuckMs = 60_000;

/** Runs the flow pipeline from its template on the embedded AWS, with Kinesis' limits, and pushes events from a process of its own. */
async function runEndToEnd(load: EndToEndLoad): Promise<EndToEndReport> {
  const stack = await startStack({
    pipeline: flow,
    folder: load.folder,
    ports: portsOf('0'),
    props: { rawShards: load.rawShards },
    onLine: (source, line) => {
      if (/"level":"?(ERROR|WARN|error|warn)/.test(line)) process.stderr.write(`${source}: ${line}\n`);
    },
  });
  try {
    const shownMs = new Map<string, number>();
    const meter = startMeter(stack, (ip, atMs) => {
      if (!shownMs.has(ip)) shownMs.set(ip, atMs);
    });
    const reader = createStackReader(flow, stack);
    const target = {
      ...load,
      endpoint: stack.endpoints.kinesis,
      streamName: stack.rawStreams.get('flows') ?? '',
      probesBefore: Math.max(0, load.eventCount - load.eventsPerSecond * withoutProbesSeconds),
    };
    // Functions start cold, once in the life of a deployment.
    await pushElsewhere({ ...target, eventCount: load.warmupEventCount, probesBefore: 0 });
    await waitUntilCounted(load.warmupEventCount, () => reader.counts());
    const before = { ...meter };
    const pushing = pushElsewhere(target);
    const waiting = waitUntilCounted(load.warmupEventCount + load.eventCount, () => reader.counts());
    const [pushed, { counts, atMs }] = await Promise.all([pushing, waiting]);
    const billed = differenceOf(meter, before);
    const latenciesMs = pushed.probeMs
      .map((putMs, number) => (shownMs.get(probeIp(number)) ?? Number.NaN) - putMs)
      .sort((a, b) => a - b);
    return {
      eventsPerSecond: perSecond(load.eventCount, atMs - pushed.firstPutMs),
      counted: counts.counted,
      latencyMsP50: quantileOf(latenciesMs, 0.5),
      latencyMsP99: quantileOf(latenciesMs, 0.99),
      billed,
    };
  } finally {
    await stack.stop();
  }
}

async function pushElsewhere(options: Push): Promise<Pushed> {
  return (await runChild('push.ts', [JSON.stringify(options)])) as Pushed;
}

type Told = { readonly counted: number; readonly late: number; readonly rejected: number; readonly duplicates: number };

async function waitUntilCounted(
  eventCount: number,
  countsNow: () => Promise<Told>,
): Promise<{ readonly counts: Told; readonly atMs: number }> {
  let before = -1;
  let movedMs = Date.now();
  for (;;) {
    const counts = await countsNow();
    const told = counts.counted + counts.late + counts.rejected;
    if (told >= eventCount) return { counts, atMs: Date.now() };
    if (told !== before) movedMs = Date.now();
    before = told;
    if (Date.now() - movedMs > stuckMs)
      throw new Error(`${told} of ${eventCount} events are counted, and nothing has moved for ${stuckMs / 1_000} s`);
    await setTimeout(pollMs);
  }
}

function differenceOf(now: Meter, before: Meter): Meter {
  return {
    dynamodbRequests: now.dynamodbRequests - before.dynamodbRequests,
    writeUnits: now.writeUnits - before.writeUnits,
    indexWriteUnits: now.indexWriteUnits - before.indexWriteUnits,
    kinesisRequests: now.kinesisRequests - before.kinesisRequests,
    rawPutUnits: now.rawPutUnits - before.rawPutUnits,
    exchangePutUnits: now.exchangePutUnits - before.exchangePutUnits,
  };
}

function perSecond(count: number, ms: number): number {
  return count / (ms / 1_000);
}

function quantileOf(sorted: readonly number[], quantile: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? Number.NaN;
}

const [load] = process.argv.slice(2);
if (import.meta.main && load !== undefined)
  process.stdout.write(`${JSON.stringify(await runEndToEnd(JSON.parse(load) as EndToEndLoad))}\n`);
