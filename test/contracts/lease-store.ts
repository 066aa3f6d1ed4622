import { describe, expect, test } from 'vitest';
import type { LeaseStore } from '#shared/ports/lease-store.ts';
import { type Lease, newLease } from '#shared/schemas/lease.ts';

/** What every LeaseStore must do. `open` gives an empty one. */
export function leaseStoreContract(name: string, open: () => Promise<LeaseStore>): void {
  describe(`${name} keeps leases`, () => {
    const taken: Lease = { ...newLease('shard-1'), owner: 'a', epoch: 1, renewals: 1 };

    test('there are none at first', async () => {
      const store = await open();
      expect(await store.list()).toEqual({ leases: [], members: [] });
    });

    test.each([
      taken,
      { ...taken, owner: undefined },
      { ...taken, owner: undefined, finished: true },
      { ...taken, epoch: 2 ** 40, renewals: 2 ** 50 },
    ])('%j is read as it was written', async (lease) => {
      const store = await open();
      expect(await store.write(lease, undefined)).toBe('written');
      expect((await store.list()).leases).toEqual([lease]);
    });

    test('leases are listed by shard, members by worker', async () => {
      const store = await open();
      for (const shardId of ['c', 'a', 'b']) await store.write({ ...taken, shardId }, undefined);
      for (const worker of ['z', 'x', 'y']) await store.announce({ worker, beats: 1 });
      const { leases, members } = await store.list();
      expect(leases.map(({ shardId }) => shardId)).toEqual(['a', 'b', 'c']);
      expect(members.map(({ worker }) => worker)).toEqual(['x', 'y', 'z']);
    });

    const changed: readonly (readonly [string, Lease])[] = [
      ['another owner', { ...taken, owner: 'b' }],
      ['no owner', { ...taken, owner: undefined }],
      ['another epoch', { ...taken, epoch: 2 }],
      ['another renewal', { ...taken, renewals: 2 }],
    ];
    test.each(changed)('a lease that has %s is not replaced', async (_, stored) => {
      const store = await open();
      await store.write(stored, undefined);
      expect(await store.write({ ...taken, renewals: 9 }, taken)).toBe('conflict');
      expect(await store.write({ ...taken, renewals: 9 }, undefined)).toBe('conflict');
      expect((await store.list()).leases).toEqual([stored]);
      expect(await store.write({ ...taken, renewals: 9 }, stored)).toBe('written');
    });

    test('a lease that is not there any more is not replaced', async () => {
      const store = await open();
      await store.write(taken, undefined);
      await store.remove('shard-1');
      await store.remove('shard-1');
      expect(await store.write({ ...taken, renewals: 2 }, taken)).toBe('conflict');
      expect((await store.list()).leases).toEqual([]);
    });

    test('of workers that reach for one lease exactly one gets it', async () => {
      const store = await open();
      await store.write({ ...taken, owner: undefined }, undefined);
      const workers = Array.from({ length: 12 }, (_, index) => `worker-${index}`);
      const outcomes = await Promise.all(
        workers.map((owner) => store.write({ ...taken, owner, epoch: 2 }, { ...taken, owner: undefined })),
      );
      expect(outcomes.filter((outcome) => outcome === 'written')).toHaveLength(1);
      const [lease] = (await store.list()).leases;
      expect(lease?.owner).toBe(workers[outcomes.indexOf('written')]);
    });

    test('a member is the last that was announced, until it leaves', async () => {
      const store = await open();
      await store.announce({ worker: 'a', beats: 1 });
      await store.announce({ worker: 'a', beats: 2 });
      expect((await store.list()).members).toEqual([{ worker: 'a', beats: 2 }]);
      await store.leave('a');
      await store.leave('a');
      expect((await store.list()).members).toEqual([]);
    });
  });
}
