import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { wallClock } from '#shared/adapters/clock.ts';
import { createMemoryDeadLetters } from '#shared/adapters/memory/dead-letters.ts';
import { createMemoryLeaseStore } from '#shared/adapters/memory/lease-store.ts';
import { createMemoryResultStore } from '#shared/adapters/memory/result-store.ts';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import type { ExchangeBatch, ExchangeReader } from '#shared/ports/exchange-reader.ts';
import { encodeBlock } from '#shared/runtime/block-codec.ts';
import { createWorker } from '#shared/runtime/worker.ts';
import { openFolder } from './checkpoint.ts';
import { flowBlock, windowsAndSessions } from './flow-block.ts';

export interface HandOverLoad {
  readonly keyCount: number;
  readonly slots: number;
  /** When all keys are there. */
  readonly changedPerSecond: number;
}

export interface HandOverReport {
  readonly stateKeys: number;
  /** From the wish to stop until everything is stored and the leases are free. */
  readonly handOverMs: number;
  /** Of all threads: what else runs on the machine changes it less. */
  readonly handOverCpuMs: number;
  /** Of the last delta of every slot. */
  readonly handOverBytes: number;
  /** The longest checkpoint before, which held a base of some slots. */
  readonly checkpointMsMax: number;
}

/** Checkpoints are 10 s apart. */
const almostCheckpointMs = 9_500;
const outputsPerBlock = 10_000;
const secondsPerLiveBlock = 0.25;

/**
 * A worker with one shard of all slots reads blocks until every key is in its state, then as many changes as `changedPerSecond` says, with
 * checkpoints as always, and is asked to stop. Leases, rows and checkpoints are in memory and snapshots in a folder: what AWS takes to
 * answer comes on top.
 */
async function measureHandOver(load: HandOverLoad): Promise<HandOverReport> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const { pipeline, compiled } = windowsAndSessions(load.slots);
    const loaded = Promise.withResolvers<void>();
    const telemetry = createMemoryTelemetry();
    let handOverBytes = 0;
    let isStopping = false;
    let stateKeys = 0;
    let onCheckpoint: () => void = () => undefined;
    let checkpointMsMax = 0;
    const { blobs } = openFolder(folder);
    const worker = createWorker({
      pipeline,
      worker: 'bench',
      reader: liveReader(compiled, load, loaded.resolve),
      state: createMemoryStateStore(),
      leases: createMemoryLeaseStore(),
      // No step feeds another.
      exchange: { put: async () => [] },
      results: createMemoryResultStore(),
      blobs: {
        ...blobs,
        put: async (key, bytes) => {
          if (isStopping) handOverBytes += bytes.length;
          await blobs.put(key, bytes);
        },
      },
      deadLetters: createMemoryDeadLetters(),
      clock: wallClock,
      telemetry: {
        ...telemetry,
        metric: (name, value, labels) => {
          if (name === 'state_keys') stateKeys = Math.max(stateKeys, value);
          if (name === 'checkpoint_duration_ms' && !isStopping) {
            checkpointMsMax = Math.max(checkpointMsMax, value);
            onCheckpoint();
          }
          telemetry.metric(name, value, labels);
        },
      },
    });
    const running = worker.run();
    await Promise.race([loaded.promise, running]);
    // The moment at which the most has changed: just before the next checkpoint.
    const checkpoint = new Promise<void>((resolve) => {
      onCheckpoint = resolve;
    });
    await checkpoint;
    await setTimeout(almostCheckpointMs);
    const startMs = performance.now();
    const startCpu = process.cpuUsage();
    isStopping = true;
    await worker.stop();
    const handOverMs = performance.now() - startMs;
    const { user, system } = process.cpuUsage(startCpu);
    return { stateKeys, handOverMs, handOverCpuMs: (user + system) / 1_000, handOverBytes, checkpointMsMax };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Gives each slot its share of the keys as fast as it is asked, then changes in time. */
function liveReader(
  compiled: ReturnType<typeof windowsAndSessions>['compiled'],
  load: HandOverLoad,
  onLoaded: () => void,
): ExchangeReader {
  const { keyCount, slots, changedPerSecond } = load;
  let sequence = 0;
  let nextKey = 0;
  let liveMs = 0;
  const blockOf = (keys: readonly number[]) => {
    sequence += 1;
    const block = flowBlock(compiled, { slot: sequence % slots, sequence, keys });
    return { sequence: String(sequence).padStart(10, '0'), arrivalMs: sequence, bytes: encodeBlock(block) };
  };
  const keysFrom = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);
  const batch = (records: ExchangeBatch['records']) => ({ records, ended: false, millisBehindLatest: 0 });
  const all = { startingHashKey: 0n, endingHashKey: (1n << 128n) - 1n };
  return {
    shards: async () => [{ shardId: 'shard', parents: [], ...all, closed: false }],
    read: async () => {
      if (nextKey < keyCount) {
        const record = blockOf(keysFrom(nextKey, Math.min(outputsPerBlock, keyCount - nextKey)));
        nextKey += outputsPerBlock;
        return batch([record]);
      }
      onLoaded();
      // Each turn changes as many keys of one slot, which are the ones that it has seen.
      await setTimeout(Math.max(0, liveMs + secondsPerLiveBlock * 1_000 - performance.now()));
      liveMs = performance.now();
      const count = Math.ceil(changedPerSecond * secondsPerLiveBlock);
      const round = Math.floor(Math.random() * Math.floor(keyCount / outputsPerBlock / slots));
      return batch([blockOf(keysFrom((round * slots + (sequence % slots)) * outputsPerBlock, count))]);
    },
  };
}

const [load] = process.argv.slice(2);
if (import.meta.main && load !== undefined)
  process.stdout.write(`${JSON.stringify(await measureHandOver(JSON.parse(load) as HandOverLoad))}\n`);
