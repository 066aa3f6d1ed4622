import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StateStore } from '#shared/ports/state-store.ts';
import { type LogPosition, logPosition, subMax } from '#shared/schemas/position.ts';
import {
  type CellId,
  type Checkpoint,
  cellBytesMax,
  type LateMark,
  type OriginCounts,
  type StoredCell,
  totalGroup,
} from '#shared/schemas/state.ts';

/** What every StateStore must do. `open` gives an empty one. */
export function stateStoreContract(name: string, open: () => Promise<StateStore>): void {
  describe(`${name} keeps checkpoints`, () => {
    test('a checkpoint that was never written is undefined', async () => {
      const store = await open();
      expect(await store.readCheckpoint('aggregate', 0)).toBeUndefined();
    });

    test('a checkpoint is read as it was written', async () => {
      const store = await open();
      const checkpoint = checkpointAt(p(5));
      await store.writeCheckpoint({ stage: 'window', slot: 3, checkpoint, condition: first });
      expect(await store.readCheckpoint('window', 3)).toEqual(checkpoint);
    });

    test('a long checkpoint is read as it was written', async () => {
      const store = await open();
      const checkpoint = {
        ...checkpointAt(p(5)),
        steps: { visits: { ...step, pending: Array.from({ length: 9_000 }, (_, i) => `${i}/${i}`) } },
      };
      await store.writeCheckpoint({ stage: 'window', slot: 3, checkpoint, condition: first });
      expect(await store.readCheckpoint('window', 3)).toEqual(checkpoint);
    });

    test('each stage and slot has its own checkpoint', async () => {
      const store = await open();
      for (const [stage, slot] of [
        ['window', 1],
        ['window', 11],
        ['aggregate', 1],
      ] as const) {
        await store.writeCheckpoint({
          stage,
          slot,
          checkpoint: checkpointAt(p(slot)),
          condition: { kind: 'unchanged', position: undefined },
        });
      }
      expect((await store.readCheckpoint('window', 1))?.position).toBe(p(1));
      expect((await store.readCheckpoint('window', 11))?.position).toBe(p(11));
      expect(await store.readCheckpoint('aggregate', 11)).toBeUndefined();
    });

    test('what a caller changes after a write is not stored', async () => {
      const store = await open();
      const checkpoint = { ...checkpointAt(p(1)), counts: { counted: 1, late: 0, shared: 0, duplicates: 0 } };
      await store.writeCheckpoint({ stage: 'window', slot: 0, checkpoint, condition: first });
      checkpoint.counts.counted = 99;
      expect((await store.readCheckpoint('window', 0))?.counts.counted).toBe(1);
    });

    test('what a caller changes after a read is not stored', async () => {
      const store = await open();
      await store.writeCheckpoint({
        stage: 'window',
        slot: 0,
        checkpoint: checkpointAt(p(1)),
        condition: first,
      });
      const read = (await store.readCheckpoint('window', 0)) as { clockMs: number } | undefined;
      if (read) read.clockMs = 99;
      expect((await store.readCheckpoint('window', 0))?.clockMs).toBe(1_000);
    });

    const conditions = [
      { claim: 'unchanged, of nothing, when there is nothing', stored: undefined, read: undefined, outcome: 'written' },
      { claim: 'unchanged, of nothing, when there is one', stored: p(1), read: undefined, outcome: 'conflict' },
      { claim: 'unchanged, when the stored one was read', stored: p(1), read: p(1), outcome: 'written' },
      { claim: 'unchanged, when another was read', stored: p(2), read: p(1), outcome: 'conflict' },
      { claim: 'unchanged, when one was read and there is none', stored: undefined, read: p(1), outcome: 'conflict' },
    ] as const;
    test.each(conditions)('a checkpoint on condition $claim: $outcome', async ({ stored, read, outcome }) => {
      const store = await open();
      if (stored)
        await store.writeCheckpoint({
          stage: 'aggregate',
          slot: 0,
          checkpoint: checkpointAt(stored),
          condition: first,
        });
      const condition = { kind: 'unchanged', position: read } as const;
      expect(
        await store.writeCheckpoint({ stage: 'aggregate', slot: 0, checkpoint: checkpointAt(p(9)), condition }),
      ).toBe(outcome);
      expect((await store.readCheckpoint('aggregate', 0))?.position).toBe(outcome === 'written' ? p(9) : stored);
    });

    const revisions = [
      { claim: 'nothing was read and there is nothing', stored: undefined, read: undefined, outcome: 'written' },
      { claim: 'nothing was read and there is one', stored: at(1, 'a'), read: undefined, outcome: 'conflict' },
      { claim: 'one without a revision was read', stored: at(1), read: undefined, outcome: 'written' },
      { claim: 'the stored one was read', stored: at(1, 'a'), read: 'a', outcome: 'written' },
      { claim: 'the stored one is at the same position', stored: at(9, 'a'), read: 'a', outcome: 'written' },
      { claim: 'another of the same position was read', stored: at(1, 'b'), read: 'a', outcome: 'conflict' },
      { claim: 'one was read and there is one without a revision', stored: at(1), read: 'a', outcome: 'conflict' },
      { claim: 'one was read and there is none', stored: undefined, read: 'a', outcome: 'conflict' },
      { claim: 'the stored one, which was read, is higher', stored: at(10, 'a'), read: 'a', outcome: 'conflict' },
      { claim: 'the stored one, without a revision, is higher', stored: at(10), read: undefined, outcome: 'conflict' },
      {
        claim: 'the stored one, which was read, is of a higher generation',
        stored: { ...checkpointAt(logPosition(2, '1')), revision: 'a' },
        read: 'a',
        outcome: 'conflict',
      },
    ] as const;
    test.each(revisions)('a checkpoint by revision, when $claim: $outcome', async ({ stored, read, outcome }) => {
      const store = await open();
      if (stored) await store.writeCheckpoint({ stage: 'window', slot: 0, checkpoint: stored, condition: first });
      const condition = { kind: 'revision', revision: read } as const;
      const checkpoint = at(9, 'new');
      expect(await store.writeCheckpoint({ stage: 'window', slot: 0, checkpoint, condition })).toBe(outcome);
      expect(await store.readCheckpoint('window', 0)).toEqual(outcome === 'written' ? checkpoint : stored);
    });
  });

  describe(`${name} keeps cells`, () => {
    test('cells are read in the order they were asked for, with gaps and repeats', async () => {
      const store = await open();
      await write(store, cell({ group: 1 }));
      await write(store, cell({ group: totalGroup }));
      const ids = [id({ group: totalGroup }), id({ group: 7 }), id({ group: 1 }), id({ group: totalGroup })];
      const groups = (await store.readCells(ids)).map((read) => read?.id.group);
      expect(groups).toEqual([totalGroup, undefined, 1, totalGroup]);
    });

    test('no cells asked for are no cells', async () => {
      const store = await open();
      expect(await store.readCells([])).toEqual([]);
    });

    test('more cells are read than one request takes', async () => {
      const store = await open();
      const cells = Array.from({ length: 230 }, (_, group) => cell({ group, body: `${group}` }));
      await Promise.all(cells.map((written) => write(store, written)));
      expect(await store.readCells(cells.map((written) => written.id))).toEqual(cells);
    });

    const bodies = [
      { claim: 'an empty object', body: '{}' },
      { claim: 'text beyond ASCII', body: JSON.stringify({ 'ip=é漢😀': ['\u0000', '"'] }) },
      {
        claim: 'long and repeating text',
        body: JSON.stringify(Array.from({ length: 60_000 }, (_, i) => `key-${i % 10}`)),
      },
      { claim: 'long text without repeats', body: noise(250_000) },
    ];
    test.each(bodies)('a body of $claim is read as it was written', async ({ body }) => {
      const store = await open();
      await write(store, cell({ body }));
      expect(await store.readCells([id({})])).toEqual([cell({ body })]);
    });

    test('a cell that is too large names its step, slot and group and says what to do', async () => {
      const store = await open();
      const written = write(store, cell({ slot: 5, group: 12, body: noise(2 * cellBytesMax) }));
      await expect(written).rejects.toMatchObject({
        code: 'STATE_ITEM_TOO_LARGE',
        message: expect.stringMatching(
          /step by-ip, slot 5, key group 12: .* \d{6} bytes, at most 399360 .*expectedKeys/,
        ),
      });
    });

    const conditions = [
      { claim: 'none was read and there is none', stored: undefined, read: undefined, outcome: 'written' },
      { claim: 'none was read and there is one', stored: p(1), read: undefined, outcome: 'conflict' },
      { claim: 'the stored one was read', stored: p(1), read: p(1), outcome: 'written' },
      { claim: 'an older one was read', stored: p(2), read: p(1), outcome: 'conflict' },
      { claim: 'one was read that is gone', stored: undefined, read: p(1), outcome: 'conflict' },
    ] as const;
    test.each(conditions)(
      'a cell is written on condition: when $claim, $outcome',
      async ({ stored, read, outcome }) => {
        const store = await open();
        if (stored) await write(store, cell({ position: stored }));
        expect(await write(store, cell({ position: p(9) }), read)).toBe(outcome);
        expect((await store.readCells([id({})]))[0]?.position).toBe(outcome === 'written' ? p(9) : stored);
      },
    );

    test('a pane lists its own cells only, its total first, then by group', async () => {
      const store = await open();
      for (const group of [10, 9, 1, totalGroup, 0]) await write(store, cell({ group }));
      for (const other of [
        { slot: 10 },
        { slot: 11 },
        { step: 'by-ip-2' },
        { paneMs: 60_001 },
        { paneMs: 0 },
        { paneMs: -60_000 },
      ])
        await write(store, cell(other));
      const listed = await store.listCells({ step: 'by-ip', slot: 1, paneMs: 60_000 });
      expect(listed).toEqual([totalGroup, 0, 1, 9, 10].map((group) => cell({ group })));
    });

    test.each([-1, -62_135_596_800_000, -62_200_000_000_000, 253_402_300_800_000, 8.64e15, -8.64e15])(
      'a pane may start at %d ms',
      async (paneMs) => {
        const store = await open();
        await write(store, cell({ paneMs, group: 3 }));
        expect(await store.listCells({ step: 'by-ip', slot: 1, paneMs })).toEqual([cell({ paneMs, group: 3 })]);
      },
    );

    test('a pane lists more than one page holds', async () => {
      const store = await open();
      const cells = Array.from({ length: 8 }, (_, group) => cell({ group, body: noise(280_000, group) }));
      for (const written of cells) await write(store, written);
      expect(await store.listCells({ step: 'by-ip', slot: 1, paneMs: 60_000 })).toEqual(cells);
    });

    test('of writers that read the same position exactly one wins each round, and none of its rounds is lost', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 }), async (rounds) => {
          const store = await open();
          let read: LogPosition | undefined;
          for (const [round, writers] of rounds.entries()) {
            const positions = Array.from({ length: writers }, (_, writer) => logPosition(round + 1, String(writer)));
            const outcomes = await Promise.all(
              positions.map((position) => write(store, cell({ position, body: position }), read)),
            );
            expect(outcomes.filter((outcome) => outcome === 'written')).toHaveLength(1);
            const [stored] = await store.readCells([id({})]);
            const winner = positions[outcomes.indexOf('written')] as LogPosition;
            expect(stored).toEqual(cell({ position: winner, body: winner }));
            read = winner;
          }
        }),
        { numRuns: 20 },
      );
    });

    test('of owners that read the same revision exactly one swaps it', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 }), async (rounds) => {
          const store = await open();
          let revision: string | undefined;
          for (const [round, owners] of rounds.entries()) {
            const condition = { kind: 'revision', revision } as const;
            const revisions = Array.from({ length: owners }, (_, owner) => `${round}.${owner}`);
            // All at one position: it does not tell them apart.
            const outcomes = await Promise.all(
              revisions.map((one) =>
                store.writeCheckpoint({ stage: 'window', slot: 0, checkpoint: at(7, one), condition }),
              ),
            );
            expect(outcomes.filter((outcome) => outcome === 'written')).toHaveLength(1);
            revision = revisions[outcomes.indexOf('written')];
            expect((await store.readCheckpoint('window', 0))?.revision).toBe(revision);
          }
        }),
        { numRuns: 20 },
      );
    });
  });

  describe(`${name} keeps the counts of origins`, () => {
    const counts: OriginCounts = { sequence: '12', sent: 3, filtered: 1, rejected: 0 };
    const tried: OriginCounts = { ...counts, attempt: { sequence: '13', count: 2 } };

    test('an origin that was never written is undefined', async () => {
      const store = await open();
      expect(await store.readOrigin('requests', 'shardId-0')).toBeUndefined();
    });

    test.each([{ counts }, { counts: tried }])('counts are read as they were written', async ({ counts: written }) => {
      const store = await open();
      await store.writeOrigin({ source: 'requests', shard: 'shardId-0', counts: written, read: undefined });
      expect(await store.readOrigin('requests', 'shardId-0')).toEqual(written);
    });

    const conditions = [
      { claim: 'none were read and there are some', stored: counts, read: undefined, outcome: 'conflict' },
      { claim: 'the stored ones were read', stored: counts, read: { ...counts }, outcome: 'written' },
      {
        claim: 'the stored ones were read, with their fields in another order',
        stored: tried,
        read: { attempt: { count: 2, sequence: '13' }, rejected: 0, filtered: 1, sent: 3, sequence: '12' },
        outcome: 'written',
      },
      { claim: 'they differ in a count', stored: counts, read: { ...counts, filtered: 2 }, outcome: 'conflict' },
      { claim: 'they differ in the attempt', stored: tried, read: counts, outcome: 'conflict' },
      { claim: 'some were read and there are none', stored: undefined, read: counts, outcome: 'conflict' },
    ];
    test.each(conditions)(
      'counts are written on condition: when $claim, $outcome',
      async ({ stored, read, outcome }) => {
        const store = await open();
        const origin = { source: 'requests', shard: 'shardId-0' };
        const next = { ...counts, sequence: '20' };
        if (stored) await store.writeOrigin({ ...origin, counts: stored, read: undefined });
        expect(await store.writeOrigin({ ...origin, counts: next, read })).toBe(outcome);
        expect(await store.readOrigin('requests', 'shardId-0')).toEqual(outcome === 'written' ? next : stored);
      },
    );

    test('all origins of all sources are listed', async () => {
      const store = await open();
      const origins = [
        { source: 'a', shard: 's-0' },
        { source: 'a', shard: 's-1' },
        { source: 'b', shard: 's-0' },
      ];
      for (const [sent, origin] of origins.entries())
        await store.writeOrigin({ ...origin, counts: { ...counts, sent }, read: undefined });
      const listed = await store.listOrigins();
      expect(listed).toHaveLength(3);
      expect(listed).toEqual(
        expect.arrayContaining(origins.map((origin, sent) => ({ ...origin, counts: { ...counts, sent } }))),
      );
    });
  });

  describe(`${name} keeps notes of lookups`, () => {
    const note = { id: 'one', from: '1', to: '9', body: '{"users":[["[\\"ann\\"]"]]}' };
    const written = (lookups: typeof note, read?: string, shard = 's-0') => {
      return { source: 'a', shard, lookups, read, expiresMs: 4_000_000_000_000 };
    };

    test('a note that was never written is undefined', async () => {
      const store = await open();
      expect(await store.readLookups('a', 's-0')).toBeUndefined();
    });

    test('a note is read as it was written, and each shard of a source has its own', async () => {
      const store = await open();
      const other = { ...note, id: 'two', body: '{}' };
      expect(await store.writeLookups(written(note))).toBe('written');
      expect(await store.writeLookups(written(other, undefined, 's-1'))).toBe('written');
      expect([await store.readLookups('a', 's-0'), await store.readLookups('a', 's-1')]).toEqual([note, other]);
      expect(await store.readLookups('b', 's-0')).toBeUndefined();
    });

    test('a note that does not fit into one item is read as it was written', async () => {
      const store = await open();
      const large = { ...note, body: JSON.stringify(noise(1_300_000)) };
      await store.writeLookups(written(note));
      const renamed = { ...large, id: 'large' };
      expect(await store.writeLookups(written(renamed, note.id))).toBe('written');
      expect(await store.readLookups('a', 's-0')).toEqual(renamed);
    });

    test('a note is written only in the place of the one that was read', async () => {
      const store = await open();
      const next = { ...note, id: 'two', from: '10', to: '12' };
      expect(await store.writeLookups(written(next, 'one'))).toBe('conflict');
      expect(await store.writeLookups(written(note))).toBe('written');
      expect(await store.writeLookups(written(next))).toBe('conflict');
      expect(await store.writeLookups(written(next, 'two'))).toBe('conflict');
      expect(await store.readLookups('a', 's-0')).toEqual(note);
      expect(await store.writeLookups(written(next, 'one'))).toBe('written');
      expect(await store.readLookups('a', 's-0')).toEqual(next);
    });
  });

  describe(`${name} keeps late marks and generations`, () => {
    const mark: LateMark = { source: 'a', origin: 's-0', position: ['12', subMax], stage: 'window', shares: 2 };

    test('a mark is kept once, however often it is made', async () => {
      const store = await open();
      await store.addLateMarks([mark, { ...mark, position: ['12', subMax] }]);
      await store.addLateMarks([mark]);
      expect(await store.listLateMarks()).toEqual([mark]);
    });

    test('marks that differ in anything are kept apart', async () => {
      const store = await open();
      const marks: LateMark[] = [
        mark,
        { ...mark, source: 'b' },
        { ...mark, origin: 's-1' },
        { ...mark, position: ['12', 0] },
        { ...mark, position: ['13', subMax] },
        { ...mark, stage: 'aggregate' },
      ];
      await store.addLateMarks(marks);
      const listed = await store.listLateMarks();
      expect(listed).toHaveLength(marks.length);
      expect(listed).toEqual(expect.arrayContaining(marks));
    });

    test('more marks are added than one request takes', async () => {
      const store = await open();
      await store.addLateMarks(Array.from({ length: 60 }, (_, sub) => ({ ...mark, position: ['12', sub] as const })));
      expect(await store.listLateMarks()).toHaveLength(60);
    });

    test('no marks are no error', async () => {
      const store = await open();
      await store.addLateMarks([]);
      expect(await store.listLateMarks()).toEqual([]);
    });

    test('a contract takes the place of the one that was read, and of no other', async () => {
      const store = await open();
      const [one, two] = [
        { plan: 'a', body: '{"slots":1}' },
        { plan: 'b', body: '{"slots":2}' },
      ];
      expect(await store.readContract()).toBeUndefined();
      expect(await store.writeContract({ contract: two, read: one })).toBe('conflict');
      expect(await store.writeContract({ contract: one, read: undefined })).toBe('written');
      expect(await store.writeContract({ contract: two, read: undefined })).toBe('conflict');
      expect(await store.writeContract({ contract: two, read: { ...one, body: '{}' } })).toBe('conflict');
      expect(await store.readContract()).toEqual(one);
      expect(await store.writeContract({ contract: two, read: one })).toBe('written');
      expect(await store.readContract()).toEqual(two);
    });

    test('a generation that is recorded stays', async () => {
      const store = await open();
      await store.recordGeneration('shardId-000000000001', 3);
      await store.recordGeneration('shardId-000000000001', 4);
      await store.recordGeneration('shardId-000000000000', 1);
      expect(await store.readGenerations()).toEqual(
        new Map([
          ['shardId-000000000000', 1],
          ['shardId-000000000001', 3],
        ]),
      );
    });
  });
}

const step = { counted: 1, late: 0, open: [-60_000, 0], emittedMs: 5, pending: ['0/1'] };

function p(sequence: number): LogPosition {
  return logPosition(1, String(sequence));
}

/** The condition of the first write. */
const first = { kind: 'revision', revision: undefined } as const;

function at(sequence: number, revision?: string): Checkpoint {
  return { ...checkpointAt(p(sequence)), ...(revision === undefined ? {} : { revision }) };
}

function checkpointAt(position: LogPosition): Checkpoint {
  return {
    version: 1,
    plan: 'abcd',
    slots: 16,
    position,
    clockMs: 1_000,
    sources: {
      requests: {
        watermarkMs: null,
        roster: { 's-1': { parents: ['s-0'], sinceMs: 7 } },
        origins: { 's-0': { mark: ['12', subMax], watermarkMs: -5, lastMs: 900, retired: true } },
      },
    },
    counts: { counted: 3, late: 1, shared: 0, duplicates: 2 },
    steps: { 'by-ip': step },
  };
}

function id(part: Partial<CellId>): CellId {
  return { step: 'by-ip', slot: 1, paneMs: 60_000, group: 0, ...part };
}

function cell({ position = p(1), body = '[]', ...part }: Partial<CellId & StoredCell>): StoredCell {
  const { step = 'by-ip', slot = 1, paneMs = 60_000, group = 0 } = part;
  return { id: id({ step, slot, paneMs, group }), position, body };
}

function write(store: StateStore, written: StoredCell, read?: LogPosition) {
  return store.writeCell({ cell: written, read, expiresMs: 4_000_000_000_000 });
}

/** Text that hardly compresses: hex digits of hashes hold 4 bits a byte, base64 6. */
function noise(characters: number, seed = 0): string {
  let text = '';
  for (let index = 0; text.length < characters; index += 1)
    text += createHash('sha512').update(`${seed}/${index}`).digest('base64');
  return text.slice(0, characters);
}
