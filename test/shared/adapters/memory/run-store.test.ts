import { createMemoryRunStore } from '#shared/adapters/memory/run-store.ts';
import { runStoreContract } from '#test/contracts/run-store.ts';

runStoreContract('runs in memory:', createMemoryRunStore);
