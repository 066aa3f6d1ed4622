import { expect, test } from 'vitest';
import { createMemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { compile } from '#shared/engine/compile.ts';
import { MemoryStage } from '#shared/engine/memory-stage.ts';
import { milliseconds, session } from '#shared/pipeline/index.ts';
import { restoreSlot, saveSlot } from '#shared/runtime/snapshots.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { placed, type TestBlock } from '../engine/blocks.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';

const output = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(session({ gap: milliseconds(10) }), { allowedLateness: milliseconds(0) })
  .aggregate('visits', columns)
  .to(sink);
const pipeline = compile(pipelineOf([output]));

function stores() {
  return { pipeline, state: createMemoryStateStore(), blobs: createMemoryBlobStore() };
}

function stageAt(at: number): MemoryStage {
  const stage = new MemoryStage(pipeline, 0);
  for (let index = 1; index <= at; index += 1) stage.apply(placed(pipeline, recordAt(index)));
  return stage;
}

function recordAt(at: number): TestBlock {
  return { at, outputs: [{ record: at, at, amount: at }] };
}

test('a slot without a snapshot is empty', async () => {
  const { stage, snapshot } = await restoreSlot(stores(), 0);
  expect([stage.openCount, stage.reader.log.position, snapshot]).toEqual([0, '', undefined]);
});

test('a slot goes on from its snapshot', async () => {
  const options = stores();
  await saveSlot(options, stageAt(2), undefined);
  const { stage } = await restoreSlot(options, 0);
  stage.apply(placed(pipeline, { at: 3, to: 3, watermark: 1_000 }));
  expect(stage.takeEmission().rows.map((row) => row.columns)).toEqual([{ amounts: '1 2', requests: 2 }]);
});

test('a snapshot replaces the one before, whose blob goes', async () => {
  const options = stores();
  const first = await saveSlot(options, stageAt(1), undefined);
  const second = await saveSlot(options, stageAt(2), first.snapshot);
  expect(await options.blobs.list('')).toEqual([second.snapshot]);
});

test('a slot that somebody else has taken further is fenced', async () => {
  const options = stores();
  await saveSlot(options, stageAt(2), undefined);
  await expect(saveSlot(options, stageAt(1), undefined)).rejects.toMatchObject({
    code: 'SNAPSHOT_FENCED',
    retry: false,
  });
});

test('a slot at the very same position is fenced too: there is one owner', async () => {
  const options = stores();
  await saveSlot(options, stageAt(2), undefined);
  await expect(saveSlot(options, stageAt(2), undefined)).rejects.toMatchObject({ code: 'SNAPSHOT_FENCED' });
});

test('who is fenced leaves the blob of the owner as it is', async () => {
  const options = stores();
  const { snapshot } = await saveSlot(options, stageAt(2), undefined);
  await saveSlot(options, stageAt(2), undefined).catch(() => undefined);
  const { stage } = await restoreSlot(options, 0);
  expect([await options.blobs.list(''), stage.openCount]).toEqual([[snapshot], 1]);
});

test('a snapshot whose blob is gone stops the worker, which would lose what is open', async () => {
  const options = stores();
  const { snapshot } = await saveSlot(options, stageAt(1), undefined);
  await options.blobs.remove(snapshot);
  await expect(restoreSlot(options, 0)).rejects.toMatchObject({ code: 'STATE_UNREADABLE' });
});

test('a snapshot that its owner replaces while it is looked up is looked up again', async () => {
  const options = stores();
  const first = await saveSlot(options, stageAt(1), undefined);
  let looked = 0;
  const blobs = {
    ...options.blobs,
    get: async (key: string) => {
      looked += 1;
      if (looked === 1) await saveSlot(options, stageAt(2), first.snapshot);
      return options.blobs.get(key);
    },
  };
  const { stage } = await restoreSlot({ ...options, blobs }, 0);
  expect([looked, stage.reader.log.position]).toEqual([2, logPosition(1, '2')]);
});

test('a crash between blob and checkpoint leaves the snapshot before', async () => {
  const options = stores();
  await saveSlot(options, stageAt(1), undefined);
  const dying = { ...options.state, writeCheckpoint: () => Promise.reject(new Error('killed')) };
  await saveSlot({ ...options, state: dying }, stageAt(2), undefined).catch(() => undefined);
  expect((await restoreSlot(options, 0)).stage.reader.log.position).toBe(logPosition(1, '1'));
});

test('a snapshot of another plan stops the worker', async () => {
  const options = stores();
  await saveSlot(options, stageAt(1), undefined);
  const other = { ...pipeline, planHash: 'ffffffffffff' };
  await expect(restoreSlot({ ...options, pipeline: other }, 0)).rejects.toMatchObject({ code: 'PLAN_MISMATCH' });
});

test('a snapshot tells the sessions of one key apart', async () => {
  const options = stores();
  const stage = new MemoryStage(pipeline, 0);
  const outputs = [1, 50].map((at) => ({ record: at, at, amount: at }));
  stage.apply(placed(pipeline, { at: 1, outputs }));
  await saveSlot(options, stage, undefined);
  const restored = (await restoreSlot(options, 0)).stage;
  restored.apply(placed(pipeline, { at: 2, to: 99, watermark: 1_000 }));
  expect(restored.takeEmission().rows.map((row) => row.windowStartMs)).toEqual([1, 50]);
});
