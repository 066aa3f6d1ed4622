import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LeaseBook, type LeasedShard } from '#shared/engine/slots/leases.ts';
import { type Lease, type Member, newLease } from '#shared/schemas/lease.ts';

const periodMs = 1_000;

function roots(count: number): readonly LeasedShard[] {
  return Array.from({ length: count }, (_, index) => ({ shardId: `shard-${index}`, parents: [] }));
}

function heldBy(owner: string | undefined, ...indexes: readonly number[]): readonly Lease[] {
  return indexes.map((index) => ({ ...newLease(`shard-${index}`), owner, epoch: 1, renewals: 1 }));
}

function members(...workers: readonly string[]): readonly Member[] {
  return workers.map((worker) => ({ worker, beats: 1 }));
}

function bookOf(worker: string, leases: readonly Lease[], workers: readonly string[]): LeaseBook {
  const book = new LeaseBook(worker, periodMs);
  book.observe({ leases, members: members(...workers) }, 0);
  return book;
}

const ids = (leases: readonly Lease[]): readonly string[] => leases.map(({ shardId }) => shardId).sort();

test('a worker should read its part of the shards, or none when there are fewer of them', () => {
  expect(bookOf('a', [], ['a', 'b']).plan(roots(5)).quota).toBe(3);
  expect(bookOf('b', [], ['a', 'b']).plan(roots(5)).quota).toBe(2);
  expect(bookOf('b', heldBy('a', 0), ['a', 'b']).plan(roots(1)).quota).toBe(0);
});

describe('a worker takes', () => {
  test('everything when it is alone', () => {
    expect(ids(bookOf('a', [], ['a']).plan(roots(3)).take)).toEqual(['shard-0', 'shard-1', 'shard-2']);
  });

  test('no more than its share', () => {
    expect(bookOf('a', [], ['a', 'b']).plan(roots(4)).take).toHaveLength(2);
  });

  test('nothing that somebody reads', () => {
    expect(bookOf('a', heldBy('b', 0, 1), ['a', 'b']).plan(roots(2)).take).toEqual([]);
  });

  test('what was released', () => {
    const leases = [...heldBy('b', 0), ...heldBy(undefined, 1)];
    expect(ids(bookOf('a', leases, ['a', 'b']).plan(roots(2)).take)).toEqual(['shard-1']);
  });

  test('what has stood still for a period, by its own clock, and not before', () => {
    const book = bookOf('a', heldBy('b', 0, 1), ['a', 'b']);
    const table = { leases: heldBy('b', 0, 1), members: members('a') };
    book.observe(table, periodMs - 1);
    expect(book.plan(roots(2)).take).toEqual([]);
    book.observe(table, periodMs);
    expect(ids(book.plan(roots(2)).take)).toEqual(['shard-0', 'shard-1']);
  });

  test('nothing that stands still in living hands and is no more than their share, for six periods', () => {
    const leases = [...heldBy('a', 0), ...heldBy('b', 1, 2)];
    const book = bookOf('a', leases, ['b']);
    const takenAfter = (periods: number): readonly string[] => {
      book.observe({ leases, members: [{ worker: 'b', beats: 1 + periods }] }, periods * periodMs);
      return ids(book.plan(roots(3), new Set(['shard-0'])).take);
    };
    expect(takenAfter(5)).toEqual([]);
    expect(takenAfter(6)).toHaveLength(1);
  });

  test('what stands still in living hands and is more than their share', () => {
    const leases = heldBy('b', 0, 1, 2);
    const book = bookOf('a', leases, ['b']);
    book.observe({ leases, members: [{ worker: 'b', beats: 2 }] }, periodMs);
    expect(book.plan(roots(3)).take).toHaveLength(1);
  });

  test('what stood still in its own hands, and not what it still reads', () => {
    const book = bookOf('a', heldBy('a', 0, 1), ['a']);
    book.observe({ leases: heldBy('a', 0, 1), members: members('a') }, periodMs);
    expect(ids(book.plan(roots(2), new Set(['shard-1'])).take)).toEqual(['shard-0']);
  });

  test('nothing whose count has risen within the period', () => {
    const book = bookOf('a', heldBy('b', 0), ['a', 'b']);
    const renewed = heldBy('b', 0).map((lease) => ({ ...lease, renewals: 2 }));
    book.observe({ leases: renewed, members: members('a') }, periodMs - 1);
    book.observe({ leases: renewed, members: members('a') }, periodMs + 1);
    expect(book.plan(roots(1)).take).toEqual([]);
  });
});

describe('a worker hands over', () => {
  test('what a newcomer lacks', () => {
    expect(bookOf('a', heldBy('a', 0, 1, 2, 3), ['a', 'b']).plan(roots(4)).release).toHaveLength(2);
  });

  test('nothing while free shards suffice for the others', () => {
    const leases = [...heldBy('a', 0, 1, 2), ...heldBy(undefined, 3)];
    // Of four shards and two workers each reads two: one is free, one is handed over.
    expect(bookOf('a', leases, ['a', 'b']).plan(roots(4)).release).toHaveLength(1);
  });

  test('nothing for a difference of one', () => {
    expect(bookOf('a', [...heldBy('a', 0, 1), ...heldBy('b', 2)], ['a', 'b']).plan(roots(3)).release).toEqual([]);
  });

  test('nothing to a member that is dead', () => {
    const book = bookOf('a', heldBy('a', 0, 1), ['a', 'b']);
    book.observe(
      { leases: heldBy('a', 0, 1).map((lease) => ({ ...lease, renewals: 2 })), members: members('a', 'b') },
      periodMs,
    );
    expect(book.plan(roots(2)).release).toEqual([]);
  });
});

describe('a child is read', () => {
  const child: LeasedShard = { shardId: 'child', parents: ['shard-0', 'shard-1'] };
  const finished = heldBy(undefined, 0, 1).map((lease) => ({ ...lease, finished: true }));

  test('when all its parents are finished, which are read no more', () => {
    expect(ids(bookOf('a', finished, ['a']).plan([...roots(2), child]).take)).toEqual(['child']);
  });

  test('not when one of them is not', () => {
    expect(ids(bookOf('a', finished.slice(1), ['a']).plan([...roots(2), child]).take)).toEqual(['shard-0']);
  });

  test('when its parents have left the list', () => {
    expect(ids(bookOf('a', [], ['a']).plan([child]).take)).toEqual(['child']);
  });
});

test('from any start, workers come to an even share in a few rounds, and then nothing moves', () => {
  const start = fc.record({
    shardCount: fc.integer({ min: 0, max: 12 }),
    workers: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 }),
    owners: fc.array(fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { nil: undefined }), { maxLength: 12 }),
  });
  fc.assert(
    fc.property(start, ({ shardCount, workers, owners }) => {
      const shards = roots(shardCount);
      const table = new Map(
        owners
          .slice(0, shardCount)
          .flatMap((owner, index) => heldBy(owner, index))
          .map((lease) => [lease.shardId, lease]),
      );
      const books = new Map(workers.map((worker) => [worker, new LeaseBook(worker, periodMs)]));
      let moves = 0;
      const round = (beats: number): void => {
        moves = 0;
        for (const [worker, book] of books) {
          book.observe(
            { leases: [...table.values()], members: workers.map((one) => ({ worker: one, beats })) },
            beats * 200,
          );
          const { take, release } = book.plan(shards);
          for (const lease of take) table.set(lease.shardId, { ...lease, owner: worker, epoch: lease.epoch + 1 });
          for (const shardId of release) table.set(shardId, { ...(table.get(shardId) as Lease), owner: undefined });
          moves += take.length + release.length;
          for (const lease of table.values())
            if (lease.owner === worker) table.set(lease.shardId, { ...lease, renewals: lease.renewals + 1 });
        }
      };
      // Five rounds make a period: one for the dead to be found out, one to share what they leave.
      for (let beats = 1; beats <= 11; beats += 1) round(beats);
      expect(moves).toBe(0);
      const counts = workers.map((worker) => [...table.values()].filter(({ owner }) => owner === worker).length);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(shardCount);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }),
    { numRuns: 500 },
  );
});
