import { expect, test } from 'vitest';
import { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import { restoreSlot, type StoredSnapshot, saveSlot } from '#shared/runtime/snapshots.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { type SnapshotManifest, stateVersion } from '#shared/schemas/state.ts';
import { placed } from '../engine/slots/blocks.ts';
import { applyUpTo, finalsOf, pipeline, stores } from './stages.ts';

type Stores = ReturnType<typeof stores>;

function stageAt(count: number): MemoryStage {
  const stage = new MemoryStage(pipeline, 0);
  applyUpTo(stage, count);
  return stage;
}

/** Saves behind each of the blocks 1 to `count`. */
async function saveEach(options: Stores, count: number, stored?: StoredSnapshot) {
  const stage = new MemoryStage(pipeline, 0);
  let snapshot = stored;
  for (let at = 1; at <= count; at += 1) {
    applyUpTo(stage, at);
    ({ snapshot } = await saveSlot(options, stage, snapshot));
  }
  return { stage, snapshot: snapshot as StoredSnapshot };
}

function namesOf({ manifest }: StoredSnapshot): readonly string[] {
  return [manifest.chain, ...(manifest.previous === undefined ? [] : [manifest.previous])].flatMap(({ base, deltas }) =>
    [base, ...deltas].flatMap(({ name, objectCount }) =>
      Array.from({ length: objectCount }, (_, index) => `${name}/${String(index).padStart(6, '0')}`),
    ),
  );
}

test('a slot without a snapshot is empty', async () => {
  const { stage, snapshot } = await restoreSlot(stores(), 0);
  expect([stage.openCount, stage.reader.log.position, snapshot]).toEqual([0, '', undefined]);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])('a slot goes on from its base and deltas after %d saves', async (count) => {
  const options = stores();
  await saveEach(options, count);
  const { stage } = await restoreSlot(options, 0);
  const rowsBefore = stageAt(count).takeEmission().rows;
  applyUpTo(stage, 12);
  expect(finalsOf(stage, rowsBefore)).toEqual(finalsOf(stageAt(12)));
});

test('a base is followed by deltas, as many as a chain may have, and then by a base', async () => {
  const options = stores();
  const { snapshot } = await saveEach(options, 5);
  const { chain, previous } = snapshot.manifest;
  expect([chain.deltas.length, previous?.deltas.length]).toEqual([1, 2]);
});

test('a base follows when the deltas come to a share of the one before', async () => {
  const options = { ...stores(), snapshotLimits: { deltasMax: 100, deltaShareMax: 0.5, deltaBytesMin: 0 } };
  const stage = stageAt(1);
  let { snapshot } = await saveSlot(options, stage, undefined);
  const base = snapshot.manifest.chain.base.bytes;
  let deltaBytes = 0;
  for (let at = 2; deltaBytes <= base / 2; at += 1) {
    applyUpTo(stage, at);
    const saved = await saveSlot(options, stage, snapshot);
    snapshot = saved.snapshot;
    deltaBytes += saved.bytes;
    expect(snapshot.manifest.chain.deltas).toHaveLength(at - 1);
  }
  stage.apply(placed(pipeline, { at: 500 }));
  ({ snapshot } = await saveSlot(options, stage, snapshot));
  expect(snapshot.manifest.chain.deltas).toHaveLength(0);
});

test('a delta has only what has changed', async () => {
  const options = { ...stores(), snapshotLimits: {} };
  const stage = new MemoryStage(pipeline, 0);
  const outputs = Array.from({ length: 5_000 }, (_, index) => ({ record: 1, index, at: 5, key: `key-${index}` }));
  stage.apply(placed(pipeline, { at: 1, outputs }));
  const base = await saveSlot(options, stage, undefined);
  stage.apply(placed(pipeline, { at: 2, outputs: [{ record: 2, at: 5, key: 'key-77' }] }));
  const delta = await saveSlot(options, stage, base.snapshot);
  expect(delta.snapshot.manifest.chain.deltas).toHaveLength(1);
  expect(base.bytes / delta.bytes).toBeGreaterThan(20);
});

test('only the chain and the one before stay in the blob store', async () => {
  const options = stores();
  const { snapshot } = await saveEach(options, 10);
  expect(snapshot.manifest.chain.deltas).toHaveLength(0);
  expect(await options.blobs.list('')).toEqual([...namesOf(snapshot)].sort());
});

test('a save is cut into parts', async () => {
  const { snapshot } = await saveEach(stores(), 3);
  expect(snapshot.manifest.chain.base.objectCount).toBeGreaterThan(1);
});

test('a slot that somebody else has taken further is fenced', async () => {
  const options = stores();
  await saveSlot(options, stageAt(2), undefined);
  await expect(saveSlot({ ...options, owner: 'b' }, stageAt(1), undefined)).rejects.toMatchObject({
    code: 'SNAPSHOT_FENCED',
    retry: false,
  });
});

test('a slot at the very same position is fenced too: there is one owner', async () => {
  const options = stores();
  await saveSlot(options, stageAt(2), undefined);
  await expect(saveSlot({ ...options, owner: 'b' }, stageAt(2), undefined)).rejects.toMatchObject({
    code: 'SNAPSHOT_FENCED',
  });
});

test('an owner that is behind the one that took over is fenced, though it stands at a higher position', async () => {
  const options = stores();
  const first = await saveEach(options, 2);
  const second = await restoreSlot(options, 0);
  applyUpTo(second.stage, 3);
  await saveSlot({ ...options, owner: 'b' }, second.stage, second.snapshot);
  applyUpTo(first.stage, 9);
  await expect(saveSlot(options, first.stage, first.snapshot)).rejects.toMatchObject({ code: 'SNAPSHOT_FENCED' });
});

test('who is fenced leaves all of the owner as it is', async () => {
  const options = stores();
  const { snapshot } = await saveSlot(options, stageAt(2), undefined);
  await saveSlot({ ...options, owner: 'b' }, stageAt(2), undefined).catch(() => undefined);
  expect(await options.blobs.list('')).toEqual(expect.arrayContaining([...namesOf(snapshot)]));
  expect((await restoreSlot(options, 0)).snapshot).toEqual(snapshot);
});

test('what a fenced owner has left is removed with the next base', async () => {
  const options = stores();
  const { snapshot, stage } = await saveEach(options, 3);
  await saveSlot({ ...options, owner: 'b' }, stageAt(2), undefined).catch(() => undefined);
  applyUpTo(stage, 4);
  const next = await saveSlot(options, stage, snapshot);
  expect(await options.blobs.list('')).toEqual([...namesOf(next.snapshot)].sort());
});

test('what a successor has put, but not referred to yet, is left alone', async () => {
  const options = stores();
  const { snapshot, stage } = await saveEach(options, 3);
  const successor = await restoreSlot(options, 0);
  applyUpTo(successor.stage, 4);
  // The successor is about to swap the pointer when the owner before, of which it knows nothing, writes a base.
  const state = { ...options.state, writeCheckpoint: () => Promise.reject(new Error('not yet')) };
  await saveSlot({ ...options, owner: 'b', state }, successor.stage, successor.snapshot).catch(() => undefined);
  const put = (await options.blobs.list('')).filter((name) => name.includes('.b.'));
  applyUpTo(stage, 4);
  await saveSlot(options, stage, snapshot);
  expect((await options.blobs.list('')).filter((name) => name.includes('.b.'))).toEqual(put);
});

test('names that are not ours are left alone', async () => {
  const options = stores();
  const folder = 'test/slot-0/';
  for (const name of ['note.txt', '00000001.0015', '1.a.1.base/000000'])
    await options.blobs.put(folder + name, new Uint8Array());
  await saveEach(options, 10);
  expect(await options.blobs.list(folder)).toEqual(expect.arrayContaining([`${folder}note.txt`]));
  expect(await options.blobs.list(`${folder}1`)).toHaveLength(1);
});

test('a removal that fails is logged, and done with the next base', async () => {
  const options = stores();
  const remove = (): Promise<void> => Promise.reject(new Error('slow down'));
  const { stage, snapshot } = await saveEach({ ...options, blobs: { ...options.blobs, remove } }, 7);
  expect(options.telemetry.lines.map(({ level, fields }) => [level, fields['error']])).toEqual([['warn', 'slow down']]);
  let next = snapshot;
  for (let at = 8; at <= 10; at += 1) {
    applyUpTo(stage, at);
    next = (await saveSlot(options, stage, next)).snapshot;
  }
  expect(await options.blobs.list('')).toEqual([...namesOf(next)].sort());
});

test('a swap whose answer was lost, and that was asked for again, is no conflict', async () => {
  const options = stores();
  const { writeCheckpoint } = options.state;
  const state = {
    ...options.state,
    writeCheckpoint: async (request: Parameters<typeof writeCheckpoint>[0]) => {
      await writeCheckpoint(request);
      return writeCheckpoint(request);
    },
  };
  const { snapshot } = await saveSlot({ ...options, state }, stageAt(2), undefined);
  expect((await restoreSlot(options, 0)).snapshot).toEqual(snapshot);
});

test('changes that could not be stored are in the next save', async () => {
  const options = stores();
  const { stage, snapshot } = await saveEach(options, 1);
  applyUpTo(stage, 2);
  const broken = { ...options.blobs, put: () => Promise.reject(new Error('slow down')) };
  await saveSlot({ ...options, blobs: broken }, stage, snapshot).catch(() => undefined);
  applyUpTo(stage, 3);
  await saveSlot(options, stage, snapshot);
  expect(finalsOf((await restoreSlot(options, 0)).stage)).toEqual(finalsOf(stage));
});

test('a stage stands still while a delta is stored', async () => {
  const options = stores();
  const { stage, snapshot } = await saveEach(options, 1);
  applyUpTo(stage, 2);
  const saving = saveSlot(options, stage, snapshot);
  expect(() => applyUpTo(stage, 3)).toThrow('stands still while a delta is stored');
  await saving;
  applyUpTo(stage, 3);
});

test('a stage goes on while a base is stored, which is of the moment when it began', async () => {
  for (let count = 1; count < 9; count += 1) {
    const options = stores();
    const stage = stageAt(count);
    const still = stageAt(count);
    still.takeEmission();
    const { put } = options.blobs;
    let next = count;
    const moving = {
      ...options.blobs,
      put: async (name: string, bytes: Uint8Array) => {
        next += 1;
        applyUpTo(stage, next);
        await put(name, bytes);
      },
    };
    const { snapshot } = await saveSlot({ ...options, blobs: moving }, stage, undefined);
    expect(next).toBeGreaterThan(count + 1);
    expect(finalsOf((await restoreSlot(options, 0)).stage)).toEqual(finalsOf(still));
    // What came meanwhile is in the delta that follows.
    await saveSlot(options, stage, snapshot);
    const restored = (await restoreSlot(options, 0)).stage;
    expect(restored.reader.log.position).toBe(stage.reader.log.position);
    stage.takeEmission();
    expect(finalsOf(restored)).toEqual(finalsOf(stage));
  }
});

test('a snapshot that its owner replaces while it is read is read again', async () => {
  const options = stores();
  const { stage, snapshot } = await saveEach(options, 1);
  let next = snapshot;
  const blobs = {
    ...options.blobs,
    get: async (key: string) => {
      // Two bases: what was referred to is gone.
      for (let at = stage.reader.log.position === logPosition(1, '1') ? 2 : 9; at <= 7; at += 1) {
        applyUpTo(stage, at);
        next = (await saveSlot(options, stage, next)).snapshot;
      }
      return options.blobs.get(key);
    },
  };
  const restored = await restoreSlot({ ...options, blobs, owner: 'b' }, 0);
  expect([restored.stage.reader.log.position, restored.snapshot]).toEqual([logPosition(1, '7'), next]);
  expect(options.telemetry.lines).toEqual([]);
});

test('a snapshot of a step whose contract is another stops the worker', async () => {
  const options = stores();
  await saveSlot(options, stageAt(1), undefined);
  await expect(restoreSlot({ ...options, pipeline: otherPlan({ contract: 'ffffffff.0.' }) }, 0)).rejects.toMatchObject({
    code: 'STATE_WOULD_BE_LOST',
  });
});

test('a snapshot of another plan with the same contracts goes on, in a base of its own', async () => {
  const options = stores();
  await saveSlot(options, stageAt(1), undefined);
  const next = { ...options, pipeline: otherPlan({}) };
  const { stage, snapshot } = await restoreSlot(next, 0);
  expect([stage.reader.log.position, stage.keyCount]).toEqual([logPosition(1, '1'), stageAt(1).keyCount]);
  stage.apply(placed(next.pipeline, { at: 2 }));
  const saved = await saveSlot(next, stage, snapshot);
  expect(saved.snapshot.manifest.chain.deltas).toEqual([]);
  expect(saved.snapshot.manifest.previous).toEqual(snapshot?.manifest.chain);
});

test('after a named loss nothing goes back to what was lost', async () => {
  const options = stores();
  await saveSlot(options, stageAt(1), undefined);
  const lost = otherPlan({ contract: 'ffffffff.0.' });
  const next = {
    ...options,
    pipeline: { ...lost, dropped: new Set(pipeline.steps.map(({ plan, contract }) => `${plan.id}@${contract}`)) },
  };
  const { stage, snapshot } = await restoreSlot(next, 0);
  expect([stage.reader.log.position, stage.keyCount]).toEqual([logPosition(1, '1'), 0]);
  stage.apply(placed(next.pipeline, { at: 2 }));
  const saved = await saveSlot(next, stage, snapshot);
  expect(saved.snapshot.manifest.previous).toBeUndefined();
});

test('a checkpoint of a later version stops the worker', async () => {
  const options = stores();
  await saveSlot(options, stageAt(1), undefined);
  const { readCheckpoint } = options.state;
  const state = {
    ...options.state,
    readCheckpoint: async () => {
      const checkpoint = await readCheckpoint('window', 0);
      return (
        checkpoint && {
          ...checkpoint,
          snapshot: { ...(checkpoint.snapshot as SnapshotManifest), version: stateVersion + 1 },
        }
      );
    },
  };
  await expect(restoreSlot({ ...options, state }, 0)).rejects.toMatchObject({
    code: 'STATE_UNREADABLE',
    message: expect.stringContaining(`version ${stateVersion + 1}`),
  });
});

test('a snapshot tells the sessions of one key apart', async () => {
  const options = stores();
  const stage = new MemoryStage(pipeline, 0);
  const outputs = [1, 50].map((at) => ({ record: at, at, amount: at }));
  stage.apply(placed(pipeline, { at: 1, outputs }));
  await saveSlot(options, stage, undefined);
  const restored = (await restoreSlot(options, 0)).stage;
  restored.apply(placed(pipeline, { at: 2, to: 99, watermark: 1_000 }));
  const rows = restored.takeEmission().rows.filter((row) => row.view === 'visits');
  expect(rows.map((row) => row.windowStartMs)).toEqual([1, 50]);
});

/** The same steps by another plan, each changed by `change`. */
function otherPlan(change: { readonly contract?: string }): typeof pipeline {
  return { ...pipeline, planHash: 'ffffffffffff', steps: pipeline.steps.map((step) => ({ ...step, ...change })) };
}

test('who is hurried writes a delta where a base is due, and the next one has the time for it', async () => {
  const options = stores();
  const { stage, snapshot } = await saveEach(options, 3);
  expect(snapshot.manifest.chain.deltas).toHaveLength(2);
  applyUpTo(stage, 4);
  const hurried = await saveSlot({ ...options, isHurried: () => true }, stage, snapshot);
  expect(hurried.snapshot.manifest.chain.base).toEqual(snapshot.manifest.chain.base);
  expect((await restoreSlot(options, 0)).stage.reader.log.position).toBe(stage.reader.log.position);
  applyUpTo(stage, 5);
  const next = await saveSlot(options, stage, hurried.snapshot);
  expect(next.snapshot.manifest.chain.deltas).toEqual([]);
});

test('a base that is under way when somebody comes to wait is left for a delta', async () => {
  const options = { ...stores(), snapshotLimits: { deltasMax: 2, deltaBytesMin: 1_000_000, partCharsMax: 1 } };
  const { stage, snapshot } = await saveEach(options, 3);
  applyUpTo(stage, 4);
  let asked = 0;
  // At the choice of the kind, then before each part: it comes when one part stands.
  const isHurried = () => {
    asked += 1;
    return asked > 2;
  };
  const { snapshot: saved } = await saveSlot({ ...options, isHurried }, stage, snapshot);
  expect(saved.manifest.chain).toMatchObject({ base: snapshot.manifest.chain.base, deltas: [{}, {}, {}] });
  const rowsBefore = stageAt(4).takeEmission().rows;
  const restored = await restoreSlot(options, 0);
  applyUpTo(restored.stage, 12);
  expect(finalsOf(restored.stage, rowsBefore)).toEqual(finalsOf(stageAt(12)));
  // The part that it left goes with the next base.
  applyUpTo(stage, 5);
  const next = await saveSlot(options, stage, saved);
  expect([...(await options.blobs.list(''))].sort()).toEqual([...namesOf(next.snapshot)].sort());
});

test('the first save is a base, whoever waits', async () => {
  const { snapshot } = await saveSlot({ ...stores(), isHurried: () => true }, stageAt(2), undefined);
  expect(snapshot.manifest.chain).toMatchObject({ base: { name: expect.stringMatching(/base$/) }, deltas: [] });
});
