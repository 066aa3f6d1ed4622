import { Buffer } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { compile } from '#shared/engine/compile/compile.ts';
import { milliseconds, s3, session } from '#shared/pipeline/index.ts';
import { ReadBudget } from '#shared/runtime/read-budget.ts';
import { ShardReader } from '#shared/runtime/shard-reader.ts';
import { createWorker } from '#shared/runtime/worker.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { Row } from '#shared/schemas/row.ts';
import { Hosts } from '#shared/testing/hosts.ts';
import { createVirtualClock } from '#shared/testing/virtual-clock.ts';
import { columns, pipelineOf, readings } from '../readings.ts';
import { reading, send, visits, worldOf } from './visits.ts';
import { punctuation, rawRecord, World } from './world.ts';

test('a worker that hangs loses its shard, and what it writes when it wakes up is refused', async () => {
  const world = worldOf({ slots: 1 });
  await send(world, 1, reading(1));
  // The second worker takes the shard while the first is about to write its snapshot.
  let isTaken = false;
  const { put } = world.blobs;
  Object.assign(world.blobs, {
    put: async (key: string, bytes: Uint8Array) => {
      if (!isTaken) {
        isTaken = true;
        await world.work();
      }
      await put(key, bytes);
    },
  });
  await world.work();
  const logged = world.telemetry.lines.map(
    ({ message, fields }) => `${message} ${fields['reason'] ?? fields['error']}`,
  );
  expect(logged).toContain('A shard is given up. Its reader is stuck.');
  expect(logged).toContainEqual(expect.stringMatching(/The reader of a shard has stopped. SNAPSHOT_FENCED/));
  await world.preprocess().process({ shardId: 'a', records: [punctuation(2, 1_000)] });
  await world.work();
  expect((await world.lines('visits')).map((line) => JSON.parse(line)['requests'])).toEqual([1]);
});

test('a reader that loses its shard in the midst of its last rows ends without a failure', async () => {
  const world = worldOf({ slots: 1 });
  // More sessions than are shown at once.
  const keys = Array.from({ length: 10_100 }, (_, number) => `k${number}`);
  await send(world, 1, ...keys.map((key) => reading(1, key)));
  await world.preprocess().process({ shardId: 'a', records: [punctuation(2, 1_000)] });
  world.exchange.split();
  const { state, blobs, results, deadLetters, telemetry, exchange, clock } = world;
  const [shard] = await exchange.shards();
  const reader: ShardReader = new ShardReader({
    ...{ state, blobs, deadLetters, telemetry, clock, owner: 'worker.1', checkpointEveryMs: 1_000 },
    pipeline: compile(world.pipeline),
    shard: shard as NonNullable<typeof shard>,
    generation: 1,
    generationOf: async () => 1,
    reader: { shards: exchange.shards, read: (shardId, after) => exchange.read(shardId, after) },
    results: {
      ...results,
      writeRows: async (rows) => {
        reader.abandon();
        return results.writeRows(rows);
      },
    },
    budget: new ReadBudget(),
  });
  expect(await reader.run()).toBe('abandoned');
});

test('a base that hangs is not hidden by what is stored of another slot', async () => {
  const world = worldOf({ slots: 2 });
  const { state, leases, results, blobs, deadLetters, telemetry, exchange, clock } = world;
  const periodMs = 10_000;
  await send(world, 1, ...['a', 'b', 'c', 'd'].map((key) => reading(1, key)));
  let hungMs = Number.POSITIVE_INFINITY;
  const reason = await new Promise<unknown>((resolve) => {
    const worker = createWorker({
      pipeline: world.pipeline,
      worker: 'worker',
      reader: { shards: exchange.shards, read: (shardId, after) => exchange.read(shardId, after) },
      blobs: {
        ...blobs,
        put: async (key, bytes) => {
          if (key.includes('slot-0')) {
            hungMs = Math.min(hungMs, clock.now());
            await new Promise(() => undefined);
          }
          await blobs.put(key, bytes);
        },
      },
      clock: {
        now: clock.now,
        // There is always something new, so the state of slot 1 is stored again and again.
        sleep: async (ms) => {
          const givenUp = telemetry.lines.find(({ message }) => message === 'A shard is given up.');
          if (givenUp !== undefined || clock.now() > hungMs + 3 * periodMs) resolve(givenUp?.fields['reason']);
          else await world.tick();
          await (givenUp === undefined ? clock.sleep(ms) : new Promise(() => undefined));
        },
      },
      ...{ state, leases, results, deadLetters, telemetry, leasePeriodMs: periodMs, checkpointEveryMs: 1_000 },
    });
    worker.run().catch(resolve);
  });
  expect(reason).toBe('Its reader is stuck.');
});

test('a batch whose rows take longer to write than a lease lasts does not lose its shard', async () => {
  const world = worldOf({ slots: 1 });
  await send(world, 1, ...Array.from({ length: 300 }, (_, key) => reading(1, `k${key}`)));
  await world.preprocess().process({ shardId: 'a', records: [punctuation(2, 1_000)] });
  // A store that takes a second for twenty rows, as long as they are not written again and again.
  const { writeRows } = world.results;
  let seconds = 0;
  Object.assign(world.results, {
    writeRows: async (rows: readonly Row[]) => {
      for (let written = 0; written < rows.length && seconds < 100; written += 20) {
        await world.clock.sleep(1_000);
        seconds += 1;
      }
      return writeRows(rows);
    },
  });
  await world.work();
  expect((await world.lines('visits')).length).toBe(300);
  expect(world.telemetry.lines.map(({ message }) => message)).not.toContain('A shard is given up.');
});

test('a bucket that takes no files for two minutes holds up the shard, which shows, and loses nothing', async () => {
  const world = new World(
    pipelineOf(
      [
        readings()
          .keyBy(({ key }) => ({ key }))
          .window(session({ gap: milliseconds(10) }), { allowedLateness: milliseconds(0) })
          .aggregate('visits', columns)
          .to(s3({ format: 'ndjson', rowsMax: 1 })),
      ],
      { slots: 1 },
    ),
    ['a'],
  );
  await send(world, 1, reading(1), reading(2));
  await world.preprocess().process({ shardId: 'a', records: [punctuation(2, 1_000)] });
  const healsMs = world.clock.now() + 120_000;
  const { put } = world.archive;
  let agesMax = 0;
  Object.assign(world.archive, {
    put: async (name: string, bytes: Uint8Array) => {
      agesMax = Math.max(agesMax, world.telemetry.value('checkpoint_age_ms') ?? 0);
      if (world.clock.now() < healsMs) throw new MillraceError('BLOB_UNAVAILABLE', 'NoSuchBucket');
      await put(name, bytes);
    },
  });
  await world.work();
  expect(agesMax).toBeGreaterThan(100_000);
  expect(world.telemetry.lines).toContainEqual(
    expect.objectContaining({
      message: 'The reader of a shard has stopped.',
      fields: expect.objectContaining({ error: 'BLOB_UNAVAILABLE: NoSuchBucket' }),
    }),
  );
  const [name, ...others] = await world.archive.list('');
  expect(others).toEqual([]);
  const text = gunzipSync((await world.archive.get(name as string)) as Uint8Array).toString();
  expect(JSON.parse(text)).toMatchObject({ key: 'k', amounts: '1 2' });
});

test('a restore that takes longer than a lease ends all the same, for the next reader of the shard is given more time', async () => {
  const world = worldOf({ slots: 1 });
  await send(world, 1, reading(1));
  await world.work();
  const { pipeline, state, results, blobs, deadLetters, telemetry, leases, exchange } = world;
  const clock = createVirtualClock(world.clock);
  const periodMs = 10_000;
  const reasonsOf = (): readonly unknown[] =>
    telemetry.lines.flatMap(({ message, fields }) => (message === 'A shard is given up.' ? [fields['reason']] : []));
  const worker = createWorker({
    ...{ pipeline, clock, state, results, deadLetters, telemetry, leases, exchange, leasePeriodMs: periodMs },
    worker: 'worker-b',
    reader: {
      shards: exchange.shards,
      read: (shardId, after) => {
        worker.stop().catch(() => undefined);
        return exchange.read(shardId, after);
      },
    },
    blobs: {
      ...blobs,
      get: async (name) => {
        await clock.sleep(5 * periodMs);
        return blobs.get(name);
      },
    },
    onAlive: () => {
      if (reasonsOf().length > 9) worker.stop().catch(() => undefined);
    },
  });
  await worker.run();
  // After 1, 2 and 4 periods.
  expect(reasonsOf()).toEqual(Array.from({ length: 3 }, () => 'Its reader is stuck.'));
});

test("workers that restore for longer than a lease do not take each other's shards", async () => {
  const [shards, periodMs] = [8, 10_000];
  const world = new Hosts(pipelineOf([visits], { slots: 8 }), { exchangeShards: shards });
  const lines = Array.from({ length: 40 }, (_, key) => reading(1, `k${key}`));
  await world
    .createPreprocess('readings', { list: async () => [{ shardId: 'a', parents: [] }] })
    .process({ shardId: 'a', records: [rawRecord(1, lines.join('\n'))] });
  await world.work(30);
  const { pipeline, state, results, blobs, deadLetters, telemetry, leases, exchange } = world;
  const clock = createVirtualClock(world.clock);
  const fromMs = clock.now();
  const read = new Set<string>();
  let isOver = false;
  const workers = ['a', 'b', 'c'].map((name) =>
    createWorker({
      ...{ pipeline, clock, state, results, deadLetters, telemetry, leases, leasePeriodMs: periodMs },
      worker: name,
      reader: {
        shards: exchange.shards,
        read: (shardId, after) => {
          read.add(shardId);
          return exchange.read(shardId, after);
        },
      },
      blobs: {
        ...blobs,
        get: async (name) => {
          await clock.sleep(5 * periodMs);
          return blobs.get(name);
        },
      },
      onAlive: () => {
        if (isOver || (read.size < shards && clock.now() - fromMs < 100 * periodMs)) return;
        isOver = true;
        for (const worker of workers) worker.stop().catch(() => undefined);
      },
    }),
  );
  await Promise.all(
    workers.map(async (worker, index) => {
      await clock.sleep(1 + 700 * index);
      await worker.run();
    }),
  );
  expect(read.size).toBe(shards);
  const reasons = new Set(telemetry.lines.map(({ fields }) => fields['reason']));
  expect(reasons).toContain('Its reader is stuck.');
  expect(reasons).not.toContain('Another worker has taken the shard.');
});

test('a shard is not handed over while its slot is behind what was stored of it, or each worker would begin where the last one did', async () => {
  const periodMs = 10_000;
  const world = new Hosts(pipelineOf([visits], { slots: 2 }), { exchangeShards: 2, readRecordsMax: 1 });
  const preprocess = world.createPreprocess('readings', { list: async () => [{ shardId: 'a', parents: [] }] });
  const put = (sequence: number): Promise<unknown> =>
    preprocess.process({
      shardId: 'a',
      records: [rawRecord(sequence, ['a', 'b', 'c', 'd'].map((key) => reading(sequence, key)).join('\n'))],
    });
  await put(1);
  await world.work();
  for (let sequence = 2; sequence <= 20; sequence += 1) await put(sequence);
  await world.work();
  // Both slots go back to their base.
  const lost = (await world.blobs.list('')).filter((name) => name.includes('.delta'));
  for (const name of lost) await world.blobs.remove(name);
  const { pipeline, state, results, blobs, deadLetters, telemetry, leases, exchange } = world;
  const clock = createVirtualClock(world.clock);
  const fromMs = clock.now();
  const readBy = new Map<string, string>();
  let isOver = false;
  const workers = ['a', 'b'].map((name) =>
    createWorker({
      ...{ pipeline, clock, state, results, blobs, deadLetters, telemetry, leases, leasePeriodMs: periodMs },
      worker: name,
      reader: {
        shards: exchange.shards,
        // All that was stored is read again in six periods, and the second worker comes in the second.
        read: async (shardId, after) => {
          readBy.set(shardId, name);
          await clock.sleep(3_000);
          return exchange.read(shardId, after);
        },
      },
      checkpointEveryMs: 1_000,
      onAlive: () => {
        if (isOver || (new Set(readBy.values()).size < 2 && clock.now() - fromMs < 100 * periodMs)) return;
        isOver = true;
        for (const worker of workers) worker.stop().catch(() => undefined);
      },
    }),
  );
  await Promise.all(
    workers.map(async (worker, index) => {
      await clock.sleep(1 + 1.5 * periodMs * index);
      await worker.run();
    }),
  );
  expect([...readBy.values()].sort()).toEqual(['a', 'b']);
  expect(lost.length).toBeGreaterThan(1);
  // One for each slot: who was handed the shard has found a whole snapshot.
  expect(telemetry.lines.filter(({ message }) => message.includes('cannot be read'))).toHaveLength(2);
});

test('a base that takes longer to store than a lease is stored all the same', async () => {
  const world = worldOf({ slots: 1 });
  await send(world, 1, reading(1));
  const { pipeline, state, results, blobs, deadLetters, telemetry, leases, exchange } = world;
  const clock = createVirtualClock(world.clock);
  const periodMs = 10_000;
  const fromMs = clock.now();
  let isOver = false;
  const worker = createWorker({
    ...{ pipeline, clock, state, results, deadLetters, telemetry, leases, leasePeriodMs: periodMs },
    worker: 'worker-a',
    reader: { shards: exchange.shards, read: exchange.read },
    checkpointEveryMs: 1_000,
    blobs: {
      ...blobs,
      put: async (name, bytes) => {
        await clock.sleep(5 * periodMs);
        await blobs.put(name, bytes);
      },
    },
    onAlive: () => {
      const isStored = telemetry.value('checkpoint_bytes') !== undefined;
      if (isOver || (!isStored && clock.now() - fromMs < 100 * periodMs)) return;
      isOver = true;
      worker.stop().catch(() => undefined);
    },
  });
  await worker.run();
  const stuck = telemetry.lines.filter(({ fields }) => fields['reason'] === 'Its reader is stuck.');
  expect(stuck).toHaveLength(3);
});

test('a batch that takes longer to apply than a lease lasts does not lose its shard', async () => {
  const world = worldOf({ slots: 1 });
  for (let sequence = 1; sequence <= 8; sequence += 1) await send(world, sequence, reading(sequence));
  const { pipeline, clock, state, results, blobs, deadLetters, telemetry, leases, exchange } = world;
  // Behind each block of a MiB the others have their turn, which takes them four seconds: a frame that zstd skips makes a block so long.
  const skipped = Buffer.alloc(1_024 * 1_024);
  skipped.writeUInt32LE(0x184d2a50, 0);
  skipped.writeUInt32LE(skipped.length - 8, 4);
  let turns = 0;
  const worker = createWorker({
    ...{ pipeline, state, results, blobs, deadLetters, telemetry, leases, exchange },
    worker: 'worker-a',
    reader: {
      shards: exchange.shards,
      read: async (_, after) => ({
        records: (exchange.stored[0]?.records ?? [])
          .filter(({ sequence }) => after === undefined || Number(sequence) > Number(after))
          .map((record) => ({ ...record, bytes: Buffer.concat([record.bytes, skipped]) })),
        ended: false,
        millisBehindLatest: 0,
      }),
    },
    clock: {
      now: clock.now,
      sleep: async (ms) => {
        if (ms > 0) return clock.sleep(ms);
        turns += 1;
        for (let seconds = 0; seconds < 4; seconds += 1) await clock.sleep(1_000);
      },
    },
    onAlive: () => {
      if (turns === 8 || clock.now() > 1_000_000) worker.stop().catch(() => undefined);
    },
  });
  await worker.run();
  expect(turns).toBe(8);
  expect(telemetry.lines.map(({ message }) => message)).not.toContain('A shard is given up.');
});
