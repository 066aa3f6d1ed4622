import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { CheckpointLoad, CheckpointReport } from './checkpoint.ts';
import { runChild } from './child.ts';
import type { EndToEndLoad, EndToEndReport } from './end-to-end.ts';
import { compareEngine, type EngineComparison } from './engine.ts';
import { tableOf, whole } from './table.ts';
import { benchHandOver, benchReplay, benchThreads } from './worker.ts';

// npm run bench                      everything, about ten minutes
// npm run bench -- --only engine     the engine beside a loop by hand
// npm run bench -- --only checkpoint what a checkpoint costs by what has changed, and a restore of --state-mb (of JSON; 1000 takes minutes)
// npm run bench -- --only threads    the worker's threads, two against one
// npm run bench -- --only replay     the memory that a replay at full speed takes, by shards
// npm run bench -- --only hand-over  how long a worker with --state-mb (of JSON) takes to hand over
// npm run bench -- --only end-to-end the whole stack on the embedded AWS

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    records: { type: 'string', default: '2000000' },
    events: { type: 'string', default: '400000' },
    keys: { type: 'string', default: '100000' },
    'state-mb': { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
  },
});
const seed = Number(options.seed);

print(`Node ${process.version}, ${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? 'an unknown kind'}\n`);
const stateBytes = Number(options['state-mb']) * 1e6;
const parts = {
  engine: benchEngine,
  checkpoint: benchCheckpoint,
  threads: async () => print(await benchThreads()),
  replay: async () => print(await benchReplay()),
  'hand-over': async () => print(await benchHandOver(stateBytes)),
  'end-to-end': benchEndToEnd,
};
for (const [name, bench] of Object.entries(parts))
  if (options.only === undefined || options.only === name) await bench();

async function benchEngine(): Promise<void> {
  const lines: string[][] = [];
  for (const keyCount of [1_000, 10_000, 100_000]) {
    const rounds = Number(options.rounds);
    lines.push(...linesOf(await compareEngine({ recordCount: Number(options.records), keyCount, rounds, seed })));
  }
  print(
    `The flow pipeline in the engine and the same query by hand: ${whole(Number(options.records))} records, ${options.rounds} rounds in turn, each in a fresh process. Medians; of memory the most.\n`,
  );
  const head = ['keys', 'side', 'records/s', 'records/CPU s', 'CPU s', 'peak RSS MB', 'rows', 'engine / hand'];
  print(`${tableOf(head, lines)}\n`);
}

function linesOf({ keyCount, rowCount, engine, hand, ratio, isSame }: EngineComparison): string[][] {
  return ([engine, hand] as const).map((side) => [
    whole(keyCount),
    side === engine ? 'engine' : 'hand',
    whole(side.recordsPerSecond),
    whole(side.recordsPerCpuSecond),
    side.cpuSeconds.toFixed(2),
    whole(side.rssBytesMax / 1e6),
    `${whole(rowCount)}${isSame ? ', the same' : ', DIFFERENT'}`,
    side === engine ? ratio.toFixed(2) : '1',
  ]);
}

async function benchCheckpoint(): Promise<void> {
  const keyCount = Number(options.keys);
  const changedCounts = [0.01, 0.1, 1].map((share) => Math.ceil(keyCount * share));
  const report = await runCheckpoints({ keyCount, changedCounts });
  print(
    `A checkpoint of windows and sessions of ${whole(keyCount)} keys, ${megabytes(report.stateBytes)} MB of JSON, in one slot, by how many keys have changed. Into a folder: what S3 takes comes on top.\n`,
  );
  const lines = report.saves.map(({ changedCount, storedBytes, objectCount, ms, cpuMs, rssBytesGrown }, index) => [
    index === 0 ? 'base' : 'delta',
    whole(changedCount),
    whole(storedBytes),
    String(objectCount),
    ms.toFixed(0),
    cpuMs.toFixed(0),
    megabytes(rssBytesGrown),
  ]);
  print(`${tableOf(['save', 'keys changed', 'bytes', 'objects', 'ms', 'CPU ms', 'memory grown by MB'], lines)}\n`);

  const bytesPerKey = report.stateBytes / keyCount;
  const stateKeys = Math.ceil((Number(options['state-mb']) * 1e6) / bytesPerKey);
  const { saves, restoreMs, rssBytesMax, stateBytes } = await runCheckpoints({
    keyCount: stateKeys,
    changedCounts: [],
  });
  const [base] = saves;
  print('The restore of a base, after it was saved.\n');
  const head = [
    'keys',
    'MB of JSON',
    'stored MB',
    'objects',
    'save s',
    'memory grown by MB',
    'restore s',
    'peak RSS MB',
  ];
  const line = [
    whole(stateKeys),
    megabytes(stateBytes),
    megabytes(base?.storedBytes ?? 0),
    String(base?.objectCount),
    ((base?.ms ?? 0) / 1_000).toFixed(1),
    megabytes(base?.rssBytesGrown ?? 0),
    (restoreMs / 1_000).toFixed(1),
    megabytes(rssBytesMax),
  ];
  print(`${tableOf(head, [line])}\n`);
}

async function runCheckpoints(load: CheckpointLoad): Promise<CheckpointReport> {
  // A large state needs more than Node takes by itself.
  const nodeOptions = ['--expose-gc', `--max-old-space-size=${Math.floor((totalmem() * 0.7) / 2 ** 20)}`];
  return (await runChild('checkpoint.ts', [JSON.stringify(load)], nodeOptions)) as CheckpointReport;
}

async function benchEndToEnd(): Promise<void> {
  const common = { warmupEventCount: 20_000, eventCount: Number(options.events), keyCount: 1_000, seed };
  const loads: readonly Omit<EndToEndLoad, 'folder'>[] = [
    { ...common, rawShards: 2, linesPerRecord: 10, eventsPerSecond: 10_000 },
    { ...common, rawShards: 4, linesPerRecord: 10, eventsPerSecond: 20_000 },
    { ...common, rawShards: 12, linesPerRecord: 1, eventsPerSecond: 12_000 },
  ];
  const lines: string[][] = [];
  for (const load of loads) lines.push(cellsOf(load, await runElsewhere(load)));
  print(
    `The flow pipeline on the embedded AWS, with Kinesis' limits: ${whole(common.eventCount)} events of ${whole(common.keyCount)} keys. events/s from the first put until all are counted; latency from handing an event to the producer until the write of the row that shows it is answered.\n`,
  );
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
  print(tableOf(head, lines));
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

function megabytes(bytes: number): string {
  return whole(bytes / 1e6);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
