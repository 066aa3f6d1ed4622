import { afterAll, beforeAll } from 'vitest';
import { createDynamoDbLeaseStore } from '#shared/adapters/dynamodb/lease-store.ts';
import type { Clock } from '#shared/ports/clock.ts';
import { leaseStoreContract } from '#test/contracts/lease-store.ts';
import { openDynamodb } from './tables.ts';

let dynamodb: Awaited<ReturnType<typeof openDynamodb>>;
const table = 'state';
const clock: Clock = { now: () => 0, sleep: async () => {} };

beforeAll(async () => {
  dynamodb = await openDynamodb();
  await dynamodb.createStateTable(table);
});
afterAll(() => dynamodb.close());

// Each test has a pipeline of its own in one table, so the suite also shows that pipelines do not meet.
let pipelines = 0;
leaseStoreContract('the lease store in DynamoDB', async () => {
  pipelines += 1;
  return createDynamoDbLeaseStore({ client: dynamodb.client, table, pipeline: `p-${pipelines}`, clock });
});
