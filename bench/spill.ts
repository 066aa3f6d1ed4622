import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flows } from '#pipelines/flow.ts';
import { createDiskRunStore } from '#shared/adapters/disk/run-store.ts';
import { compile } from '#shared/engine/compile/compile.ts';
import { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import { Overflow } from '#shared/engine/state/overflow.ts';
import type { Aggregator } from '#shared/pipeline/aggregator.ts';
import { count, dynamodb, hours, pipeline, seconds, session, sum, tumbling } from '#shared/pipeline/index.ts';
import type { Run, RunStore } from '#shared/ports/run-store.ts';
import { logPosition, subMax } from '#shared/schemas/position.ts';

export type SpillOperator = 'windows' | 'sessions';
/** `even`: any key is as likely as any other, so that hardly any is in memory. `hot`: nine in ten records are of one key in a hundred. */
export type KeyMix = 'even' | 'hot';

export interface SpillLoad {
  readonly operator: SpillOperator;
  readonly mix: KeyMix;
  readonly keyCount: number;
  readonly recordCount: number;
  /** For the state, in MB as the engine estimates them; undefined: all in memory. */
  readonly memoryMb?: number;
}

export interface SpillReport {
  /** The open state when the last record has come, as JSON. */
  readonly stateBytes: number;
  /** On the disk, at the most; parts of a key may be there several times. */
  readonly diskBytesMax: number;
  /** From the first record until the last row is made. */
  readonly recordsPerSecond: number;
  readonly recordsPerCpuSecond: number;
  /** Until the last record has come: the rest is making rows, of what is read back from the disk where it is there. */
  readonly fillSeconds: number;
  readonly seconds: number;
  readonly rowCount: number;
  /** Every record counts once. */
  readonly counted: number;
  /** Memory that is no file's, at the most: what a task's limit is about, since what the system keeps of files it gives back. */
  readonly anonymousBytesMax: number;
}

/** Fills one slot with state, and closes it. */
function measureSpill({ operator, mix, keyCount, recordCount, memoryMb }: SpillLoad): SpillReport {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const disk = watch(createDiskRunStore(folder));
    const stage = new MemoryStage(
      pipelines[operator],
      0,
      memoryMb === undefined ? {} : { overflow: new Overflow(disk.store, { bytesMax: memoryMb * 1e6 }) },
    );
    let anonymousBytesMax = 0;
    const startMs = performance.now();
    const startCpu = process.cpuUsage();
    let lookedMs = 0;
    for (let from = 0; from < recordCount; from += recordsPerBlock) {
      apply(stage, operator, from, Math.min(recordsPerBlock, recordCount - from), { mix, keyCount });
      if (performance.now() - lookedMs < 200) continue;
      lookedMs = performance.now();
      anonymousBytesMax = Math.max(anonymousBytesMax, anonymousBytes());
    }
    const fillMs = performance.now() - startMs;
    let rowCount = 0;
    let counted = 0;
    let stateBytes = 0;
    close(stage, operator, recordCount);
    const emission = stage.takeEmission();
    do {
      for (const row of emission.rows) {
        rowCount += 1;
        counted += row.columns['count'] as number;
        stateBytes += row.key.length + (row.columns['last'] as string).length + entryChars;
      }
      anonymousBytesMax = Math.max(anonymousBytesMax, anonymousBytes());
    } while (stage.showMore());
    const ms = performance.now() - startMs;
    const { user, system } = process.cpuUsage(startCpu);
    stage.close();
    return {
      stateBytes,
      diskBytesMax: disk.bytesMax(),
      recordsPerSecond: (recordCount / ms) * 1_000,
      recordsPerCpuSecond: (recordCount / (user + system)) * 1e6,
      fillSeconds: fillMs / 1_000,
      seconds: ms / 1_000,
      rowCount,
      counted,
      anonymousBytesMax,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What an entry has beside its key and its text: `["",[1763715600000,[12,123456,""]]],`. */
const entryChars = 32;
const recordsPerBlock = 5_000;
const textChars = 500;

/** The last record's text: state that is as large as a profile, or a page of a session. */
const last: Aggregator<{ bytes: number }, number, string, string> = {
  kind: 'last',
  config: {},
  select: (flow) => flow.bytes,
  create: () => '',
  add: (_, value) => textOf(value),
  merge: (into, from) => (from === '' ? into : from),
  result: (text) => text,
  encode: (text) => text,
  decode: (encoded) => String(encoded),
};

const byIp = flows.keyBy((flow) => ({ ip: flow.ip }));
const columns = { count: count<{ bytes: number }>(), bytes: sum((flow: { bytes: number }) => flow.bytes), last };
const options = { allowedLateness: seconds(0), placement: 'fargate' } as const;
const pipelines = {
  windows: compile(
    pipeline(
      'spill',
      [
        byIp
          .window(tumbling(hours(24)), { ...options, emit: 'on-close' })
          .aggregate('windows', columns)
          .to(dynamodb({ ttl: hours(1) })),
      ],
      { slots: 1 },
    ),
  ),
  sessions: compile(
    pipeline(
      'spill',
      [
        byIp
          .window(session({ gap: hours(1) }), options)
          .aggregate('sessions', columns)
          .to(dynamodb({ ttl: hours(1) })),
      ],
      { slots: 1 },
    ),
  ),
};

function apply(
  stage: MemoryStage,
  operator: SpillOperator,
  from: number,
  recordCount: number,
  { mix, keyCount }: Pick<SpillLoad, 'mix' | 'keyCount'>,
): void {
  const indexes = Array.from({ length: recordCount }, (_, index) => index);
  const numbers = indexes.map((index) => keyOf(from + index, mix, keyCount));
  put(stage, operator, {
    at: from + 1,
    watermarkMs: 0,
    timeMs: indexes.map((index) => ((from + index) / 100_000) % 3_000_000),
    keys: numbers.map((number) => `ip=10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`),
    values: numbers,
  });
}

function close(stage: MemoryStage, operator: SpillOperator, recordCount: number): void {
  put(stage, operator, { at: recordCount + recordsPerBlock, watermarkMs: 1e12, timeMs: [], keys: [], values: [] });
}

function put(
  stage: MemoryStage,
  operator: SpillOperator,
  it: {
    readonly at: number;
    readonly watermarkMs: number;
    readonly timeMs: readonly number[];
    readonly keys: readonly string[];
    readonly values: readonly number[];
  },
): void {
  const compiled = pipelines[operator];
  const [route] = compiled.routes.values();
  const indexes = it.keys.map((_, index) => index);
  stage.apply({
    position: logPosition(1, String(it.at)),
    arrivalMs: it.at,
    block: {
      version: 1,
      pipeline: compiled.id,
      plan: compiled.planHash,
      slots: 1,
      slot: 0,
      origin: {
        source: 'flows',
        shard: 'shard',
        from: null,
        to: [String(it.at), subMax],
        watermarkMs: it.watermarkMs,
        roster: { shard: [] },
      },
      routes: [
        {
          route: route?.id ?? '',
          sequences: [String(it.at)],
          sequence: indexes.map(() => 0),
          sub: indexes,
          timeMs: it.timeMs,
          keys: it.keys,
          key: indexes,
          shares: indexes.map(() => 1),
          columns: (route?.columns ?? []).map(({ select }) =>
            it.values.map((bytes, at) => select({ bytes }, it.timeMs[at] ?? 0)),
          ),
        },
      ],
    },
  });
}

/** The same numbers in every run. */
function keyOf(index: number, mix: KeyMix, keyCount: number): number {
  const first = mixed(index);
  const isHot = mix === 'hot' && first % 10 !== 0;
  return mixed(first ^ 0x5bd1e995) % (isHot ? Math.ceil(keyCount / 100) : keyCount);
}

function mixed(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Text of its own, as a decoder makes it; half of it repeats itself. */
function textOf(value: number): string {
  const start = mixed(value) % (pool.length - textChars);
  return pool.toString('latin1', start, start + textChars);
}

function createPool(): Buffer {
  const words: string[] = [];
  for (let at = 0; at < 100_000; at += 1) words.push(mixed(at).toString(36), '/page/');
  return Buffer.from(words.join(''), 'latin1');
}

const pool = createPool();

function anonymousBytes(): number {
  const [, kilobytes] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) * 1_024;
}

/** Counts what stands on the disk. */
function watch(store: RunStore): { readonly store: RunStore; readonly bytesMax: () => number } {
  let bytes = 0;
  let bytesMax = 0;
  const watched = (run: Run): Run => {
    bytes += run.bytes;
    bytesMax = Math.max(bytesMax, bytes);
    return {
      entryCount: run.entryCount,
      bytes: run.bytes,
      get: (key) => run.get(key),
      entries: () => run.entries(),
      remove: () => {
        bytes -= run.bytes;
        run.remove();
      },
    };
  };
  return {
    store: {
      begin: (isSearched) => {
        const writer = store.begin(isSearched);
        return {
          add: (key, value) => writer.add(key, value),
          end: () => watched(writer.end()),
          discard: () => writer.discard(),
        };
      },
    },
    bytesMax: () => bytesMax,
  };
}

const [load] = process.argv.slice(2);
if (import.meta.main && load !== undefined)
  process.stdout.write(`${JSON.stringify(measureSpill(JSON.parse(load) as SpillLoad))}\n`);
