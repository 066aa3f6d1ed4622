import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createDiskRunStore } from '#shared/adapters/disk/run-store.ts';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import { Overflow } from '#shared/engine/state/overflow.ts';
import { restoreSlot, type SnapshotOptions, type StoredSnapshot, saveSlot } from '#shared/runtime/snapshots.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { flowBlock, windowsAndSessions } from './flow-block.ts';

export interface CheckpointLoad {
  readonly keyCount: number;
  /** How many keys change before each save behind the first, which has them all. */
  readonly changedCounts: readonly number[];
  /** Records that came while nobody read. */
  readonly missedCount: number;
  /** For the state, in MB as the engine estimates them; undefined: all in memory. */
  readonly memoryMb?: number;
}

export interface CheckpointReport {
  /** The whole state, as JSON. */
  readonly stateBytes: number;
  readonly saves: readonly SaveReport[];
  /** Of all that was saved. */
  readonly restoreMs: number;
  /** Of what was missed. */
  readonly catchUpMs: number;
  /** While it was restored and caught up. */
  readonly rssBytesMax: number;
}

export interface SaveReport {
  readonly changedCount: number;
  readonly storedBytes: number;
  readonly objectCount: number;
  readonly ms: number;
  /** Of all threads: what else runs on the machine changes it less. */
  readonly cpuMs: number;
  /** By how much the process grew meanwhile. */
  readonly rssBytesGrown: number;
}

/** One slot with windows and sessions of the same keys, a count and a sum each; nothing closes. The bucket is a folder. */
async function measureCheckpoints(load: CheckpointLoad): Promise<CheckpointReport> {
  const { keyCount, changedCounts, missedCount, memoryMb } = load;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const bucket = openFolder(folder);
    const overflow =
      memoryMb === undefined
        ? undefined
        : new Overflow(createDiskRunStore(join(folder, 'runs')), { bytesMax: memoryMb * 1e6 });
    const options: SnapshotOptions = {
      pipeline: compiled,
      state: createMemoryStateStore(),
      blobs: bucket.blobs,
      telemetry: createMemoryTelemetry(),
      owner: 'bench',
      // What a delta costs is asked here, even of all keys.
      snapshotLimits: { deltaShareMax: Number.POSITIVE_INFINITY },
      ...(overflow && { overflow }),
    };
    let stage = new MemoryStage(compiled, 0, { overflow });
    const saves: SaveReport[] = [];
    let stored: StoredSnapshot | undefined;
    let stateBytes = 0;
    for (const changedCount of [keyCount, ...changedCounts]) {
      touchKeys(stage, keyCount, changedCount);
      const rssBytes = process.memoryUsage.rss();
      bucket.reset();
      const startMs = performance.now();
      const startCpu = process.cpuUsage();
      const { snapshot, bytes } = await saveSlot(options, stage, stored);
      const ms = performance.now() - startMs;
      const { user, system } = process.cpuUsage(startCpu);
      stored = snapshot;
      const { objectCount } = snapshot.manifest.chain.deltas.at(-1) ?? snapshot.manifest.chain.base;
      const rssBytesGrown = bucket.rssBytesMax - rssBytes;
      saves.push({ changedCount, storedBytes: bytes, objectCount, ms, cpuMs: (user + system) / 1_000, rssBytesGrown });
    }
    for (const entry of stage.beginSave('base').entries) stateBytes += JSON.stringify(entry).length;
    const savedCount = stage.keyCount;
    stage.endSave(true);
    stage.close();
    // A worker that restores has nothing else in memory.
    stage = new MemoryStage(compiled, 0);
    globalThis.gc?.();
    bucket.reset();
    const startMs = performance.now();
    const restored = await restoreSlot(options, 0);
    const restoreMs = performance.now() - startMs;
    if (restored.stage.keyCount !== savedCount) throw new Error('a restored state has lost keys');
    const behindMs = performance.now();
    touchKeys(restored.stage, keyCount, missedCount);
    const catchUpMs = performance.now() - behindMs;
    restored.stage.close();
    const rssBytesMax = Math.max(bucket.rssBytesMax, process.memoryUsage.rss());
    return { stateBytes, saves, restoreMs, catchUpMs, rssBytesMax };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { compiled } = windowsAndSessions(1);
const outputsPerBlock = 10_000;

/** One record for each of `changedCount` keys, spread over all. */
function touchKeys(stage: MemoryStage, keyCount: number, changedCount: number): void {
  for (let from = 0; from < changedCount; from += outputsPerBlock) {
    const indexes = Array.from({ length: Math.min(outputsPerBlock, changedCount - from) }, (_, index) => index);
    const sequence = Number(stage.reader.log.position.slice(12)) + 1;
    const position = logPosition(1, String(sequence));
    const keys = indexes.map((index) => Math.floor(((from + index) * keyCount) / changedCount));
    stage.apply({ position, arrivalMs: sequence, block: flowBlock(compiled, { slot: 0, sequence, keys }) });
  }
}

/** Blobs as files, so that what is stored is not in the memory that is measured. */
export function openFolder(folder: string) {
  const pathOf = (key: string): string => join(folder, key);
  const bucket = {
    rssBytesMax: 0,
    reset: () => {
      bucket.rssBytesMax = 0;
    },
    blobs: {
      put: async (key, bytes) => {
        mkdirSync(dirname(pathOf(key)), { recursive: true });
        writeFileSync(pathOf(key), bytes);
        bucket.rssBytesMax = Math.max(bucket.rssBytesMax, process.memoryUsage.rss());
      },
      get: async (key) => {
        bucket.rssBytesMax = Math.max(bucket.rssBytesMax, process.memoryUsage.rss());
        return readFileSync(pathOf(key));
      },
      remove: async (key) => rmSync(pathOf(key)),
      list: async () => [],
    } satisfies SnapshotOptions['blobs'],
  };
  return bucket;
}

const [load] = process.argv.slice(2);
if (import.meta.main && load !== undefined)
  process.stdout.write(`${JSON.stringify(await measureCheckpoints(JSON.parse(load) as CheckpointLoad))}\n`);
