import { GetItemCommand, PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDynamoDbResultStore } from '#shared/adapters/dynamodb/result-store.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { resultStoreContract } from '#test/contracts/result-store.ts';
import { openDynamodb } from './tables.ts';

let dynamodb: Awaited<ReturnType<typeof openDynamodb>>;
beforeAll(async () => {
  dynamodb = await openDynamodb();
});
afterAll(() => dynamodb.close());

let tables = 0;
async function createTable(): Promise<string> {
  tables += 1;
  const table = `results-${tables}`;
  await dynamodb.createResultsTable(table);
  return table;
}

resultStoreContract('the result store in DynamoDB', async () =>
  createDynamoDbResultStore({ client: dynamodb.client, table: await createTable() }),
);

const row = {
  view: 'by-ip',
  key: 'ip=1.2.3.4',
  windowStartMs: Date.parse('2015-05-17T10:00:00Z'),
  windowEndMs: Date.parse('2015-05-17T10:05:00Z'),
  final: true,
  position: logPosition(1, '12'),
  columns: { requests: 3, bytes: 1_234.5 },
  expiresMs: 1_500_000_000_000,
};

test('anybody reads a row by its view, key and window, in plain attributes', async () => {
  const table = await createTable();
  await createDynamoDbResultStore({ client: dynamodb.client, table }).writeRows([row]);
  const key = { pk: { S: 'by-ip#ip=1.2.3.4' }, sk: { S: '2015-05-17T10:00:00.000Z/2015-05-17T10:05:00.000Z' } };
  const { Item } = await dynamodb.client.send(new GetItemCommand({ TableName: table, Key: key }));
  expect(Item).toEqual({
    ...key,
    view: { S: 'by-ip' },
    ip: { S: '1.2.3.4' },
    windowStart: { S: '2015-05-17T10:00:00.000Z' },
    windowEnd: { S: '2015-05-17T10:05:00.000Z' },
    final: { BOOL: true },
    requests: { N: '3' },
    bytes: { N: '1234.5' },
    position: { S: '100000001.00212' },
    ttl: { N: '1500000000' },
    window: { S: expect.stringMatching(/^by-ip#2015-05-17#[0-7]$/) },
    windowKey: { S: '2015-05-17T10:00:00.000Z#ip=1.2.3.4' },
  });
});

test.each([0, 1, 2])('a long key is cut to what DynamoDB takes as keys, between characters (%d)', async (offset) => {
  const table = await createTable();
  const store = createDynamoDbResultStore({ client: dynamodb.client, table });
  await store.writeRows([{ ...row, key: `ip=${'x'.repeat(offset)}${'語'.repeat(1_000)}` }]);
  const { Items = [] } = await dynamodb.client.send(new ScanCommand({ TableName: table, IndexName: 'by-window' }));
  const [pk = '', windowKey = ''] = ['pk', 'windowKey'].map((name) => Items[0]?.[name]?.S);
  expect(Buffer.byteLength(pk)).toBeGreaterThan(2_040);
  expect(Buffer.byteLength(pk)).toBeLessThanOrEqual(2_048);
  expect(Buffer.byteLength(windowKey)).toBeGreaterThan(1_016);
  expect(Buffer.byteLength(windowKey)).toBeLessThanOrEqual(1_024);
  expect(pk + windowKey).not.toContain('\ufffd');
});

test('the keys of a day are spread over all parts of the index', async () => {
  const table = await createTable();
  const rows = Array.from({ length: 200 }, (_, ip) => ({ ...row, key: `ip=10.0.0.${ip}` }));
  await createDynamoDbResultStore({ client: dynamodb.client, table }).writeRows(rows);
  const { Items = [] } = await dynamodb.client.send(new ScanCommand({ TableName: table, IndexName: 'by-window' }));
  const sizes = Object.values(Object.groupBy(Items, (item) => item['window']?.S ?? '')).map((items) => items?.length);
  expect(sizes).toHaveLength(8);
  expect(Math.min(...sizes.map(Number))).toBeGreaterThan(10);
});

test('only rows are in the index', async () => {
  const table = await createTable();
  const store = createDynamoDbResultStore({ client: dynamodb.client, table });
  await store.writeTotals([{ ...row, slot: 1, columns: {} }]);
  await store.writeRows([row]);
  const { Count } = await dynamodb.client.send(new ScanCommand({ TableName: table, IndexName: 'by-window' }));
  expect(Count).toBe(1);
});

test('a day outlives every row in it', async () => {
  const table = await createTable();
  const store = createDynamoDbResultStore({ client: dynamodb.client, table });
  const other = createDynamoDbResultStore({ client: dynamodb.client, table });
  const days = 86_400_000;
  const expiries = [row.expiresMs, row.expiresMs + days / 2, row.expiresMs + 3 * days, row.expiresMs + days];
  for (const [ip, expiresMs] of expiries.entries()) {
    await (ip % 2 === 0 ? store : other).writeRows([{ ...row, key: `ip=${ip}`, expiresMs }]);
    const key = { pk: { S: 'by-ip#days' }, sk: { S: '2015-05-17' } };
    const { Item } = await dynamodb.client.send(new GetItemCommand({ TableName: table, Key: key }));
    expect(Number(Item?.['ttl']?.N) * 1_000).toBeGreaterThanOrEqual(Math.max(...expiries.slice(0, ip + 1)));
  }
});

test('a day whose rows are all gone does not hide the newest window', async () => {
  const table = await createTable();
  const store = createDynamoDbResultStore({ client: dynamodb.client, table });
  await store.writeRows([row]);
  const emptyDay = { pk: { S: 'by-ip#days' }, sk: { S: '2015-05-18' }, ttl: { N: '1' } };
  await dynamodb.client.send(new PutItemCommand({ TableName: table, Item: emptyDay }));
  expect(await store.newestWindow('by-ip')).toBe(row.windowStartMs);
});

test('a store that cuts the index into more parts still finds what was written before', async () => {
  const table = await createTable();
  const rows = Array.from({ length: 9 }, (_, ip) => ({ ...row, key: `ip=${ip}` }));
  await createDynamoDbResultStore({ client: dynamodb.client, table, indexParts: 2 }).writeRows(rows);
  const store = createDynamoDbResultStore({ client: dynamodb.client, table, indexParts: 16 });
  const found = await store.rowsOfView({ view: 'by-ip', fromMs: 0, toMs: Number.POSITIVE_INFINITY, rowsMax: 99 });
  expect(found).toEqual(rows);
});
