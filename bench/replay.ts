import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { wallClock } from '#shared/adapters/clock.ts';
import { createMemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import { createMemoryDeadLetters } from '#shared/adapters/memory/dead-letters.ts';
import { createMemoryLeaseStore } from '#shared/adapters/memory/lease-store.ts';
import { createMemoryResultStore } from '#shared/adapters/memory/result-store.ts';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { spawnThread } from '#shared/adapters/thread.ts';
import type { ExchangeReader, ExchangeRecord } from '#shared/ports/exchange-reader.ts';
import { encodeBlock } from '#shared/runtime/block-codec.ts';
import { ReadBudget } from '#shared/runtime/read-budget.ts';
import { createWorker } from '#shared/runtime/worker.ts';
import { flowBlock, windowsAndSessions } from './flow-block.ts';

/** A backlog of the exchange, in a folder: one slot a shard. */
export interface Backlog {
  readonly folder: string;
  readonly shardCount: number;
  readonly blocksPerShard: number;
  readonly outputsPerBlock: number;
  readonly keysPerShard: number;
}

export interface ReplayLoad {
  readonly backlog: Backlog;
  /** By thread, the shards that it reads. */
  readonly threads: readonly (readonly number[])[];
  readonly readBudgetBytes?: number;
}

export interface ReplayReport {
  readonly recordCount: number;
  readonly backlogBytes: number;
  readonly stateKeys: number;
  /** From when a quarter was read, by code that is compiled then, until the last block was applied, in the slowest thread. */
  readonly ms: number;
  /** Records that this time was for. */
  readonly warmRecordCount: number;
  readonly rssBytesMax: number;
  /** Read and not yet applied, at most, in one thread. */
  readonly heldBytesMax: number;
}

type Share = Omit<ReplayReport, 'rssBytesMax'>;

/** What a read of Kinesis gives at most. */
const readBytesMax = 10 * 1_024 * 1_024;

/** Writes what is to be replayed: the same keys again and again, so that the state is small beside it. */
export function writeBacklog(backlog: Backlog): void {
  const { compiled } = windowsAndSessions(backlog.shardCount);
  mkdirSync(backlog.folder, { recursive: true });
  for (let slot = 0; slot < backlog.shardCount; slot += 1) {
    const file = openSync(join(backlog.folder, `${slot}`), 'w');
    const sizes: number[] = [];
    for (let block = 0; block < backlog.blocksPerShard; block += 1) {
      const keys = Array.from({ length: backlog.outputsPerBlock }, (_, index) => {
        const nth = (block * backlog.outputsPerBlock + index) * 7_919;
        return slot * backlog.keysPerShard + (nth % backlog.keysPerShard);
      });
      const bytes = encodeBlock(flowBlock(compiled, { slot, sequence: block + 1, keys, ipOf }));
      writeSync(file, bytes);
      sizes.push(bytes.length);
    }
    closeSync(file);
    writeFileSync(join(backlog.folder, `${slot}.json`), JSON.stringify(sizes));
  }
}

/** 64 characters that do not compress, so that a read of full size has not too many records. */
function ipOf(key: number): string {
  return createHash('sha256').update(String(key)).digest('hex');
}

/** Applies the shards of one thread, as fast as they can be read: leases, rows and snapshots are in memory. */
async function replay(load: ReplayLoad, shards: readonly number[]): Promise<Share> {
  const { backlog, readBudgetBytes } = load;
  const readBudget = new ReadBudget(readBudgetBytes);
  const { pipeline } = windowsAndSessions(backlog.shardCount);
  const telemetry = createMemoryTelemetry();
  const done = Promise.withResolvers<void>();
  let heldBytesMax = 0;
  const onRead = (): void => {
    heldBytesMax = Math.max(heldBytesMax, readBudget.bytes);
  };
  let startMs = Number.NaN;
  const onWarm = (): void => {
    startMs = performance.now();
  };
  const source = openBacklog({ backlog, shards, onRead, onWarm, onDone: done.resolve });
  let stateKeys = 0;
  const worker = createWorker({
    pipeline,
    worker: `bench ${shards.join()}`,
    reader: source.reader,
    state: createMemoryStateStore(),
    leases: createMemoryLeaseStore(),
    // No step feeds another.
    exchange: { put: async () => [] },
    results: createMemoryResultStore(),
    // What is stored is not what is measured.
    blobs: { ...createMemoryBlobStore(), put: async () => undefined },
    deadLetters: createMemoryDeadLetters(),
    clock: wallClock,
    telemetry: {
      ...telemetry,
      metric: (name, value) => {
        if (name === 'state_keys') stateKeys = Math.max(stateKeys, value);
      },
    },
    readBudget,
    leasePeriodMs: 10_000,
    checkpointEveryMs: 1_000_000,
  });
  const running = worker.run();
  await Promise.race([done.promise, running]);
  const ms = performance.now() - startMs;
  // Long enough for a round, which counts the keys.
  await wallClock.sleep(2_500);
  await worker.stop();
  const { blocksPerShard, outputsPerBlock } = backlog;
  const recordCount = shards.length * blocksPerShard * outputsPerBlock;
  const warmRecordCount = recordCount - source.warmBlocks * outputsPerBlock;
  return { recordCount, warmRecordCount, backlogBytes: source.bytes(), stateKeys, ms, heldBytesMax };
}

/** Every read gives as much as Kinesis would, at once. */
function openBacklog(it: {
  readonly backlog: Backlog;
  readonly shards: readonly number[];
  readonly onRead: () => void;
  readonly onWarm: () => void;
  readonly onDone: () => void;
}) {
  const { backlog, shards } = it;
  const range = (1n << 128n) / BigInt(backlog.shardCount);
  const through = new Set<string>();
  const warmBlocks = Math.floor((shards.length * backlog.blocksPerShard) / 4);
  let blocksRead = 0;
  let bytesRead = 0;
  const files = new Map(
    shards.map((slot) => {
      const sizes: readonly number[] = JSON.parse(readFileSync(join(backlog.folder, `${slot}.json`), 'utf8'));
      return [`shard-${slot}`, { file: openSync(join(backlog.folder, `${slot}`), 'r'), sizes, block: 0, at: 0 }];
    }),
  );
  const reader: ExchangeReader = {
    shards: async () =>
      shards.map((slot) => ({
        shardId: `shard-${slot}`,
        parents: [],
        startingHashKey: BigInt(slot) * range,
        endingHashKey: BigInt(slot + 1) * range - 1n,
        closed: false,
      })),
    read: async (shardId) => {
      const shard = files.get(shardId);
      if (shard === undefined) throw new Error(`there is no ${shardId}`);
      const records: ExchangeRecord[] = [];
      let size = 0;
      for (; shard.block < shard.sizes.length; shard.block += 1) {
        const length = shard.sizes[shard.block] as number;
        if (size + length > readBytesMax) break;
        const bytes = new Uint8Array(length);
        readSync(shard.file, bytes, 0, length, shard.at);
        shard.at += length;
        size += length;
        records.push({ sequence: String(shard.block + 1).padStart(20, '0'), arrivalMs: shard.block, bytes });
        blocksRead += 1;
        if (blocksRead === warmBlocks) it.onWarm();
      }
      bytesRead += size;
      it.onRead();
      if (records.length === 0) through.add(shardId);
      if (through.size === shards.length) it.onDone();
      // An answer takes some time, in which the other shards ask too.
      await wallClock.sleep(5);
      return { records, ended: false, millisBehindLatest: 0 };
    },
  };
  return { reader, warmBlocks, bytes: () => bytesRead };
}

/** Runs the load in this process, in as many threads as it says. */
async function measureReplay(load: ReplayLoad): Promise<ReplayReport> {
  const shares = await Promise.all(load.threads.map((shards) => replayInThread({ load, shards })));
  const sum = (of: (share: Share) => number) => shares.reduce((total, share) => total + of(share), 0);
  return {
    recordCount: sum((share) => share.recordCount),
    warmRecordCount: sum((share) => share.warmRecordCount),
    backlogBytes: sum((share) => share.backlogBytes),
    stateKeys: sum((share) => share.stateKeys),
    ms: Math.max(...shares.map((share) => share.ms)),
    heldBytesMax: Math.max(...shares.map((share) => share.heldBytesMax)),
    rssBytesMax: process.resourceUsage().maxRSS * 1_024,
  };
}

function replayInThread(order: { readonly load: ReplayLoad; readonly shards: readonly number[] }): Promise<Share> {
  // As in a task of 2 GB for each two threads.
  const worker = spawnThread(new URL(import.meta.url), order, 768);
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

const [text] = process.argv.slice(2);
if (!isMainThread) parentPort?.postMessage(await replay(workerData.load, workerData.shards));
else if (import.meta.main && text !== undefined)
  process.stdout.write(`${JSON.stringify(await measureReplay(JSON.parse(text) as ReplayLoad))}\n`);
