import { createMemoryLeaseStore } from '#shared/adapters/memory/lease-store.ts';
import { leaseStoreContract } from '#test/contracts/lease-store.ts';

leaseStoreContract('the lease store in memory', async () => createMemoryLeaseStore());
