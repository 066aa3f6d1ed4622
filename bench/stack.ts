import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChild } from './child.ts';
import type { EndToEndLoad, EndToEndReport } from './end-to-end.ts';
import { tableOf, whole } from './table.ts';

/** The whole stack on the embedded AWS: how fast, how soon, and what AWS would bill. */
export async function benchStack(eventCount: number, seed: number): Promise<string> {
  const common = { warmupEventCount: 20_000, eventCount, keyCount: 1_000, seed };
  const loads: readonly Omit<EndToEndLoad, 'folder'>[] = [
    { ...common, rawShards: 2, linesPerRecord: 10, eventsPerSecond: 10_000 },
    { ...common, rawShards: 4, linesPerRecord: 10, eventsPerSecond: 20_000 },
    { ...common, rawShards: 12, linesPerRecord: 1, eventsPerSecond: 12_000 },
  ];
  const lines: string[][] = [];
  for (const load of loads) lines.push(cellsOf(load, await runElsewhere(load)));
  const text = `The flow pipeline on the embedded AWS, with Kinesis' limits: ${whole(common.eventCount)} events of ${whole(common.keyCount)} keys. events/s from the first put until all are counted; latency from handing an event to the producer until the write of the row that shows it is answered.`;
  const head = [
    'raw shards',
    'lines/record',
    'offered/s',
    'events/s',
    'latency p50 s',
    'p99 s',
    'write units/1,000',
    'of the index',
    'raw put units',
    'exchange put units',
    'DynamoDB requests',
    'Kinesis requests',
    'counted',
  ];
  return `${text}\n\n${tableOf(head, lines)}\n`;
}

async function runElsewhere(load: Omit<EndToEndLoad, 'folder'>): Promise<EndToEndReport> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    return (await runChild('end-to-end.ts', [JSON.stringify({ ...load, folder })])) as EndToEndReport;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function cellsOf(load: Omit<EndToEndLoad, 'folder'>, report: EndToEndReport): string[] {
  const { billed } = report;
  const perThousand = (count: number): string => ((count / load.eventCount) * 1_000).toFixed(1);
  const lost = load.eventCount + load.warmupEventCount - report.counted;
  return [
    String(load.rawShards),
    String(load.linesPerRecord),
    whole(load.eventsPerSecond),
    whole(report.eventsPerSecond),
    (report.latencyMsP50 / 1_000).toFixed(1),
    (report.latencyMsP99 / 1_000).toFixed(1),
    perThousand(billed.writeUnits),
    perThousand(billed.indexWriteUnits),
    perThousand(billed.rawPutUnits),
    perThousand(billed.exchangePutUnits),
    perThousand(billed.dynamodbRequests),
    perThousand(billed.kinesisRequests),
    lost === 0 ? 'all' : `${whole(lost)} MISSING`,
  ];
}
