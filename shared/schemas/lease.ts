/** A shard of the exchange stream, as the workers share it. */
export interface Lease {
  readonly shardId: string;
  /** The worker that reads the shard; undefined when nobody does. */
  readonly owner: string | undefined;
  /** Rises by one with every owner. */
  readonly epoch: number;
  /** Rises by one when the owner has made progress. A lease whose count stands still for a whole period is free. */
  readonly renewals: number;
  /** The shard has ended, and the snapshots of all its slots have reached its end (rule 15). */
  readonly finished: boolean;
}

/** A worker that is there to read, whether it holds a lease or not. */
export interface Member {
  readonly worker: string;
  /** Rises while the worker lives. */
  readonly beats: number;
}

/** All that the workers of a pipeline know of each other. */
export interface LeaseTable {
  readonly leases: readonly Lease[];
  readonly members: readonly Member[];
}

/** The lease of a shard that nobody has read yet. */
export function newLease(shardId: string): Lease {
  return { shardId, owner: undefined, epoch: 0, renewals: 0, finished: false };
}
