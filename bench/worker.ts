import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { runChild } from './child.ts';
import type { HandOverLoad, HandOverReport } from './hand-over.ts';
import { type Backlog, type ReplayLoad, type ReplayReport, writeBacklog } from './replay.ts';
import { megabytes, tableOf, whole } from './table.ts';

/** Of windows and sessions of a key each, as `--only checkpoint` measures them. */
const stateBytesPerKey = 78;

const oneThread = [[0, 1, 2, 3]];
const twoThreads = [
  [0, 1],
  [2, 3],
];

/**
 * The same backlog of four shards, by one thread of a process and by two: in turn, so that what else runs on the machine hits both. V8 gives a
 * thread some help from others, for which the second core is free beside one thread, and not beside two: so there is one on one core too, as in a
 * task of 1 vCPU.
 */
export async function benchThreads(rounds = 3): Promise<string> {
  return withBacklog(
    { shardCount: 4, blocksPerShard: 1_200, outputsPerBlock: 2_000, keysPerShard: 2_000 },
    async (backlog) => {
      const kinds = [
        { name: '1', threads: oneThread, isOnOneCore: false },
        { name: '2', threads: twoThreads, isOnOneCore: false },
        ...(process.platform === 'linux' ? [{ name: '1, on one core', threads: oneThread, isOnOneCore: true }] : []),
      ].map((kind) => ({ ...kind, reports: [] as ReplayReport[] }));
      for (let round = 0; round < rounds; round += 1)
        for (const { threads, isOnOneCore, reports } of kinds)
          reports.push(await run({ backlog, threads }, isOnOneCore));
      const speedOf = (reports: readonly ReplayReport[]): number =>
        Math.max(...reports.map(({ warmRecordCount, ms }) => warmRecordCount / (ms / 1_000)));
      const one = speedOf(kinds[0]?.reports ?? []);
      const lines = kinds.map(({ name, reports }) => [
        name,
        whole(speedOf(reports)),
        (speedOf(reports) / one).toFixed(2),
        megabytes(Math.max(...reports.map(({ rssBytesMax }) => rssBytesMax))),
      ]);
      const recordCount = kinds[0]?.reports[0]?.recordCount ?? 0;
      return `A backlog of ${whole(recordCount)} records in 4 shards, replayed by the threads of one process; the best of ${rounds} rounds in turn.\n\n${tableOf(['threads', 'records/s', 'to one', 'peak RSS MB'], lines)}\n`;
    },
  );
}

/** The same bytes for each shard; the state held is small. */
export async function benchReplay(): Promise<string> {
  return withBacklog(
    { shardCount: 16, blocksPerShard: 200, outputsPerBlock: 2_000, keysPerShard: 2_000 },
    async (backlog) => {
      const shards = Array.from({ length: backlog.shardCount }, (_, index) => index);
      const bounds = [
        { shards: shards.slice(0, 1), bound: '64 MiB' },
        { shards: shards.slice(0, 4), bound: '64 MiB' },
        { shards, bound: '64 MiB' },
        { shards, bound: 'none', readBudgetBytes: Number.MAX_SAFE_INTEGER },
      ];
      const lines: string[][] = [];
      for (const { shards: its, bound, ...limit } of bounds) {
        const report = await run({ backlog, threads: [its], ...limit });
        lines.push([
          String(its.length),
          bound,
          megabytes(report.backlogBytes),
          megabytes(report.heldBytesMax),
          whole(report.stateKeys),
          whole(report.warmRecordCount / (report.ms / 1_000)),
          megabytes(report.rssBytesMax),
        ]);
      }
      const head = ['shards', 'budget', 'backlog MB', 'read, not applied MB', 'keys held', 'records/s', 'peak RSS MB'];
      return `A backlog replayed at full speed by one thread, every read of 10 MiB.\n\n${tableOf(head, lines)}\n`;
    },
  );
}

/** A state of so many bytes of JSON in sixteen slots, of which 1 % of the keys change between two checkpoints. */
export async function benchHandOver(stateBytes: number): Promise<string> {
  const keyCount = Math.ceil(stateBytes / stateBytesPerKey);
  const load: HandOverLoad = { keyCount, slots: 16, changedPerSecond: Math.ceil(keyCount * 0.001) };
  const heap = `--max-old-space-size=${Math.floor((totalmem() * 0.7) / 2 ** 20)}`;
  const report = (await runChild('hand-over.ts', [JSON.stringify(load)], [heap])) as HandOverReport;
  const line = [
    whole(report.stateKeys / 2),
    megabytes(stateBytes),
    (report.handOverMs / 1_000).toFixed(1),
    (report.handOverCpuMs / 1_000).toFixed(1),
    whole(report.handOverBytes / 1e3),
    (report.checkpointMsMax / 1_000).toFixed(1),
  ];
  const head = ['keys', 'MB of JSON', 'hand-over s', 'CPU s', 'stored KB', 'longest checkpoint before, s'];
  return `A worker with 16 slots is asked to stop just before its next checkpoint, when 1 % of the keys have changed since the last. Into a folder.\n\n${tableOf(head, [line])}\n`;
}

async function withBacklog(
  backlog: Omit<Backlog, 'folder'>,
  use: (backlog: Backlog) => Promise<string>,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    writeBacklog({ folder, ...backlog });
    return await use({ folder, ...backlog });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function run(load: ReplayLoad, isOnOneCore = false): Promise<ReplayReport> {
  return (await runChild('replay.ts', [JSON.stringify(load)], [], isOnOneCore)) as ReplayReport;
}
