import type { LeaseStore } from '#shared/ports/lease-store.ts';
import type { Lease, Member } from '#shared/schemas/lease.ts';

/** Leases in memory. */
export function createMemoryLeaseStore(): LeaseStore {
  const leases = new Map<string, Lease>();
  const members = new Map<string, Member>();
  return {
    list: async () => ({
      leases: [...leases.values()].sort((a, b) => compare(a.shardId, b.shardId)),
      members: [...members.values()].sort((a, b) => compare(a.worker, b.worker)),
    }),
    write: async (lease, read) => {
      const stored = leases.get(lease.shardId);
      if (stored?.epoch !== read?.epoch || stored?.renewals !== read?.renewals || stored?.owner !== read?.owner)
        return 'conflict';
      leases.set(lease.shardId, { ...lease });
      return 'written';
    },
    remove: async (shardId) => void leases.delete(shardId),
    announce: async (member) => void members.set(member.worker, { ...member }),
    leave: async (worker) => void members.delete(worker),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
