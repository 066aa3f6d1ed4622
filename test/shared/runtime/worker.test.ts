import { expect, test } from 'vitest';
import { compile } from '#shared/engine/compile/compile.ts';
import { tickBlocks } from '#shared/engine/transform/exchange.ts';
import { encodeBlock } from '#shared/runtime/block-codec.ts';
import { ReadBudget } from '#shared/runtime/read-budget.ts';
import { createWorker } from '#shared/runtime/worker.ts';
import { newLease } from '#shared/schemas/lease.ts';
import { pipelineOf } from '../readings.ts';
import { reading, send, visits, worldOf } from './visits.ts';
import { punctuation, type World } from './world.ts';

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
