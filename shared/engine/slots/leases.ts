import { hash128 } from '#shared/schemas/hash.ts';
import { type Lease, type LeaseTable, newLease } from '#shared/schemas/lease.ts';

/** What sharing needs to know of a shard. */
export interface LeasedShard {
  readonly shardId: string;
  readonly parents: readonly string[];
}

/** What a worker should do next about its leases. */
export interface LeasePlan {
  /** How many shards this worker should read. */
  readonly quota: number;
  /** Free leases, as they stand, that this worker should take. */
  readonly take: readonly Lease[];
  /** Shards that it should hand over. */
  readonly release: readonly string[];
}

/**
 * One worker's view of who reads what. No clock is compared with another's: a lease or a member is taken for dead when its count
 * has stood still for a period by this worker's own clock. So a wrong clock makes a worker greedy or slow, and no row wrong.
 *
 * Shards are shared by number: of n shards and m workers the first n mod m read one more than the others. Nobody steals. Who has too
 * much hands over what others lack, behind a snapshot; so a change of owner costs no work done twice unless somebody died.
 */
export class LeaseBook {
  readonly #worker: string;
  readonly #periodMs: number;
  #table: LeaseTable = { leases: [], members: [] };
  /** By lease and member: the count seen last, and when it was first seen so, on this worker's clock. */
  #seen = new Map<string, { readonly count: string; readonly sinceMs: number }>();
  #nowMs = 0;

  constructor(worker: string, periodMs: number) {
    this.#worker = worker;
    this.#periodMs = periodMs;
  }

  /** Takes in what stands in the table now. */
  observe(table: LeaseTable, nowMs: number): void {
    this.#table = table;
    this.#nowMs = nowMs;
    const counts = [
      ...table.leases.map((lease) => [leaseName(lease.shardId), `${lease.epoch} ${lease.renewals}`] as const),
      ...table.members.map((member) => [memberName(member.worker), String(member.beats)] as const),
    ];
    const before = this.#seen;
    this.#seen = new Map(
      counts.map(([name, count]) => {
        const known = before.get(name);
        return [name, known?.count === count ? known : { count, sinceMs: nowMs }];
      }),
    );
  }

  /** Takes in what this worker has written itself. */
  replace(lease: Lease): void {
    const leases = [...this.#table.leases.filter(({ shardId }) => shardId !== lease.shardId), lease];
    this.observe({ ...this.#table, leases }, this.#nowMs);
  }

  get leases(): readonly Lease[] {
    return this.#table.leases;
  }

  leaseOf(shardId: string): Lease | undefined {
    return this.#table.leases.find((lease) => lease.shardId === shardId);
  }

  /** `reads`: what this worker reads itself. A lease of its own that stood still is taken for free by the others only. */
  plan(shards: readonly LeasedShard[], reads: Pick<ReadonlySet<string>, 'has'> = noShards): LeasePlan {
    const leases = this.#readable(shards).map((shardId) => this.leaseOf(shardId) ?? newLease(shardId));
    const isFree = (lease: Lease): boolean =>
      lease.owner === undefined || (!reads.has(lease.shardId) && this.#stoodStill(leaseName(lease.shardId)));
    const free = leases.filter(isFree);
    const workers = this.#liveWorkers();
    const isRead = (lease: Lease): boolean => !isFree(lease);
    const held = heldBy(workers, leases.filter(isRead));
    // A lease whose reader restores a large state stands still too. If it were nobody's, workers would take it from each other for ever.
    const isClaimed = (lease: Lease): boolean =>
      isRead(lease) || !this.#stoodStill(leaseName(lease.shardId), slowPeriodsMax);
    const claimed = heldBy(workers, leases.filter(isClaimed));
    const quotas = quotasOf(claimed, leases.length);
    const mine = held.get(this.#worker) ?? [];
    const quota = quotas.get(this.#worker) ?? 0;
    if (mine.length < quota) {
      const isSpare = (lease: Lease): boolean => {
        const { owner = '' } = lease;
        const its = claimed.get(owner) ?? [];
        return owner === this.#worker || !its.includes(lease) || its.length > (quotas.get(owner) ?? 0);
      };
      const wanted = free.filter(isSpare).sort((a, b) => this.#rank(a) - this.#rank(b));
      return { quota, take: wanted.slice(0, quota - mine.length), release: [] };
    }
    let lacking = -free.length;
    for (const [worker, its] of held) lacking += Math.max(0, (quotas.get(worker) ?? 0) - its.length);
    const surplus = Math.min(mine.length - quota, Math.max(0, lacking));
    return { quota, take: [], release: surplus === 0 ? [] : mine.slice(-surplus).map((lease) => lease.shardId) };
  }

  /**
   * Rule 7: a child may be read when its parents are finished; those were read only when theirs were. A parent that is not listed any more
   * has nothing left to read.
   */
  #readable(shards: readonly LeasedShard[]): readonly string[] {
    const listed = new Set(shards.map(({ shardId }) => shardId));
    const isFinished = (shardId: string): boolean => this.leaseOf(shardId)?.finished ?? false;
    const isThrough = (parent: string): boolean => !listed.has(parent) || isFinished(parent);
    return shards
      .filter(({ shardId, parents }) => !isFinished(shardId) && parents.every(isThrough))
      .map(({ shardId }) => shardId)
      .sort();
  }

  #liveWorkers(): readonly string[] {
    const others = this.#table.members
      .map(({ worker }) => worker)
      .filter((worker) => worker !== this.#worker && !this.#stoodStill(memberName(worker)));
    return [this.#worker, ...others].sort();
  }

  #stoodStill(name: string, periods = 1): boolean {
    const seen = this.#seen.get(name);
    return seen !== undefined && this.#nowMs - seen.sinceMs >= periods * this.#periodMs;
  }

  /** Workers look at free leases in different orders, so that few of them reach for the same one. */
  #rank({ shardId }: Lease): number {
    return hash128(`${this.#worker} ${shardId}`)[0];
  }
}

const noShards: ReadonlySet<string> = new Set();
/** For so many periods a lease that stands still counts as its owner's, if that one lives. */
const slowPeriodsMax = 6;

/** The leases of each of these workers. */
function heldBy(workers: readonly string[], leases: readonly Lease[]): ReadonlyMap<string, readonly Lease[]> {
  const held = new Map(workers.map((worker) => [worker, [] as Lease[]]));
  for (const lease of leases) if (lease.owner !== undefined) held.get(lease.owner)?.push(lease);
  return held;
}

/** How many shards each worker should read. Who holds most keeps most, so that as little as possible moves. */
function quotasOf(held: ReadonlyMap<string, readonly Lease[]>, count: number): ReadonlyMap<string, number> {
  const workers = [...held].sort(([a, itsA], [b, itsB]) => itsB.length - itsA.length || (a < b ? -1 : 1));
  const least = Math.floor(count / workers.length);
  const more = count % workers.length;
  return new Map(workers.map(([worker], index) => [worker, least + (index < more ? 1 : 0)]));
}

function leaseName(shardId: string): string {
  return `lease ${shardId}`;
}

function memberName(worker: string): string {
  return `member ${worker}`;
}
