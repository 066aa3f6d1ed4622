import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ExchangeBatch, ExchangeReader, ExchangeRecord } from '#shared/ports/exchange-reader.ts';
import type { ShardDirectory } from '#shared/ports/shard-directory.ts';

/** A stream of one shard with the whole hash space, ways to change it, and the ports that read it. */
export interface ExchangeReaderHarness {
  readonly reader: Required<ExchangeReader>;
  readonly directory: ShardDirectory;
  /** Puts a record at a hash key. */
  readonly put: (record: { readonly hashKey: bigint; readonly bytes: Uint8Array }) => void;
  /** Splits a shard in its middle. */
  readonly split: (shardId: string) => void;
  readonly merge: (shardId: string, adjacentShardId: string) => void;
  readonly passMs: (ms: number) => void;
  readonly nowMs: () => number;
  /** Closes every connection between the reader and the stream. */
  readonly cut: () => void;
  /** Makes every connection half-open: it stays, and nothing comes through it any more. New ones are well. */
  readonly hush: () => void;
  /** The reader's next requests for records are refused for their rate. */
  readonly throttle: (requests: number) => void;
}

/** What every ExchangeReader, and the ShardDirectory of the same stream, must do. One that is `impatient` should take silence for death soon. */
export function exchangeReaderContract(
  name: string,
  open: (options?: { readonly impatient: boolean }) => Promise<ExchangeReaderHarness>,
): void {
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
      const putMs = nowMs();
      put({ hashKey: 5n, bytes: new Uint8Array([0, 255, 7]) });
      const [record] = await follow(reader, { shardId: root, count: 1 });
      expect([...(record?.bytes ?? [])]).toEqual([0, 255, 7]);
      expect(record?.sequence).toMatch(/^\d+$/);
      expect(record?.arrivalMs).toBe(putMs);
    });

    test('reading goes on behind the last record', async () => {
      const { reader, put } = await open();
      const [root] = await idsOf(reader);
      put(numbered(1));
      const first = await follow(reader, { shardId: root, count: 1 });
      put(numbered(2));
      const second = await follow(reader, { shardId: root, after: first[0]?.sequence, count: 1 });
      expect([first, second].map(numbersOf)).toEqual([[1], [2]]);
    });

    test('reading from the same place again gives the same again', async () => {
      const { reader, put } = await open();
      const [root] = await idsOf(reader);
      for (const number of [1, 2, 3]) put(numbered(number));
      const first = await follow(reader, { shardId: root, count: 3 });
      const after = first[0]?.sequence;
      expect(numbersOf(await follow(reader, { shardId: root, count: 3 }))).toEqual([1, 2, 3]);
      expect(numbersOf(await follow(reader, { shardId: root, after, count: 2 }))).toEqual([2, 3]);
      put(numbered(4));
      expect(numbersOf(await follow(reader, { shardId: root, after, count: 3 }))).toEqual([2, 3, 4]);
    });

    test('a record that comes while nothing was there is read from the same place', async () => {
      const { reader, put } = await open();
      const [root] = await idsOf(reader);
      await reader.read(root, undefined);
      await reader.read(root, undefined);
      put(numbered(1));
      expect(numbersOf(await follow(reader, { shardId: root, count: 1 }))).toEqual([1]);
    });

    test('records that come while it reads are read once and in their order', async () => {
      const { reader, put } = await open();
      const [root] = await idsOf(reader);
      const records: ExchangeRecord[] = [];
      for (let number = 0; number < 60; number += 1) {
        put(numbered(number));
        if (number % 3 === 0) records.push(...(await reader.read(root, records.at(-1)?.sequence)).records);
      }
      const after = records.at(-1)?.sequence;
      records.push(...(await follow(reader, { shardId: root, after, count: 60 - records.length })));
      expect(numbersOf(records)).toEqual(Array.from({ length: 60 }, (_, number) => number));
    });

    test('a shard that was released is read on', async () => {
      const { reader, put } = await open();
      const [root] = await idsOf(reader);
      put(numbered(1));
      const [record] = await follow(reader, { shardId: root, count: 1 });
      reader.release(root);
      put(numbered(2));
      expect(numbersOf(await follow(reader, { shardId: root, after: record?.sequence, count: 1 }))).toEqual([2]);
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
      const [record] = await follow(reader, { shardId: root, count: 1 });
      split(root);
      expect(await readAll(reader, root, record?.sequence)).toEqual([]);
      const atEnd = await reader.read(root, record?.sequence);
      expect([numbersOf(atEnd.records), atEnd.ended]).toEqual([[], true]);
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
        numbersOf(await follow(reader, { shardId: low, count: 1 })),
        numbersOf(await follow(reader, { shardId: high, count: 1 })),
      ]).toEqual([[1], [2], [3]]);
    });

    test('a shard that is split, and children that are merged, while they are read end with their last records', async () => {
      const { reader, put, split, merge } = await open();
      const [root] = await idsOf(reader);
      put(numbered(1));
      const [record] = await follow(reader, { shardId: root, count: 1 });
      put(numbered(2));
      split(root);
      const [, low, high] = await idsOf(reader);
      expect(await readAll(reader, root, record?.sequence)).toEqual([2]);
      for (const child of [low, high]) await reader.read(child, undefined);
      put(numbered(3));
      put({ ...numbered(4), hashKey: hashKeyMax });
      merge(low, high);
      put(numbered(5));
      const merged = (await reader.shards()).at(-1)?.shardId ?? '';
      expect([
        await readAll(reader, low),
        await readAll(reader, high),
        numbersOf(await follow(reader, { shardId: merged, count: 1 })),
      ]).toEqual([[3], [4], [5]]);
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
      const [record] = await follow(reader, { shardId: root, count: 1 });
      passMs(6 * 60_000);
      put(numbered(2));
      expect(numbersOf(await follow(reader, { shardId: root, after: record?.sequence, count: 1 }))).toEqual([2]);
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

    test('whatever is put, read, read again, cut and waited for in between, a read gives what follows', async () => {
      const action = fc.oneof(
        { weight: 3, arbitrary: fc.constant({ kind: 'put' as const }) },
        { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), back: fc.nat(3) }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(10, 400_000) }) },
        { weight: 1, arbitrary: fc.constant({ kind: 'cut' as const }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
          const { reader, put, passMs, cut } = await open();
          const [root] = await idsOf(reader);
          const sequences: string[] = [];
          let count = 0;
          for (const step of actions) {
            if (step.kind === 'wait') passMs(step.ms);
            else if (step.kind === 'cut') cut();
            else if (step.kind === 'put') {
              put(numbered(count));
              count += 1;
            } else {
              const from = Math.max(0, sequences.length - step.back);
              const after = sequences[from - 1];
              const records = await follow(reader, { shardId: root, after, count: count - from });
              expect(numbersOf(records)).toEqual(Array.from({ length: count - from }, (_, index) => from + index));
              sequences.splice(from, Number.POSITIVE_INFINITY, ...records.map((record) => record.sequence));
            }
          }
        }),
        { numRuns: 25 },
      );
    });
  });

  describe(`${name} reads on`, () => {
    /** Reads ten records, with `disturb` before every third. */
    const readDisturbed = async (
      it: ExchangeReaderHarness,
      disturb: () => void,
    ): Promise<readonly ExchangeRecord[]> => {
      const [root] = await idsOf(it.reader);
      const records: ExchangeRecord[] = [];
      for (let number = 0; number < 10; number += 1) {
        if (number % 3 === 1) disturb();
        it.put(numbered(number));
        records.push(...(await follow(it.reader, { shardId: root, after: records.at(-1)?.sequence, count: 1 })));
      }
      return records;
    };
    const ten = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

    test('when its connection is closed', async () => {
      const it = await open();
      expect(numbersOf(await readDisturbed(it, it.cut))).toEqual(ten);
    });

    test('when its connection is closed in the middle of many records', async () => {
      const it = await open();
      const [root] = await idsOf(it.reader);
      for (let number = 0; number < 12; number += 1)
        it.put({ hashKey: 0n, bytes: new Uint8Array(1_000_000).fill(number) });
      it.split(root);
      setTimeout(it.cut, 5);
      expect(await readAll(it.reader, root)).toEqual([...ten, 10, 11]);
    });

    test('when its connection falls silent without being closed', async () => {
      const it = await open({ impatient: true });
      const hush = () => {
        it.hush();
        it.passMs(15_000);
      };
      expect(numbersOf(await readDisturbed(it, hush))).toEqual(ten);
    });

    test('when it is throttled', async () => {
      const it = await open();
      it.throttle(3);
      const disturb = () => {
        it.cut();
        it.throttle(2);
      };
      expect(numbersOf(await readDisturbed(it, disturb))).toEqual(ten);
    });
  });
}

const hashKeyMax = 2n ** 128n - 1n;

function numbered(number: number): { readonly hashKey: bigint; readonly bytes: Uint8Array } {
  return { hashKey: 0n, bytes: new Uint8Array([number]) };
}

function numbersOf(records: readonly ExchangeRecord[]): readonly (number | undefined)[] {
  return records.map((record) => record.bytes[0]);
}

/** The ids of up to three shards, in the order of the listing. */
async function idsOf(reader: ExchangeReader): Promise<[string, string, string]> {
  const [first = '', second = '', third = ''] = (await reader.shards()).map((shard) => shard.shardId);
  return [first, second, third];
}

/** The next so many records behind `after`. A read may be empty when records are on their way. */
async function follow(
  reader: ExchangeReader,
  from: { readonly shardId: string; readonly after?: string | undefined; readonly count: number },
): Promise<readonly ExchangeRecord[]> {
  const records: ExchangeRecord[] = [];
  for (let reads = 0; reads < readsMax; reads += 1) {
    const batch = await readPatiently(reader, from.shardId, records.at(-1)?.sequence ?? from.after);
    records.push(...batch.records);
    if (records.length >= from.count) return records;
  }
  throw new Error(`${records.length} of ${from.count} records of ${from.shardId} came in ${readsMax} reads`);
}

/** The numbers of all records behind `after`, to the end of the shard. */
async function readAll(
  reader: ExchangeReader,
  shardId: string,
  after?: string,
): Promise<readonly (number | undefined)[]> {
  const records: ExchangeRecord[] = [];
  for (let reads = 0; reads < readsMax; reads += 1) {
    const batch = await readPatiently(reader, shardId, records.at(-1)?.sequence ?? after);
    records.push(...batch.records);
    if (batch.ended) return numbersOf(records);
  }
  throw new Error(`shard ${shardId} did not end in ${readsMax} reads`);
}

const readsMax = 500;

/** One read; when it found nothing, with time for what is on its way. A read that may be tried again counts as one that found nothing. */
async function readPatiently(
  reader: ExchangeReader,
  shardId: string,
  after: string | undefined,
): Promise<Pick<ExchangeBatch, 'records' | 'ended'>> {
  const nothing = { records: [], ended: false };
  const batch = await reader.read(shardId, after).catch((error: { readonly retry?: boolean }) => {
    if (error.retry !== true) throw error;
    return nothing;
  });
  if (batch.records.length === 0 && !batch.ended) await new Promise((resolve) => setTimeout(resolve, 2));
  return batch;
}
