import type { Lease, LeaseTable, Member } from '#shared/schemas/lease.ts';
import type { WriteOutcome } from './state-store.ts';

/** Who reads what. Rejects with `STORE_UNAVAILABLE` when trying again may help. */
export interface LeaseStore {
  /** Strongly consistent; leases by shard, members by worker. */
  readonly list: () => Promise<LeaseTable>;
  /** Writes on condition that the stored lease is still the one read; undefined: there was none. */
  readonly write: (lease: Lease, read: Lease | undefined) => Promise<WriteOutcome>;
  /** Forgets the lease of a shard that has left the stream's list; forgetting what is not there is no error. */
  readonly remove: (shardId: string) => Promise<void>;
  readonly announce: (member: Member) => Promise<void>;
  /** The worker takes no part any more. */
  readonly leave: (worker: string) => Promise<void>;
}
