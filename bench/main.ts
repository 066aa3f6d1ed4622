import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { CheckpointLoad, CheckpointReport } from './checkpoint.ts';
import { runChild } from './child.ts';
import type { EndToEndLoad, EndToEndReport } from './end-to-end.ts';
import { benchEngine } from './engine.ts';
import type { SpillLoad, SpillReport } from './spill.ts';
import { tableOf, whole } from './table.ts';
import { benchHandOver, benchReplay, benchThreads } from './worker.ts';

const usage = `npm run bench                      everything, about ten minutes
npm run bench -- --only engine     queries in the engine beside a loop by hand; --baseline check fails when a ratio has fallen by 15 %,
                                   --baseline write makes what was measured the baseline
npm run bench -- --only checkpoint what a checkpoint costs by what has changed, and a restore of --state-mb (of JSON; 1000 takes minutes)
npm run bench -- --only threads    the worker's threads, two against one
npm run bench -- --only replay     the memory that a replay at full speed takes, by shards
npm run bench -- --only hand-over  how long a worker with --state-mb (of JSON) takes to hand over
npm run bench -- --only spill      state larger than memory: --spill-mb of it, as JSON, in a process of 2 GB (10000 takes half an hour)
npm run bench -- --only end-to-end the whole stack on the embedded AWS`;

const known = {
  help: { type: 'boolean' },
  only: { type: 'string' },
  rounds: { type: 'string', default: '5' },
  baseline: { type: 'string' },
  events: { type: 'string', default: '400000' },
  keys: { type: 'string', default: '100000' },
  'state-mb': { type: 'string', default: '50' },
  'spill-mb': { type: 'string', default: '2000' },
  seed: { type: 'string', default: '1' },
} as const;
const { values: options } = optionsGiven();
for (const name of ['rounds', 'events', 'keys', 'state-mb', 'spill-mb', 'seed'] as const)
  if (!Number.isSafeInteger(Number(options[name])) || Number(options[name]) < 1)
    refuse(`--${name} is ${JSON.stringify(options[name])}; it must be a whole number of at least 1.`);
const seed = Number(options.seed);

/** Of a task of 2 GB, as infra/worker.ts divides it: what V8 may use, and of that the state. */
const taskMb = 2_048;
const heapMb = Math.floor(taskMb * 0.75);
const stateMb = Math.floor(taskMb * 0.3);
/** As JSON, with its key. */
const bytesPerKey = 546;
/** By key: three in four of all keys come, most of them once or twice. */
const recordsPerKey = 1.4;
/** A process that has all in memory may take most of this machine's, and is measured with the same keys, or as many as fit. */
const heapInMemoryMb = Math.floor((totalmem() * 0.85) / 2 ** 20);
/** Of memory, by key that may come. */
const memoryBytesPerKey = 680;
const keysInMemoryMax = Math.floor((totalmem() * 0.7) / memoryBytesPerKey);

print(`Node ${process.version}, ${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? 'an unknown kind'}\n`);
const stateBytes = Number(options['state-mb']) * 1e6;
const parts = {
  engine: benchQueries,
  checkpoint: benchCheckpoint,
  spill: benchSpill,
  threads: async () => print(await benchThreads()),
  replay: async () => print(await benchReplay()),
  'hand-over': async () => print(await benchHandOver(stateBytes)),
  'end-to-end': benchEndToEnd,
};
const isKnown = options.only === undefined || options.only in parts;
if (options.help === true || !isKnown) {
  print(isKnown ? usage : `--only is one of ${Object.keys(parts).join(', ')}.`);
  process.exit(isKnown ? 0 : 1);
}
for (const [name, bench] of Object.entries(parts))
  if (options.only === undefined || options.only === name) await bench();

function optionsGiven() {
  try {
    return parseArgs({ options: known });
  } catch (error) {
    return refuse(`${(error as Error).message}.`);
  }
}

function refuse(what: string): never {
  process.stderr.write(`bench: ${what} The options are --${Object.keys(known).join(', --')}.\n`);
  process.exit(1);
}

async function benchQueries(): Promise<void> {
  const rounds = Number(options.rounds);
  const baseline = options.baseline;
  if (baseline !== undefined && baseline !== 'check' && baseline !== 'write')
    throw new Error(`--baseline is check or write, not ${baseline}`);
  print(
    `Queries in the engine, beside one another and a loop by hand, ${rounds} rounds in turn, each in a fresh process. Medians; of memory the most.\n`,
  );
  const { text, fallen } = await benchEngine({ rounds, seed, ...(baseline && { baseline }) });
  print(text);
  for (const name of fallen) print(`FALLEN by more than 15 %: ${name}`);
  if (fallen.length > 0) process.exitCode = 1;
}

async function benchCheckpoint(): Promise<void> {
  const keyCount = Number(options.keys);
  const changedCounts = [0.01, 0.1, 1].map((share) => Math.ceil(keyCount * share));
  const report = await runCheckpoints({ keyCount, changedCounts, missedCount: 0 });
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

  const stateKeys = Math.ceil((Number(options['state-mb']) * 1e6) / (report.stateBytes / keyCount));
  const missedCount = Math.min(stateKeys, 1_000_000);
  print(
    `The restore of a base, after it was saved, and then of ${whole(missedCount)} records that came meanwhile: with all memory, and in a task of 2 GB.\n`,
  );
  const head = [
    'memory',
    'keys',
    'MB of JSON',
    'stored MB',
    'objects',
    'save s',
    'memory grown by MB',
    'restore s',
    'catch up s',
    'peak RSS MB',
  ];
  const restores: string[][] = [];
  for (const memoryMb of [undefined, stateMb]) {
    const load = { keyCount: stateKeys, changedCounts: [], missedCount, ...(memoryMb && { memoryMb }) };
    const { saves, restoreMs, catchUpMs, rssBytesMax, stateBytes } = await runCheckpoints(load);
    const [base] = saves;
    restores.push([
      memoryMb === undefined ? 'all' : '2 GB',
      whole(stateKeys),
      megabytes(stateBytes),
      megabytes(base?.storedBytes ?? 0),
      String(base?.objectCount),
      ((base?.ms ?? 0) / 1_000).toFixed(1),
      megabytes(base?.rssBytesGrown ?? 0),
      (restoreMs / 1_000).toFixed(1),
      (catchUpMs / 1_000).toFixed(1),
      megabytes(rssBytesMax),
    ]);
  }
  print(`${tableOf(head, restores)}\n`);
}

async function runCheckpoints(load: CheckpointLoad): Promise<CheckpointReport> {
  // A large state needs more than Node takes by itself.
  const heap = load.memoryMb === undefined ? Math.floor((totalmem() * 0.7) / 2 ** 20) : heapMb;
  const nodeOptions = ['--expose-gc', `--max-old-space-size=${heap}`];
  return (await runChild('checkpoint.ts', [JSON.stringify(load)], nodeOptions)) as CheckpointReport;
}

async function benchSpill(): Promise<void> {
  const lines: string[][] = [];
  const keyCount = Math.ceil((Number(options['spill-mb']) * 1e6) / bytesPerKey / (1 - Math.exp(-recordsPerKey)));
  const loadOf = (keys: number): Pick<SpillLoad, 'keyCount' | 'recordCount'> => ({
    keyCount: keys,
    recordCount: Math.ceil(keys * recordsPerKey),
  });
  for (const [operator, mix, share] of [
    ['windows', 'even', 1],
    ['windows', 'hot', 1],
    // Its records are read back one by one when it closes, and take so long.
    ['sessions', 'even', 0.1],
    ['sessions', 'hot', 0.1],
  ] as const) {
    const keys = Math.ceil(keyCount * share);
    const inMemory = await runSpill({ operator, mix, ...loadOf(Math.min(keys, keysInMemoryMax)) }, heapInMemoryMb);
    const load = { operator, mix, ...loadOf(keys), memoryMb: stateMb };
    const spilled = await runSpill(load, heapMb);
    lines.push(cellsOfSpill(operator, mix, inMemory), cellsOfSpill(operator, mix, spilled, inMemory));
    if (spilled.counted !== load.recordCount) throw new Error('state that was spilled has lost records');
  }
  print(
    `State in one slot that grows until all of it closes: a count, a sum and a text of 500 characters a key. With all memory, or in a process whose heap is bounded at ${heapMb} MB and whose state at ${stateMb} MB of it (a task of 2 GB). Even: any key is as likely as any other; hot: nine in ten records are of one key in a hundred. Memory is that which is no file's, at its most.\n`,
  );
  const head = [
    'step',
    'keys are',
    'state MB',
    'disk MB',
    'memory MB',
    'records',
    'fill s',
    'all s',
    'records/s',
    'by CPU',
    'ratio',
    'by CPU',
  ];
  print(`${tableOf(head, lines)}\n`);
}

async function runSpill(load: SpillLoad, heap: number): Promise<SpillReport> {
  return (await runChild('spill.ts', [JSON.stringify(load)], [`--max-old-space-size=${heap}`])) as SpillReport;
}

function cellsOfSpill(operator: string, mix: string, report: SpillReport, inMemory?: SpillReport): string[] {
  const ratioOf = (name: 'recordsPerSecond' | 'recordsPerCpuSecond'): string =>
    inMemory === undefined ? '1' : (report[name] / inMemory[name]).toFixed(2);
  return [
    operator,
    mix,
    megabytes(report.stateBytes),
    megabytes(report.diskBytesMax),
    megabytes(report.anonymousBytesMax),
    whole(report.counted),
    report.fillSeconds.toFixed(0),
    report.seconds.toFixed(0),
    whole(report.recordsPerSecond),
    whole(report.recordsPerCpuSecond),
    ratioOf('recordsPerSecond'),
    ratioOf('recordsPerCpuSecond'),
  ];
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
