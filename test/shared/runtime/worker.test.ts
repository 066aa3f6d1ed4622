import { Buffer } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { compile } from '#shared/engine/compile.ts';
import { tickBlocks } from '#shared/engine/exchange.ts';
import { type AnyOutput, milliseconds, type PipelineOptions, s3, session } from '#shared/pipeline/index.ts';
import { encodeBlock } from '#shared/runtime/block-codec.ts';
import { ReadBudget } from '#shared/runtime/read-budget.ts';
import { createWorker } from '#shared/runtime/worker.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { newLease } from '#shared/schemas/lease.ts';
import type { Row } from '#shared/schemas/row.ts';
import { createVirtualClock } from '#shared/testing/virtual-clock.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';
import { punctuation, rawRecord, World } from './world.ts';

const visits: AnyOutput = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(session({ gap: milliseconds(10) }), { allowedLateness: milliseconds(0) })
  .aggregate('visits', columns)
  .to(sink);

function worldOf(options: PipelineOptions = { slots: 2 }): World {
  return new World(pipelineOf([visits], options), ['a']);
}

function reading(at: number, key = 'k'): string {
  return JSON.stringify({ at, key, amount: at });
}

async function send(world: World, sequence: number, ...lines: readonly string[]): Promise<void> {
  await world.preprocess().process({ shardId: 'a', records: [rawRecord(sequence, lines.join('\n'))] });
}

test('a worker that takes over goes on from the snapshots', async () => {
  const world = worldOf();
  await send(world, 1, reading(1), reading(2));
  await world.work();
  await send(world, 2, reading(5));
  await world.preprocess().process({ shardId: 'a', records: [punctuation(3, 1_000)] });
  await world.work();
  expect((await world.lines('visits')).map((line) => JSON.parse(line)['amounts'])).toEqual(['1 2 5']);
});

test('a worker reads a child only behind the end of its parent', async () => {
  const world = worldOf();
  await send(world, 1, reading(1, 'a'), reading(1, 'b'), reading(1, 'c'), reading(1, 'd'));
  world.exchange.split();
  await send(world, 2, reading(2, 'a'), reading(2, 'b'), reading(2, 'c'), reading(2, 'd'));
  world.exchange.split();
  await world.preprocess().process({ shardId: 'a', records: [punctuation(3, 1_000)] });
  await world.work();
  expect((await world.lines('visits')).map((line) => JSON.parse(line)['requests'])).toEqual([2, 2, 2, 2]);
});

test('a worker that stops in the middle of a shard has everything in its snapshots', async () => {
  const world = worldOf({ slots: 4 });
  for (let sequence = 1; sequence <= 9; sequence += 1)
    await send(world, sequence, reading(sequence, `k${sequence % 5}`));
  for (let worker = 0; worker < 4; worker += 1) await world.work(1);
  await world.preprocess().process({ shardId: 'a', records: [punctuation(10, 1_000)] });
  await world.work();
  const counted = (await world.lines('visits')).map((line) => JSON.parse(line)['requests'] as number);
  expect(counted.reduce((sum, requests) => sum + requests, 0)).toBe(9);
});

test('a block of a slot that the plan does not have stops the worker', async () => {
  const world = worldOf({ slots: 2 });
  const [, , , last] = tickBlocks(compile(pipelineOf([visits], { slots: 4 })));
  await world.exchange.put([{ slot: 3, explicitHashKey: '1', bytes: encodeBlock(last as never) }]);
  await expect(world.work()).rejects.toMatchObject({ code: 'SLOTS_MISMATCH' });
});

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

/** A slot with a base in the parent, and deltas at the parent's end and in the child; the first delta is lost. */
async function worldThatGoesBack(): Promise<World> {
  const world = worldOf({ slots: 1 });
  await send(world, 1, reading(1));
  await world.work();
  await send(world, 2, reading(2));
  world.exchange.split();
  await send(world, 3, reading(3));
  await world.work();
  const lost = (await world.blobs.list('')).find((name) => name.includes('.delta'));
  await world.blobs.remove(lost as string);
  await world.preprocess().process({ shardId: 'a', records: [punctuation(4, 1_000)] });
  return world;
}

test('a slot that has to go back behind the beginning of its shard reads the parent again', async () => {
  const world = await worldThatGoesBack();
  await world.work();
  expect((await world.lines('visits')).map((line) => JSON.parse(line)['amounts'])).toEqual(['1 2 3']);
  expect(world.telemetry.lines.filter(({ message }) => message.includes('cannot be read'))).toHaveLength(1);
});

test('a slot that has to go back into a shard that the exchange has dropped stops the worker', async () => {
  const world = await worldThatGoesBack();
  world.exchange.stored.shift();
  await expect(world.work()).rejects.toMatchObject({ code: 'STATE_UNREADABLE' });
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

test('a worker is ready once it reads a shard, and no more when it leaves', async () => {
  const world = worldOf({ slots: 2 });
  world.exchange.split();
  const { pipeline, clock, state, results, blobs, deadLetters, telemetry, leases } = world;
  // Another worker holds both children, and is not heard of any more.
  await leases.announce({ worker: 'other', beats: 1 });
  await leases.write({ ...newLease('shard-0'), epoch: 1, finished: true }, undefined);
  for (const shardId of ['shard-0-low', 'shard-0-high'])
    await leases.write({ ...newLease(shardId), owner: 'other', epoch: 1 }, undefined);
  const ready: boolean[] = [];
  const worker = createWorker({
    ...{ pipeline, clock, state, results, blobs, deadLetters, telemetry, leases },
    worker: 'worker-1',
    reader: world.exchange,
    exchange: world.exchange,
    onAlive: () => {
      ready.push(worker.isReady());
      if (worker.isReady()) worker.stop().catch(() => undefined);
    },
  });
  expect(worker.isReady()).toBe(false);
  await worker.run();
  expect(ready[0]).toBe(false);
  expect(ready).toContain(true);
  expect(worker.isReady()).toBe(false);
  expect(telemetry.value('checkpoint_age_ms')).toBeGreaterThanOrEqual(0);
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

test('a worker that is asked to stop while it restores frees the shard and does not wait for its state', async () => {
  const world = worldOf({ slots: 1 });
  await send(world, 1, reading(1));
  await world.work();
  const { pipeline, clock, state, results, blobs, deadLetters, telemetry, leases } = world;
  let isAsked = false;
  const moving: boolean[] = [];
  const worker = createWorker({
    ...{ pipeline, clock, state, results, deadLetters, telemetry, leases },
    worker: 'worker-b',
    reader: world.exchange,
    exchange: world.exchange,
    blobs: {
      ...blobs,
      get: () => {
        isAsked = true;
        return new Promise(() => undefined);
      },
    },
    onAlive: () => {
      if (!isAsked) return;
      moving.push(worker.isMoving());
      worker.stop().catch(() => undefined);
    },
  });
  await worker.run();
  expect(moving[0]).toBe(true);
  expect(worker.isMoving()).toBe(false);
  expect((await leases.list()).leases).toMatchObject([{ shardId: 'shard-0', owner: undefined, finished: false }]);
  await send(world, 2, reading(2));
  await world.preprocess().process({ shardId: 'a', records: [punctuation(3, 1_000)] });
  await world.work();
  expect((await world.lines('visits')).map((line) => JSON.parse(line)['amounts'])).toEqual(['1 2']);
});

test.each([
  [1, 1],
  [Number.MAX_SAFE_INTEGER, 2],
])('with room for %d bytes %d shards are read at a time, and all of them to their end', async (bytesMax, readsMax) => {
  const world = worldOf({ slots: 2 });
  world.exchange.split();
  for (let sequence = 1; sequence <= 8; sequence += 1)
    await send(world, sequence, reading(sequence, 'a'), reading(sequence, 'b'), reading(sequence, 'c'));
  await world.preprocess().process({ shardId: 'a', records: [punctuation(9, 1_000)] });
  const { pipeline, clock, state, results, blobs, deadLetters, telemetry, leases, exchange } = world;
  let reads = 0;
  let readsSeen = 0;
  let calls = 0;
  let roundCount = 0;
  const worker = createWorker({
    ...{ pipeline, clock, state, results, blobs, deadLetters, telemetry, leases, exchange },
    worker: 'worker-a',
    readBudget: new ReadBudget(bytesMax),
    reader: {
      shards: () => exchange.shards(),
      read: async (shardId, after) => {
        reads += 1;
        readsSeen = Math.max(readsSeen, reads);
        // Each asks as soon as it may; the first answers wait for that.
        const turns = calls < 6 ? 30 : 1;
        calls += 1;
        for (let turn = 0; turn < turns; turn += 1) await undefined;
        reads -= 1;
        return exchange.read(shardId, after);
      },
    },
    onAlive: () => {
      roundCount += 1;
      if (results.dump().rows.length === 3 || roundCount > 1_000) worker.stop().catch(() => undefined);
    },
  });
  await worker.run();
  expect(readsSeen).toBe(readsMax);
  expect((await world.lines('visits')).map((line) => JSON.parse(line)['requests'])).toEqual([8, 8, 8]);
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

test('a worker with hardly any memory goes on where one with plenty stopped, and leaves nothing on its disk', async () => {
  const world = worldOf({ slots: 2 });
  let begun = 0;
  const { begin } = world.runs;
  Object.assign(world.runs, {
    begin: (isSearched: boolean) => {
      begun += 1;
      return begin(isSearched);
    },
  });
  for (let at = 1; at <= 6; at += 1) {
    await send(world, at, ...['a', 'b', 'c', `k${at}`].map((key) => reading(at, key)));
    await world.work(3, at % 3 === 0 ? undefined : { bytesMax: 1, timersInMemoryMax: 1 });
    expect(world.runs.runCount()).toBe(0);
  }
  expect(begun).toBeGreaterThan(20);
  await world.preprocess().process({ shardId: 'a', records: [punctuation(7, 1_000)] });
  await world.work(undefined, { bytesMax: 1 });
  const amounts = (await world.lines('visits')).map((line) => JSON.parse(line)['amounts']);
  expect(amounts.sort()).toEqual(['1', '1 2 3 4 5 6', '1 2 3 4 5 6', '1 2 3 4 5 6', '2', '3', '4', '5', '6']);
});
