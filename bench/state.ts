import { totalmem } from 'node:os';
import type { CheckpointLoad, CheckpointReport } from './checkpoint.ts';
import { runChild } from './child.ts';
import type { SpillLoad, SpillReport } from './spill.ts';
import { megabytes, tableOf, whole } from './table.ts';

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

/** What a checkpoint of `keyCount` keys costs by how many have changed, and a restore of so many bytes of JSON. */
export async function benchCheckpoint(keyCount: number, restoredBytes: number): Promise<string> {
  const changedCounts = [0.01, 0.1, 1].map((share) => Math.ceil(keyCount * share));
  const report = await runCheckpoints({ keyCount, changedCounts, missedCount: 0 });
  const saved = `A checkpoint of windows and sessions of ${whole(keyCount)} keys, ${megabytes(report.stateBytes)} MB of JSON, in one slot, by how many keys have changed. Into a folder: what S3 takes comes on top.`;
  const lines = report.saves.map(({ changedCount, storedBytes, objectCount, ms, cpuMs, rssBytesGrown }, index) => [
    index === 0 ? 'base' : 'delta',
    whole(changedCount),
    whole(storedBytes),
    String(objectCount),
    ms.toFixed(0),
    cpuMs.toFixed(0),
    megabytes(rssBytesGrown),
  ]);
  const savedHead = ['save', 'keys changed', 'bytes', 'objects', 'ms', 'CPU ms', 'memory grown by MB'];

  const stateKeys = Math.ceil(restoredBytes / (report.stateBytes / keyCount));
  const missedCount = Math.min(stateKeys, 1_000_000);
  const restored = `The restore of a base, after it was saved, and then of ${whole(missedCount)} records that came meanwhile: with all memory, and in a task of 2 GB.`;
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
  return `${saved}\n\n${tableOf(savedHead, lines)}\n\n${restored}\n\n${tableOf(head, restores)}\n`;
}

async function runCheckpoints(load: CheckpointLoad): Promise<CheckpointReport> {
  // A large state needs more than Node takes by itself.
  const heap = load.memoryMb === undefined ? Math.floor((totalmem() * 0.7) / 2 ** 20) : heapMb;
  const nodeOptions = ['--expose-gc', `--max-old-space-size=${heap}`];
  return (await runChild('checkpoint.ts', [JSON.stringify(load)], nodeOptions)) as CheckpointReport;
}

/** State of so many bytes of JSON, in memory and in a process that has not enough of it. */
export async function benchSpill(stateBytes: number): Promise<string> {
  const lines: string[][] = [];
  const keyCount = Math.ceil(stateBytes / bytesPerKey / (1 - Math.exp(-recordsPerKey)));
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
  const text = `State in one slot that grows until all of it closes: a count, a sum and a text of 500 characters a key. With all memory, or in a process whose heap is bounded at ${heapMb} MB and whose state at ${stateMb} MB of it (a task of 2 GB). Even: any key is as likely as any other; hot: nine in ten records are of one key in a hundred. Memory is that which is no file's, at its most.`;
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
  return `${text}\n\n${tableOf(head, lines)}\n`;
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
