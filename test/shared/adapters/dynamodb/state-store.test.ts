import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDynamoDbStateStore } from '#shared/adapters/dynamodb/state-store.ts';
import type { Clock } from '#shared/ports/clock.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { stateStoreContract } from '#test/contracts/state-store.ts';
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
const open = async () => {
  pipelines += 1;
  return createDynamoDbStateStore({ client: dynamodb.client, table, pipeline: `p-${pipelines}`, clock });
};

stateStoreContract('the state store in DynamoDB', open);

test('a cell expires at the second that was asked for, rounded up', async () => {
  const store = createDynamoDbStateStore({ client: dynamodb.client, table, pipeline: 'expiring', clock });
  const id = { step: 'by-ip', slot: 7, paneMs: Date.parse('2015-05-17T10:00:00Z'), group: 4 };
  await store.writeCell({
    cell: { id, position: logPosition(1, '1'), body: '[]' },
    read: undefined,
    expiresMs: 1_500_000_000_001,
  });
  const key = { pk: { S: 'expiring#cell#by-ip#7' }, sk: { S: '2015-05-17T10:00:00.000Z#0000000005' } };
  const { Item } = await dynamodb.client.send(new GetItemCommand({ TableName: table, Key: key }));
  expect(Item).toEqual({ ...key, position: { S: '00000001.0011' }, body: { S: '[]' }, ttl: { N: '1500000001' } });
});

test('a table that is not there is unavailable, with the cause and what to check', async () => {
  const store = createDynamoDbStateStore({ client: dynamodb.client, table: 'nowhere', pipeline: 'p', clock });
  await expect(store.readCheckpoint('aggregate', 0)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    retry: true,
    cause: { name: 'ResourceNotFoundException' },
    message: expect.stringContaining('does not heal by itself'),
  });
});
