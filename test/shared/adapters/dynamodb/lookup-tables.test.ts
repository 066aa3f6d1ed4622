import { DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalDynamodb, startDynamodb } from '#local/dynamodb.ts';
import { createDynamoDbLookupTables, writeLookupItems } from '#shared/adapters/dynamodb/lookup-tables.ts';
import type { LookupTableSpec } from '#shared/schemas/lookup.ts';
import { lookupTableSpecs, lookupTablesContract } from '#test/contracts/lookup-tables.ts';
import { fault, scriptRequests } from '../scripted-requests.ts';
import { clientSettings } from './tables.ts';

let server: LocalDynamodb;
let client: DynamoDBClient;
const clock = { now: () => 0, sleep: async () => {} };

beforeAll(async () => {
  server = await startDynamodb();
  client = new DynamoDBClient(clientSettings(server.endpoint));
});
afterAll(async () => {
  client.destroy();
  await server.close();
});

// Each test has tables of its own: the adapter asks for the names that it is given.
let opened = 0;
lookupTablesContract('lookup tables in DynamoDB:', async () => {
  opened += 1;
  const named = (spec: LookupTableSpec) => ({ ...spec, name: `${spec.name}-${opened}` });
  for (const spec of Object.values(lookupTableSpecs)) {
    const { name, key } = named(spec);
    await server.createTable({
      TableName: name,
      KeySchema: key.map((column, at) => ({ AttributeName: column.name, KeyType: at === 0 ? 'HASH' : 'RANGE' })),
      AttributeDefinitions: key.map((column) => ({
        AttributeName: column.name,
        AttributeType: column.type === 'number' ? 'N' : 'S',
      })),
    });
  }
  const tables = createDynamoDbLookupTables({ client, clock });
  return {
    tables: { read: (spec, keys) => tables.read(named(spec), keys) },
    put: (spec, items) => writeLookupItems({ client, clock }, named(spec), items),
  };
});

test('what only DynamoDB has becomes JSON: sets are lists, and bytes are base64', async () => {
  const users = { ...lookupTableSpecs.users, name: 'users-1' };
  await client.send(
    new PutItemCommand({
      TableName: users.name,
      Item: {
        id: { S: 'sets' },
        texts: { SS: ['a', 'b'] },
        numbers: { NS: ['1', '2.5'] },
        bytes: { B: Uint8Array.of(1, 2, 255) },
        many: { BS: [Uint8Array.of(7)] },
      },
    }),
  );
  expect(await createDynamoDbLookupTables({ client, clock }).read(users, [['sets']])).toEqual([
    { id: 'sets', texts: ['a', 'b'], numbers: [1, 2.5], bytes: 'AQL/', many: ['Bw=='] },
  ]);
});

function scripted(answer: Parameters<typeof scriptRequests>[0]) {
  const { settings, requests } = scriptRequests(answer);
  const sleepsMs: number[] = [];
  const sleep = async (ms: number) => {
    sleepsMs.push(ms);
  };
  const options = { client: new DynamoDBClient(settings), clock: { now: () => 0, sleep }, random: () => 0 };
  return { tables: createDynamoDbLookupTables(options), requests, sleepsMs };
}

test('keys that were left undone are read again after a pause, which chance may halve', async () => {
  const { tables, requests, sleepsMs } = scripted((_, index) =>
    index === 0
      ? { Responses: {}, UnprocessedKeys: { users: { Keys: [{ id: { S: 'ann' } }] } } }
      : { Responses: { users: [{ id: { S: 'ann' } }] }, UnprocessedKeys: {} },
  );
  expect(await tables.read(lookupTableSpecs.users, [['ann'], ['bob']])).toEqual([{ id: 'ann' }, undefined]);
  expect(requests).toHaveLength(2);
  expect(sleepsMs).toEqual([25]);
});

test.each(['ResourceNotFoundException', 'AccessDeniedException'])(
  '%s names the table and the first key, and is tried again with the batch',
  async (name) => {
    const { tables } = scripted(() => {
      throw fault(name);
    });
    await expect(tables.read(lookupTableSpecs.prices, [['tea', 2026]])).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      retry: true,
      message: expect.stringMatching(
        new RegExp(
          `BatchGetItem of 1 keys, {"item":"tea","year":2026} the first of them, in prices failed with ${name}.*check the name`,
        ),
      ),
    });
  },
);
