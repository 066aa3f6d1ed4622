import { describe, expect, test } from 'vitest';
import { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import { restoreSlot, type StoredSnapshot, saveSlot } from '#shared/runtime/snapshots.ts';
import { type LogPosition, logPosition } from '#shared/schemas/position.ts';
import type { Row } from '#shared/schemas/row.ts';
import type { SnapshotManifest } from '#shared/schemas/state.ts';
import { applyUpTo, finalsOf, pipeline, stores } from './stages.ts';

type Stores = ReturnType<typeof stores>;
/** What becomes of a write: `write` does it whole, `tear` half of it. */
type Fate = (write: () => Promise<unknown>, tear: () => Promise<unknown>) => Promise<void>;

/** The stores, with something done to the one write that has this number, beginning at 0. */
function withFault(options: Stores, number: number, fate: Fate): Stores & { readonly writes: () => number } {
  let writes = 0;
  const at = async <T>(write: () => Promise<T>, tear: () => Promise<unknown>): Promise<T> => {
    writes += 1;
    if (writes - 1 === number) await fate(write, tear);
    return write();
  };
  const { blobs, state } = options;
  const nothing = async (): Promise<void> => {};
  const faulty: BlobStore & StateStore = {
    ...blobs,
    ...state,
    put: (key, bytes) =>
      at(
        () => blobs.put(key, bytes),
        () => blobs.put(key, bytes.subarray(0, bytes.length / 2)),
      ),
    remove: (key) => at(() => blobs.remove(key), nothing),
    writeCheckpoint: (request) => at(() => state.writeCheckpoint(request), nothing),
  };
  return { ...options, blobs: { ...blobs, ...faulty }, state: { ...state, ...faulty }, writes: () => writes };
}

/** An owner's life: takes the slot, applies the blocks up to `to`, saves behind each. */
async function live(options: Stores, to: number, rows: Row[]): Promise<StoredSnapshot> {
  let { stage, snapshot } = await restoreSlot(options, 0);
  for (let at = blockOf(stage.reader.log.position) + 1; at <= to; at += 1) {
    applyUpTo(stage, at);
    // Rule 14: rows stand before the snapshot that forgets them.
    rows.push(...stage.takeEmission().rows);
    ({ snapshot } = await saveSlot(options, stage, snapshot));
  }
  return snapshot as StoredSnapshot;
}

function blockOf(position: LogPosition): number {
  return Number(position.slice(12));
}

function expected(to: number): readonly string[] {
  const stage = new MemoryStage(pipeline, 0);
  applyUpTo(stage, to);
  return finalsOf(stage);
}

/** The slot is whole at block `to`, and the blob store holds what its pointer refers to and nothing else. */
async function expectWhole(options: Stores, to: number, rows: readonly Row[]): Promise<void> {
  const { stage, snapshot } = await restoreSlot(options, 0);
  expect(stage.reader.log.position).toBe(logPosition(1, String(to)));
  expect(finalsOf(stage, rows)).toEqual(expected(to));
  expect(await options.blobs.list('')).toEqual([...objectsOf(snapshot?.manifest as SnapshotManifest)].sort());
}

function objectsOf({ chain, previous }: SnapshotManifest): readonly string[] {
  return [chain, ...(previous === undefined ? [] : [previous])]
    .flatMap(({ base, deltas }) => [base, ...deltas])
    .flatMap(({ name, objectCount }) =>
      Array.from({ length: objectCount }, (_, index) => `${name}/${String(index).padStart(6, '0')}`),
    );
}

// Blocks 1, 4, 7 and 10 are bases: at 10 there is nothing left over.
const blocks = 10;

describe('a crash at any write', () => {
  const died = new Error('killed');
  const fates: Readonly<Record<string, Fate>> = {
    before: () => Promise.reject(died),
    after: async (write) => {
      await write();
      throw died;
    },
    'in the middle of': async (_, tear) => {
      await tear();
      throw died;
    },
  };
  test.each(Object.entries(fates))('%s it loses nothing, and what it leaves is removed', async (_, fate) => {
    let crashes = 0;
    for (let number = 0; ; number += 1) {
      const options = stores();
      const rows: Row[] = [];
      const faulty = withFault(options, number, fate);
      const end = await live(faulty, 8, rows).catch((error: unknown) => error);
      // A removal that fails is no failure.
      if (end === died) crashes += 1;
      if (number >= faulty.writes()) break;
      await live({ ...options, owner: 'b' }, blocks, rows);
      // Its chain may end elsewhere: up to three saves on there is a base.
      for (let to = blocks; ; to += 1) {
        const { manifest } = await live({ ...options, owner: `c${to}` }, to, rows);
        if (to > blocks && manifest.chain.deltas.length === 0) {
          await expectWhole(options, to, rows);
          break;
        }
      }
    }
    expect(crashes).toBeGreaterThan(15);
  });

  test('and of its successor at any write too', async () => {
    for (let first = 0; first < 24; first += 1) {
      for (let second = 0; second < 12; second += 1) {
        const options = stores();
        const rows: Row[] = [];
        await live(withFault(options, first, fates['after'] as Fate), 8, rows).catch(() => undefined);
        const successor = { ...options, owner: 'b' };
        await live(withFault(successor, second, fates['in the middle of'] as Fate), 8, rows).catch(() => undefined);
        await live({ ...options, owner: 'c' }, blocks, rows);
        const { stage } = await restoreSlot(options, 0);
        expect(finalsOf(stage, rows)).toEqual(expected(blocks));
      }
    }
  });
});

describe('two owners', () => {
  test('of whom one pauses at any write while the other goes on leave the slot whole', async () => {
    let fenced = 0;
    for (let number = 0; ; number += 1) {
      let paused = false;
      for (const successorTo of [2, 5, 9, 10]) {
        const options = stores();
        const rows: Row[] = [];
        const successor = { ...options, owner: 'b' };
        const faulty = withFault(options, number, async () => {
          paused = true;
          await live(successor, successorTo, rows);
        });
        const end = await live(faulty, 8, rows).catch((error: unknown) => error);
        if (!(end instanceof Error)) expect(blockOf((end as StoredSnapshot).position)).toBeGreaterThan(7);
        else {
          expect(end).toMatchObject({ code: 'SNAPSHOT_FENCED' });
          fenced += 1;
        }
        expect(options.telemetry.lines.filter(({ message }) => message.includes('cannot be read'))).toEqual([]);
        await live({ ...options, owner: 'c' }, blocks, rows);
        const { stage, snapshot } = await restoreSlot(options, 0);
        expect(finalsOf(stage, rows)).toEqual(expected(blocks));
        // Nothing that the pointer refers to is missing, not even what nobody has asked for.
        expect(await options.blobs.list('')).toEqual(
          expect.arrayContaining([...objectsOf(snapshot?.manifest as SnapshotManifest)]),
        );
      }
      if (!paused) break;
    }
    expect(fenced).toBeGreaterThan(50);
  });
});

describe('an object that is', () => {
  const damages: Readonly<Record<string, (options: Stores, name: string) => Promise<void>>> = {
    missing: ({ blobs }, name) => blobs.remove(name),
    torn: async ({ blobs }, name) => {
      const bytes = (await blobs.get(name)) as Uint8Array;
      await blobs.put(name, bytes.subarray(0, bytes.length / 2));
    },
    empty: ({ blobs }, name) => blobs.put(name, new Uint8Array()),
    'turned over': async ({ blobs }, name) => {
      const bytes = (await blobs.get(name)) as Uint8Array;
      bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
      await blobs.put(name, bytes);
    },
    'found corrupt by the store': async ({ blobs }, name) => blobs.damage(name),
  };
  test.each(Object.entries(damages))(
    '%s takes the slot back to the last whole state, with a warning that names it',
    async (_, damage) => {
      const model = stores();
      const { manifest } = await live(model, 6, []);
      const { chain } = manifest;
      for (const name of objectsOf(manifest)) {
        const options = stores();
        const rows: Row[] = [];
        await live(options, 6, rows);
        await damage(options, name);
        const { stage, snapshot } = await restoreSlot({ ...options, owner: 'b' }, 0);
        const lost = [chain.base, ...chain.deltas].findIndex((piece) => name.startsWith(`${piece.name}/`));
        // Blocks 4, 5 and 6 are in the chain, 1 to 3 in the one before.
        const block = lost === -1 ? 6 : 3 + lost;
        expect(stage.reader.log.position).toBe(logPosition(1, String(block)));
        expect(snapshot?.position).toBe(logPosition(1, '6'));
        const warnings = options.telemetry.lines.filter(({ level }) => level === 'warn');
        expect(warnings.map(({ fields }) => JSON.stringify(fields).includes(name))).toEqual(lost === -1 ? [] : [true]);
        await live({ ...options, owner: 'b' }, blocks, rows);
        const after = await restoreSlot(options, 0);
        expect(finalsOf(after.stage, rows)).toEqual(expected(blocks));
      }
    },
  );

  test('of another save of the same kind is none of this one', async () => {
    const options = stores();
    const { manifest } = await live(options, 6, []);
    const [first, second] = manifest.chain.deltas.map(({ name }) => `${name}/000000`);
    await options.blobs.put(first as string, (await options.blobs.get(second as string)) as Uint8Array);
    expect((await restoreSlot(options, 0)).stage.reader.log.position).toBe(logPosition(1, '4'));
  });

  test('missing from both chains is STATE_UNREADABLE, with the names of both', async () => {
    const options = stores();
    const { manifest } = await live(options, 6, []);
    const names = [manifest.chain, manifest.previous].map((chain) => `${chain?.base.name}/000000`);
    for (const name of names) await options.blobs.remove(name);
    const error = await restoreSlot(options, 0).catch((caught: unknown) => caught as Error);
    expect(error).toMatchObject({ code: 'STATE_UNREADABLE' });
    for (const name of names) expect((error as Error).message).toContain(name);
  });
});

test('a slot that went back stores nothing until it has come to the stored position again', async () => {
  const options = stores();
  const { manifest } = await live(options, 6, []);
  await options.blobs.remove(`${manifest.chain.base.name}/000000`);
  const successor = { ...options, owner: 'b' };
  let { stage, snapshot } = await restoreSlot(successor, 0);
  const stored: LogPosition[] = [];
  for (let at = 4; at <= 7; at += 1) {
    applyUpTo(stage, at);
    ({ snapshot } = await saveSlot(successor, stage, snapshot));
    stored.push((await options.state.readCheckpoint('window', 0))?.position as LogPosition);
  }
  expect(stored.map(blockOf)).toEqual([6, 6, 6, 7]);
  expect((await restoreSlot(options, 0)).stage.reader.log.position).toBe(logPosition(1, '7'));
});
