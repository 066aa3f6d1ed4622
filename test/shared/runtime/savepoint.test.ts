import { describe, expect, test } from 'vitest';
import { createMemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import {
  type AnyOutput,
  count,
  milliseconds,
  type PipelineOptions,
  session,
  shareOfTotal,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { createAdmission } from '#shared/runtime/admission.ts';
import { listSavepoints, readManifest } from '#shared/runtime/savepoint.ts';
import { createSavepoint } from '#shared/runtime/savepoint-create.ts';
import { restoreSavepoint } from '#shared/runtime/savepoint-restore.ts';
import { columns, pipelineOf, type Reading, sink } from '../readings.ts';
import { end, keyed, lines, more, rawStreams, save, settle, take, worldOfOutputs } from './savepoints.ts';
import type { World } from './world.ts';

const tens: AnyOutput = keyed
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), refresh: milliseconds(1) })
  .aggregate('tens', { ...columns, total: sum((reading: Reading) => reading.amount) })
  .derive({ share: shareOfTotal('total') })
  .to(sink);
const visits: AnyOutput = keyed
  .window(session({ gap: milliseconds(10) }), { allowedLateness: milliseconds(0) })
  .aggregate('visits', columns)
  .to(sink);

/** A world that has read a first record, and its savepoint. */
async function saved(options?: PipelineOptions) {
  const world = worldOf(options);
  await take(world, 1, lines.join('\n'));
  await settle(world);
  const store = createMemoryBlobStore();
  return { world, store, manifest: await save(world, store) };
}

/** The world of the savepoint's successor reads the records from the start, and one more; gives its rows. */
async function goOn(next: World): Promise<readonly string[]> {
  await take(next, 1, lines.join('\n'));
  await take(next, 2, more.join('\n'));
  await take(next, 3, end, 'millrace:watermark');
  await settle(next);
  return [...(await next.lines('tens')), ...(await next.lines('visits'))];
}

function worldOf(options: PipelineOptions = { slots: 2 }, outputs: readonly AnyOutput[] = [tens, visits]): World {
  return worldOfOutputs(options, outputs);
}

describe('a savepoint', () => {
  test.each([
    ['with the same slots', { slots: 2 }],
    ['with more slots', { slots: 4 }],
    ['with fewer slots', { slots: 1 }],
    ['with other key groups', { slots: 2, expectedKeys: 1_000 }],
  ])('goes on %s, and counts each record once', async (_, options) => {
    const { store, manifest } = await saved();
    const [next, whole] = [worldOf(options), worldOf()];
    await restoreSavepoint({ ...next, rawStreams: rawStreams(1, 3) }, store, manifest);
    expect(await goOn(next)).toEqual(await goOn(whole));
    expect({ ...(await next.counts()), duplicates: 0 }).toEqual({ ...(await whole.counts()), duplicates: 0 });
  });

  test.each([1, 4])('goes on with %i slots over an exchange that still has the blocks for two', async (slots) => {
    const { world, store, manifest } = await saved();
    // Behind the savepoint the deployment went on.
    await take(world, 2, more.join('\n'));
    const [next, whole] = [worldOf({ slots }), worldOf()];
    const left = world.exchange.stored.flatMap(({ records }) => records);
    await next.exchange.put(left.map(({ bytes }) => ({ slot: 0, explicitHashKey: '1', bytes })));
    await restoreSavepoint({ ...next, rawStreams: rawStreams(1, 3) }, store, manifest);
    expect(await goOn(next)).toEqual(await goOn(whole));
    expect({ ...(await next.counts()), duplicates: 0 }).toEqual({ ...(await whole.counts()), duplicates: 0 });
  });

  test('is listed when it is whole, oldest first', async () => {
    const { world, store } = await saved();
    world.clock.move(1_000);
    await save(world, store, { id: 'another' });
    await store.put('half/window-0/000000', new Uint8Array([1]));
    expect((await listSavepoints(store)).manifests.map(({ id }) => id)).toEqual(['one', 'another']);
  });

  test.each(['', 'null', '{"crc32":1}'])(
    'whose manifest is %j is named, and does not hide the others',
    async (text) => {
      const { store } = await saved();
      await store.put('damaged/manifest.json', new TextEncoder().encode(text));
      const { manifests, unreadable } = await listSavepoints(store);
      expect(manifests.map(({ id }) => id)).toEqual(['one']);
      expect(unreadable.map(({ message }) => message)).toEqual([
        expect.stringMatching(/^SAVEPOINT_UNREADABLE: damaged\/manifest\.json is /),
      ]);
    },
  );

  test('whose manifest has other bytes on the disk is named, and does not hide the others', async () => {
    const { store } = await saved();
    await store.put('damaged/manifest.json', new TextEncoder().encode('{}'));
    store.damage('damaged/manifest.json');
    const { manifests, unreadable } = await listSavepoints(store);
    expect(manifests.map(({ id }) => id)).toEqual(['one']);
    expect(unreadable.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^BLOB_CORRUPT: .*damaged\/manifest\.json/),
    ]);
  });

  test('says whether all was read', async () => {
    const { world, store, manifest } = await saved();
    expect([manifest.isAligned, manifest.isDrained]).toEqual([true, true]);
    const behind = await save(world, store, { id: 'two', last: 2 });
    expect([behind.isAligned, behind.isDrained]).toEqual([true, false]);
    await expect(save(world, store, { id: 'three', last: 2, drainMsMax: 1_000 })).rejects.toMatchObject({
      code: 'SAVEPOINT_REFUSED',
      message: expect.stringContaining(
        'did not come to the end of its raw streams, and of the rows that wait for a file, in 1 s. Pause',
      ),
    });
  });

  test('that waits in vain says what fails', async () => {
    const { world, store } = await saved();
    const troubles = ['worker 0 has failed 3 times: PLAN_MISMATCH: deploy anew.', 'worker 1 has failed 4 times: gone.'];
    await expect(save(world, store, { id: 'two', last: 2, drainMsMax: 1_000, troubles })).rejects.toMatchObject({
      code: 'SAVEPOINT_REFUSED',
      message: expect.stringContaining(` in 1 s: ${troubles.join('; ')} Pause the producers`),
    });
  });

  test('that two make at once under one id is whole', async () => {
    const { world, store } = await saved();
    // The other begins when this one has put a part, after more was read, and ends before it.
    let isAlone = true;
    const slow = {
      ...store,
      put: async (key: string, bytes: Uint8Array) => {
        await store.put(key, bytes);
        if (!isAlone) return;
        isAlone = false;
        await take(world, 2, more.join('\n'));
        await settle(world);
        await save(world, store, { id: 'two', last: 2 });
      },
    };
    await save(world, slow, { id: 'two', last: 2 });
    const next = worldOf();
    await restoreSavepoint({ ...next, rawStreams: rawStreams(1, 2) }, store, await readManifest(store, 'two'));
  });

  test('of another plan than the one that runs is refused', async () => {
    const { world, store } = await saved();
    const other = { ...world, pipeline: pipelineOf([tens], { slots: 2 }), rawStreams: rawStreams(1, 1) };
    await expect(createSavepoint(other, store, { id: 'two' })).rejects.toThrow(
      /^SAVEPOINT_REFUSED: the state is of plan/,
    );
  });

  test('that was changed is told, and names the object', async () => {
    const { store, manifest } = await saved();
    const text = new TextDecoder().decode(await store.get('one/manifest.json'));
    await store.put(
      'one/manifest.json',
      new TextEncoder().encode(text.replace('"isAligned": true', '"isAligned": false')),
    );
    await expect(readManifest(store, 'one')).rejects.toThrow(/^SAVEPOINT_UNREADABLE: one\/manifest.json/);
    const [object = ''] = await store.list('one/window-1/');
    await store.remove(object);
    await expect(restoreSavepoint({ ...worldOf(), rawStreams: rawStreams(1, 1) }, store, manifest)).rejects.toThrow(
      `BLOB_CORRUPT: the object ${object} of the savepoint is missing`,
    );
  });
});

describe('a restore is refused', () => {
  test('where there is state', async () => {
    const { world, store, manifest } = await saved();
    const restore = restoreSavepoint({ ...world, rawStreams: rawStreams(1, 1) }, store, manifest);
    await expect(restore).rejects.toThrow(/^SAVEPOINT_REFUSED: .* has state/);
  });

  test('where one was broken off, naming it', async () => {
    const { store, manifest } = await saved();
    const next = { ...worldOf(), rawStreams: rawStreams(1, 1) };
    const state = {
      ...next.state,
      writeCheckpoint: () => Promise.reject(new Error('killed')),
    };
    await expect(restoreSavepoint({ ...next, state }, store, manifest)).rejects.toThrow(/^killed/);
    await expect(restoreSavepoint(next, store, manifest)).rejects.toThrow(
      /^SAVEPOINT_REFUSED: a savepoint is being put .*"one".* did not come to its end/,
    );
  });

  test('where records behind a mark may be gone, naming the shard', async () => {
    const { store, manifest } = await saved();
    const restore = restoreSavepoint({ ...worldOf(), rawStreams: rawStreams(2, 9) }, store, manifest);
    await expect(restore).rejects.toThrow(/^SAVEPOINT_REFUSED: shard raw of source readings does not hold record 1/);
  });

  test('where the raw streams are others, and the savepoint does not have all of their records', async () => {
    const { world, store } = await saved();
    const behind = await save(world, store, { id: 'two', last: 2 });
    const restore = restoreSavepoint({ ...worldOf(), rawStreams: rawStreams(1, 0, 'another') }, store, behind);
    await expect(restore).rejects.toThrow(/^SAVEPOINT_REFUSED: the raw streams are others/);
  });

  test('where slots that have not seen the same would become one', async () => {
    const world = worldOf();
    await take(world, 1, lines.join('\n'));
    await settle(world);
    // One slot is ahead of the other.
    await take(world, 2, more.join('\n'));
    world.exchange.stored[0]?.records.splice(-1);
    await settle(world);
    const store = createMemoryBlobStore();
    const manifest = await save(world, store, { last: 2 });
    expect(manifest.isAligned).toBe(false);
    const narrow = { ...worldOf({ slots: 1 }), rawStreams: rawStreams(1, 2) };
    await expect(restoreSavepoint(narrow, store, manifest)).rejects.toThrow(/^SAVEPOINT_REFUSED: .*--drained/);
  });

  test('where a step is gone, unless its loss was named', async () => {
    const { store, manifest } = await saved();
    const without = { ...worldOf({ slots: 2 }, [tens]), rawStreams: rawStreams(1, 1) };
    await expect(restoreSavepoint(without, store, manifest)).rejects.toThrow(
      /^STATE_WOULD_BE_LOST: .*step visits is gone/s,
    );
  });
});

test('raw streams that were made anew begin from nothing, though their shards and numbers are the same', async () => {
  const { store, manifest } = await saved();
  const next = worldOf();
  await restoreSavepoint({ ...next, rawStreams: rawStreams(1, 0, 'another') }, store, manifest);
  await take(next, 1, more.join('\n'));
  await take(next, 2, end, 'millrace:watermark');
  await settle(next);
  const whole = worldOf();
  expect([...(await next.lines('tens')), ...(await next.lines('visits'))]).toEqual(await goOn(whole));
  expect((await next.counts()).counted).toBe((await whole.counts()).counted);
});

test('hosts wait while a savepoint is restored', async () => {
  const { world, store, manifest } = await saved();
  const next = worldOf();
  const broken = { ...store, get: async (key: string) => (key.includes('window-0') ? undefined : store.get(key)) };
  const half = { ...next, rawStreams: rawStreams(1, 1), results: world.results };
  await expect(restoreSavepoint(half, broken, manifest)).rejects.toThrow(/^BLOB_CORRUPT/);
  expect(await next.state.readContract()).toBeUndefined();
  await next.state.writeContract({ contract: { plan: 'restoring', body: '{}' }, read: undefined });
  await expect(createAdmission(next.pipeline, next.state)()).rejects.toMatchObject({
    code: 'RESTORE_UNDER_WAY',
    retry: true,
  });
});

describe('a savepoint of steps that read the rows of others', () => {
  const ended = keyed
    .window(session({ gap: milliseconds(10) }), { allowedLateness: milliseconds(0) })
    .aggregate('ended', columns);
  const perHour = ended
    .asStream()
    .keyBy(() => ({ all: true }))
    .window(tumbling(milliseconds(50)), { allowedLateness: milliseconds(0) })
    .aggregate('per-hour', { visits: count() })
    .to(sink);

  /** The slots pass their rows on until nothing moves any more. */
  async function settleRows(world: World): Promise<void> {
    for (let turn = 0; turn < 4; turn += 1) {
      await settle(world);
      world.clock.move(5_000);
    }
  }

  async function finish(world: World): Promise<readonly string[]> {
    await take(world, 2, more.join('\n'));
    await take(world, 3, end, 'millrace:watermark');
    await settleRows(world);
    return world.lines('per-hour');
  }

  test.each([{ slots: 2 }, { slots: 4 }, { slots: 1 }])('goes on with $slots slots', async (options) => {
    const [world, whole] = [worldOf({ slots: 2 }, [perHour]), worldOf({ slots: 2 }, [perHour])];
    for (const one of [world, whole]) {
      await take(one, 1, [...lines, '{"at":40,"key":"a","amount":1}'].join('\n'));
      await settleRows(one);
    }
    const store = createMemoryBlobStore();
    await createSavepoint({ ...world, rawStreams: rawStreams(1, 1) }, store, { id: 'one', drainMsMax: 10_000 });
    const next = worldOf(options, [perHour]);
    const manifest = await readManifest(store, 'one');
    await restoreSavepoint({ ...next, rawStreams: rawStreams(1, 3) }, store, manifest);
    const rows = await finish(next);
    expect(rows).toEqual(await finish(whole));
    expect(rows.length).toBeGreaterThan(0);
  });

  test('is refused while rows are under way', async () => {
    const world = worldOf({ slots: 2 }, [perHour]);
    await take(world, 1, [...lines, '{"at":40,"key":"a","amount":1}'].join('\n'));
    await world.work(1);
    await expect(save(world, createMemoryBlobStore())).rejects.toThrow(
      /^SAVEPOINT_REFUSED: .* under way between them all the time, last rows of ended from slot \d to slot \d/,
    );
  });
});
