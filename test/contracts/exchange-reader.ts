import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ExchangeReader } from '#shared/ports/exchange-reader.ts';
import type { ShardDirectory } from '#shared/ports/shard-directory.ts';

/** A stream of one shard with the whole hash space, ways to change it, and the ports that read it. */
export interface ExchangeReaderHarness {
  readonly reader: ExchangeReader;
  readonly directory: ShardDirectory;
  /** Puts a record at a hash key. */
  readonly put: (record: { readonly hashKey: bigint; readonly bytes: Uint8Array }) => void;
  /** Splits a shard in its middle. */
  readonly split: (shardId: string) => void;
  readonly merge: (shardId: string, adjacentShardId: string) => void;
  readonly passMs: (ms: number) => void;
  readonly nowMs: () => number;
}

/** What every ExchangeReader, and the ShardDirectory of the same stream, must do. */
export function exchangeReaderContract(name: string, open: () => Promise<ExchangeReaderHarness>): void {
  describe(`${name} lists shards`, () => {
    test('a new stream has an open root over the whole hash space', async () => {
      const { reader } = await open();
      expect(await reader.shards()).toEqual([
        { shardId: expect.any(String), parents: [], startingHashKey: 0n, endingHashKey: hashKeyMax, closed: false },
      ]);
    });

    test('a split closes the parent and gives two children that name it', async () => {
      const { reader, split } = await open();
      const [root] = await idsOf(reader);
      split(root);
      const [parent, low, high] = await reader.shards();
      expect(parent).toMatchObject({ shardId: root, closed: true });
      expect(low).toMatchObject({ parents: [root], startingHashKey: 0n, closed: false });
      expect(high).toMatchObject({ parents: [root], endingHashKey: hashKeyMax, closed: false });
      expect(high?.startingHashKey).toBe((low?.endingHashKey ?? 0n) + 1n);
    });

    test('a merge gives a child that names both parents', async () => {
      const { reader, split, merge } = await open();
      const [root] = await idsOf(reader);
      split(root);
      const [, low, high] = await idsOf(reader);
      merge(low, high);
      const child = (await reader.shards()).at(-1);
      expect([...(child?.parents ?? [])].sort()).toEqual([low, high].sort());
      expect(child).toMatchObject({ startingHashKey: 0n, endingHashKey: hashKeyMax, closed: false });
    });

    test('the directory lists the same shards with the same parents', async () => {
      const { reader, directory, split, merge } = await open();
      const [root] = await idsOf(reader);
      split(root);
      const [, low, high] = await idsOf(reader);
      merge(low, high);
      const shards = await reader.shards();
      expect(await directory.list()).toEqual(shards.map(({ shardId, parents }) => ({ shardId, parents })));
    });
  });

  describe(`${name} reads shards`, () => {
    test('an empty shard that is open has nothing and has not ended', async () => {
      const { reader } = await open();
      const [root] = await idsOf(reader);
      expect(await reader.read(root, undefined)).toEqual({ records: [], ended: false, millisBehindLatest: 0 });
    });

    test('a record is read with its bytes, sequence number and arrival', async () => {
      const { reader, put, nowMs } = await open();
      const [root] = await idsOf(reader);
      put({ hashKey: 5n, bytes: new Uint8Array([0, 255, 7]) });
      const { records } = await reader.read(root, undefined);
      expect(records).toHaveLength(1);
      expect([...(records[0]?.bytes ?? [])]).toEqual([0, 255, 7]);
      expect(records[0]?.sequence).toMatch(/^\d+$/);
      expect(records[0]?.arrivalMs).toBe(nowMs());
    });

    test('reading goes on behind the last record', async () => {
      const { reader, put } = await open();
      const [root] = await idsOf(reader);
      put(numbered(1));
      const first = await reader.read(root, undefined);
      put(numbered(2));
      const second = await reader.read(root, first.records[0]?.sequence);
      expect([first, second].map(numbersOf)).toEqual([[1], [2]]);
    });

    test('reading from the same place again gives the same again', async () => {
      const { reader, put } = await open();
      const [root] = await idsOf(reader);
      for (const number of [1, 2, 3]) put(numbered(number));
      const first = await reader.read(root, undefined);
      const after = first.records[0]?.sequence;
      expect(numbersOf(await reader.read(root, undefined))).toEqual([1, 2, 3]);
      expect(numbersOf(await reader.read(root, after))).toEqual([2, 3]);
      expect(numbersOf(await reader.read(root, after))).toEqual([2, 3]);
    });

    test('a record that comes while nothing was there is read from the same place', async () => {
      const { reader, put } = await open();
      const [root] = await idsOf(reader);
      await reader.read(root, undefined);
      await reader.read(root, undefined);
      put(numbered(1));
      expect(numbersOf(await reader.read(root, undefined))).toEqual([1]);
    });

    test('a shard that is closed ends with its last record', async () => {
      const { reader, put, split } = await open();
      const [root] = await idsOf(reader);
      put(numbered(1));
      split(root);
      const all = await readAll(reader, root);
      expect(all).toEqual([1]);
    });

    test('a shard that is closed has ended for who comes back to its end', async () => {
      const { reader, put, split } = await open();
      const [root] = await idsOf(reader);
      put(numbered(1));
      const { records } = await reader.read(root, undefined);
      split(root);
      for (const _ of [1, 2]) {
        const atEnd = await reader.read(root, records[0]?.sequence);
        expect([numbersOf(atEnd), atEnd.ended]).toEqual([[], true]);
      }
    });

    test('a shard that was closed empty has ended', async () => {
      const { reader, split } = await open();
      const [root] = await idsOf(reader);
      split(root);
      expect(await reader.read(root, undefined)).toMatchObject({ records: [], ended: true });
    });

    test('children hold what came after the split, each for its range', async () => {
      const { reader, put, split } = await open();
      const [root] = await idsOf(reader);
      put(numbered(1));
      split(root);
      put(numbered(2));
      put({ ...numbered(3), hashKey: hashKeyMax });
      const [, low, high] = await idsOf(reader);
      expect([
        await readAll(reader, root),
        numbersOf(await reader.read(low, undefined)),
        numbersOf(await reader.read(high, undefined)),
      ]).toEqual([[1], [2], [3]]);
    });

    test('a shard of more than one read is read to its end in order', async () => {
      const { reader, put, split } = await open();
      const [root] = await idsOf(reader);
      for (let number = 0; number < 23; number += 1)
        put({ hashKey: 0n, bytes: new Uint8Array(1_000_000).fill(number) });
      split(root);
      expect(await readAll(reader, root)).toEqual(Array.from({ length: 23 }, (_, number) => number));
    });

    test('a reader that was away for long goes on where it was', async () => {
      const { reader, put, passMs } = await open();
      const [root] = await idsOf(reader);
      put(numbered(1));
      const { records } = await reader.read(root, undefined);
      passMs(6 * 60_000);
      put(numbered(2));
      expect(numbersOf(await reader.read(root, records[0]?.sequence))).toEqual([2]);
    });

    test('a reader that is behind knows by how much', async () => {
      const { reader, put, passMs } = await open();
      const [root] = await idsOf(reader);
      for (let number = 0; number < 12; number += 1)
        put({ hashKey: 0n, bytes: new Uint8Array(1_000_000).fill(number) });
      passMs(5_000);
      const first = await reader.read(root, undefined);
      expect(first.millisBehindLatest).toBeGreaterThan(0);
    });

    test('whatever is put, read, read again and waited for in between, a read gives what follows', async () => {
      const action = fc.oneof(
        { weight: 3, arbitrary: fc.constant({ kind: 'put' as const }) },
        { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), back: fc.nat(3) }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(10, 400_000) }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
          const { reader, put, passMs } = await open();
          const [root] = await idsOf(reader);
          const sequences: string[] = [];
          let count = 0;
          for (const step of actions) {
            if (step.kind === 'wait') passMs(step.ms);
            else if (step.kind === 'put') {
              put(numbered(count));
              count += 1;
            } else {
              const from = Math.max(0, sequences.length - step.back);
              const batch = await reader.read(root, sequences[from - 1]);
              expect(numbersOf(batch)).toEqual(Array.from({ length: count - from }, (_, index) => from + index));
              sequences.splice(from, Number.POSITIVE_INFINITY, ...batch.records.map((record) => record.sequence));
            }
          }
        }),
        { numRuns: 25 },
      );
    });
  });
}

const hashKeyMax = 2n ** 128n - 1n;

function numbered(number: number): { readonly hashKey: bigint; readonly bytes: Uint8Array } {
  return { hashKey: 0n, bytes: new Uint8Array([number]) };
}

function numbersOf(batch: {
  readonly records: readonly { readonly bytes: Uint8Array }[];
}): readonly (number | undefined)[] {
  return batch.records.map((record) => record.bytes[0]);
}

/** The ids of up to three shards, in the order of the listing. */
async function idsOf(reader: ExchangeReader): Promise<[string, string, string]> {
  const [first = '', second = '', third = ''] = (await reader.shards()).map((shard) => shard.shardId);
  return [first, second, third];
}

async function readAll(reader: ExchangeReader, shardId: string): Promise<readonly (number | undefined)[]> {
  const numbers: (number | undefined)[] = [];
  let after: string | undefined;
  for (let reads = 0; reads < 100; reads += 1) {
    const batch = await reader.read(shardId, after);
    numbers.push(...numbersOf(batch));
    after = batch.records.at(-1)?.sequence ?? after;
    if (batch.ended) return numbers;
  }
  throw new Error(`shard ${shardId} did not end in 100 reads`);
}
