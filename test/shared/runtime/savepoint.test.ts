import { describe, expect, test } from 'vitest';
import { createMemoryBlobStore, type MemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import {
  type AnyOutput,
  count,
  countWindow,
  cumulative,
  everyTime,
  global,
  milliseconds,
  type PipelineOptions,
  session,
  shareOfTotal,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import type { RawStreams } from '#shared/ports/raw-streams.ts';
import { createAdmission } from '#shared/runtime/admission.ts';
import { listSavepoints, readManifest } from '#shared/runtime/savepoint.ts';
import { createSavepoint } from '#shared/runtime/savepoint-create.ts';
import { restoreSavepoint } from '#shared/runtime/savepoint-restore.ts';
import { columns, pipelineOf, type Reading, readings, sink } from '../readings.ts';
import { rawRecord, World } from './world.ts';

const keyed = readings().keyBy((reading) => ({ key: reading.key }));
const tens: AnyOutput = keyed
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), refresh: milliseconds(1) })
  .aggregate('tens', { ...columns, total: sum((reading: Reading) => reading.amount) })
  .derive({ share: shareOfTotal('total') })
  .to(sink);
const visits: AnyOutput = keyed
  .window(session({ gap: milliseconds(10) }), { allowedLateness: milliseconds(0) })
  .aggregate('visits', columns)
  .to(sink);

const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const lines = keys.map((key, index) => JSON.stringify({ at: index, key, amount: index + 1 }));
const more = keys.map((key, index) => JSON.stringify({ at: index + 2, key, amount: 10 * index + 1 }));
const end = '{"watermark":1000}';

function worldOf(options: PipelineOptions = { slots: 2 }, outputs: readonly AnyOutput[] = [tens, visits]): World {
  return new World(pipelineOf(outputs, options), ['raw']);
}

async function take(world: World, sequence: number, text: string, partitionKey?: string): Promise<void> {
  await world.preprocess().process({ shardId: 'raw', records: [rawRecord(sequence, text, partitionKey)] });
}

async function settle(world: World): Promise<void> {
  await world.aggregate();
  await world.work();
}

/** One raw shard `raw`, whose records are those from `first` to `last`. */
function rawStreams(first: number, last: number, stream = 'one'): RawStreams {
  return {
    identityOf: async () => stream,
    shards: async () => (last >= first ? ['raw'] : []),
    holds: async (_, __, sequence) => Number(sequence) >= first && Number(sequence) <= last,
    isAtEnd: async (_, __, sequence) => Number(sequence ?? 0) >= last,
  };
}

function save(world: World, to: MemoryBlobStore, options: { drainMsMax?: number; last?: number; id?: string } = {}) {
  const { last = 1, id = 'one', drainMsMax } = options;
  return createSavepoint({ ...world, rawStreams: rawStreams(1, last) }, to, { id, drainMsMax });
}

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

  test.each([
    ['lambda', { slots: 4 }],
    ['lambda', { slots: 1 }],
    ['fargate', { slots: 4 }],
    ['fargate', { slots: 1 }],
  ] as const)(
    'of windows that begin together, on %s, leaves no total of the slots from before: %j',
    async (placement, options) => {
      const soFar: AnyOutput = keyed
        .window(cumulative(milliseconds(20), { step: milliseconds(5) }), {
          allowedLateness: milliseconds(0),
          refresh: milliseconds(1),
          placement,
        })
        .aggregate('so-far', { total: sum((reading: Reading) => reading.amount) })
        .derive({ share: shareOfTotal('total') })
        .to(sink);
      const [world, whole] = [worldOf({ slots: 2 }, [soFar]), worldOf({ slots: 2 }, [soFar])];
      for (const one of [world, whole]) {
        await take(one, 1, lines.join('\n'));
        await settle(one);
      }
      const store = createMemoryBlobStore();
      const manifest = await save(world, store);
      const next = worldOf(options, [soFar]);
      // The table of results stays.
      const { rows, totals } = world.results.dump();
      await next.results.writeRows(rows);
      await next.results.writeTotals(totals);
      await restoreSavepoint({ ...next, rawStreams: rawStreams(1, 3) }, store, manifest);
      const finished: string[][] = [];
      for (const one of [next, whole]) {
        await take(one, 2, more.join('\n'));
        await take(one, 3, end, 'millrace:watermark');
        await settle(one);
        finished.push([...(await one.lines('so-far'))]);
      }
      expect(finished[0]).toEqual(finished[1]);
      expect(finished[0]?.length).toBeGreaterThan(0);
    },
  );

  test('shows what is not final in a new table too, of keys of which nothing more comes', async () => {
    const { rows, ...late } = { rows: columns, allowedLateness: milliseconds(0), refresh: milliseconds(1) };
    const outputs = [
      keyed
        .window(tumbling(milliseconds(10)), { ...late, placement: 'lambda' })
        .aggregate('on-lambda', rows)
        .to(sink),
      keyed
        .window(tumbling(milliseconds(10)), { ...late, placement: 'fargate' })
        .aggregate('in-worker', rows)
        .to(sink),
      keyed.aggregate('running', rows, { refresh: milliseconds(1) }).to(sink),
      keyed
        .window(global({ trigger: everyTime(milliseconds(2)) }), { allowedLateness: milliseconds(0) })
        .aggregate('ever', rows)
        .to(sink),
    ];
    const world = worldOf({ slots: 2 }, outputs);
    await take(world, 1, lines.join('\n'));
    await settle(world);
    await take(world, 2, '{"watermark":8}', 'millrace:watermark');
    await settle(world);
    const store = createMemoryBlobStore();
    const manifest = await save(world, store, { last: 2 });
    const next = worldOf({ slots: 2 }, outputs);
    await restoreSavepoint({ ...next, rawStreams: rawStreams(1, 3) }, store, manifest);
    await take(next, 3, '{"watermark":9}', 'millrace:watermark');
    await settle(next);
    for (const view of ['on-lambda', 'in-worker', 'running', 'ever']) {
      const expected = await world.lines(view);
      expect([view, expected.length]).toEqual([view, keys.length]);
      expect(await next.lines(view)).toEqual(expected);
    }
  });

  test.each([{ slots: 2 }, { slots: 4 }, { slots: 1 }])(
    'of windows in order, late views, and what has no window goes on with $slots slots',
    async (options) => {
      const allowedLateness = milliseconds(0);
      const capped = keyed
        .window(session({ gap: milliseconds(10), maxLength: milliseconds(3) }), { allowedLateness })
        .aggregate('capped', columns);
      const running = keyed.aggregate('running', columns, { refresh: milliseconds(0) });
      const outputs: readonly AnyOutput[] = [
        capped.to(sink),
        capped.late('late', { amount: (reading) => reading.amount }).to(sink),
        keyed
          .window(countWindow(2, { incomplete: 'emit' }), { allowedLateness })
          .aggregate('pairs', columns)
          .to(sink),
        keyed
          .window(global({ trigger: everyTime(milliseconds(2)) }), { allowedLateness })
          .aggregate('ever', columns)
          .to(sink),
        running.to(sink),
        running
          .asChanges()
          .keyBy((row) => ({ odd: row.requests % 2 === 1 }))
          .aggregate('by-parity', { keys: sum((row) => row.change) }, { refresh: milliseconds(0) })
          .to(sink),
        keyed
          .join(keyed, { within: 'ever' })
          .select('all-pairs', {
            left: { l: (reading: Reading) => reading.amount },
            right: { r: (reading: Reading) => reading.amount },
          })
          .to(sink),
        keyed
          .throttle('throttled', { columns: {}, limit: 1, per: milliseconds(4), burst: 1, allowedLateness })
          .to(sink),
      ];
      const [world, whole] = [worldOf({ slots: 2 }, outputs), worldOf({ slots: 2 }, outputs)];
      const rest = async (one: World): Promise<void> => {
        for (let turn = 0; turn < 4; turn += 1) {
          await settle(one);
          one.clock.move(5_000);
        }
      };
      for (const one of [world, whole]) {
        await take(one, 1, lines.join('\n'));
        await rest(one);
        await take(one, 2, '{"watermark":4}', 'millrace:watermark');
        await rest(one);
      }
      const store = createMemoryBlobStore();
      const manifest = await save(world, store, { last: 2, drainMsMax: 10_000 });
      const next = worldOf(options, outputs);
      const { rows } = world.results.dump();
      await next.results.writeRows(rows);
      await restoreSavepoint({ ...next, rawStreams: rawStreams(1, 4) }, store, manifest);
      for (const one of [next, whole]) {
        await take(one, 3, more.join('\n'));
        await rest(one);
        await take(one, 4, '{"watermark":253402300799999}', 'millrace:watermark');
        await rest(one);
      }
      for (const { name } of outputs) {
        const expected = await whole.lines(name);
        expect([name, await next.lines(name)]).toEqual([name, expected]);
        expect([name, expected.length > 0]).toEqual([name, true]);
      }
      expect({ ...(await next.counts()), duplicates: 0 }).toEqual({ ...(await whole.counts()), duplicates: 0 });
    },
  );

  test('is listed when it is whole, oldest first', async () => {
    const { world, store } = await saved();
    world.clock.move(1_000);
    await save(world, store, { id: 'another' });
    await store.put('half/window-0/000000', new Uint8Array([1]));
    expect((await listSavepoints(store)).map(({ id }) => id)).toEqual(['one', 'another']);
  });

  test('says whether all was read', async () => {
    const { world, store, manifest } = await saved();
    expect([manifest.isAligned, manifest.isDrained]).toEqual([true, true]);
    const behind = await save(world, store, { id: 'two', last: 2 });
    expect([behind.isAligned, behind.isDrained]).toEqual([true, false]);
    await expect(save(world, store, { id: 'three', last: 2, drainMsMax: 1_000 })).rejects.toMatchObject({
      code: 'SAVEPOINT_REFUSED',
      message: expect.stringContaining(
        'did not come to the end of its raw streams, and of the rows that wait for a file, in 1 s',
      ),
    });
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
    await store.remove('one/window-1/000000');
    await expect(restoreSavepoint({ ...worldOf(), rawStreams: rawStreams(1, 1) }, store, manifest)).rejects.toThrow(
      /^BLOB_CORRUPT: the object one\/window-1\/000000/,
    );
  });
});

describe('a restore is refused', () => {
  test('where there is state', async () => {
    const { world, store, manifest } = await saved();
    const restore = restoreSavepoint({ ...world, rawStreams: rawStreams(1, 1) }, store, manifest);
    await expect(restore).rejects.toThrow(/^SAVEPOINT_REFUSED: .* has state/);
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
