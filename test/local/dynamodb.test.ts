import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { type LocalDynamodb, startDynamodb } from '#local/dynamodb.ts';
import { listen } from '#local/listen.ts';
import { cutOff } from './cut-off.ts';

const opened: { close: () => Promise<void> }[] = [];

afterEach(async () => {
  for (const it of opened.splice(0)) await it.close();
});

async function start(options: Parameters<typeof startDynamodb>[0] = {}): Promise<LocalDynamodb> {
  const local = await startDynamodb(options);
  opened.push(local);
  return local;
}

function clientOf(local: LocalDynamodb): DynamoDBClient {
  return new DynamoDBClient({
    endpoint: local.endpoint,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  });
}

/** As CloudFormation has it, with properties that dynalite has no notion of. */
const rows = {
  TableName: 'rows',
  BillingMode: 'PAY_PER_REQUEST',
  KeySchema: [
    { AttributeName: 'pk', KeyType: 'HASH' },
    { AttributeName: 'sk', KeyType: 'RANGE' },
  ],
  AttributeDefinitions: [
    { AttributeName: 'pk', AttributeType: 'S' },
    { AttributeName: 'sk', AttributeType: 'S' },
    { AttributeName: 'view', AttributeType: 'S' },
  ],
  GlobalSecondaryIndexes: [
    {
      IndexName: 'by-view',
      KeySchema: [{ AttributeName: 'view', KeyType: 'HASH' }],
      Projection: { ProjectionType: 'ALL' },
    },
  ],
  TimeToLiveSpecification: { AttributeName: 'expires', Enabled: true },
  Replicas: [{ Region: 'eu-west-1' }],
  SSESpecification: { SSEEnabled: true },
};

const item = (pk: string, expires?: number) => ({
  pk: { S: pk },
  sk: { S: 's' },
  view: { S: 'by-ip' },
  ...(expires === undefined ? {} : { expires: { N: String(expires) } }),
});

const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'millrace-dynamodb-'));

test('a table of a template is made with its indexes', async () => {
  const local = await start();
  await local.createTable(rows);
  const client = clientOf(local);
  await client.send(new PutItemCommand({ TableName: 'rows', Item: item('a') }));
  const { Items } = await client.send(
    new QueryCommand({
      TableName: 'rows',
      IndexName: 'by-view',
      KeyConditionExpression: '#v = :v',
      ExpressionAttributeNames: { '#v': 'view' },
      ExpressionAttributeValues: { ':v': { S: 'by-ip' } },
    }),
  );
  expect(Items).toEqual([item('a')]);
  const { Table } = await client.send(new DescribeTableCommand({ TableName: 'rows' }));
  expect(Table?.BillingModeSummary?.BillingMode).toBe('PAY_PER_REQUEST');
});

test('items in a folder outlive the server, and the table that is there is kept', async () => {
  const folder = temporaryFolder();
  const first = await start({ folder });
  await first.createTable(rows);
  await clientOf(first).send(new PutItemCommand({ TableName: 'rows', Item: item('a') }));
  await first.close();
  const second = await start({ folder });
  await second.createTable(rows);
  const key = { pk: { S: 'a' }, sk: { S: 's' } };
  const { Item } = await clientOf(second).send(new GetItemCommand({ TableName: 'rows', Key: key }));
  expect(Item).toEqual(item('a'));
});

test('a table can be written to as soon as it is made', async () => {
  // Many, since the moment in which it could not is short, and longest for the first table of a folder.
  for (let round = 0; round < 40; round += 1) {
    const local = await start({ folder: temporaryFolder() });
    await local.createTable(rows);
    const response = await fetch(local.endpoint, {
      method: 'POST',
      headers: {
        'x-amz-target': 'DynamoDB_20120810.DescribeTable',
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-date': '20260101T000000Z',
        authorization:
          'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
      },
      body: JSON.stringify({ TableName: 'rows' }),
    });
    expect(await response.json()).toMatchObject({ Table: { TableStatus: 'ACTIVE' } });
  }
});

test('items in memory are gone with the server', async () => {
  const first = await start();
  await first.createTable(rows);
  await clientOf(first).send(new PutItemCommand({ TableName: 'rows', Item: item('a') }));
  await first.close();
  const second = await start();
  await second.createTable(rows);
  expect((await clientOf(second).send(new ScanCommand({ TableName: 'rows' }))).Count).toBe(0);
});

test('a table that is there with other keys is refused', async () => {
  const local = await start();
  await local.createTable(rows);
  const other = {
    ...rows,
    KeySchema: rows.KeySchema.slice(0, 1),
    AttributeDefinitions: rows.AttributeDefinitions.toSpliced(1, 1),
  };
  await expect(local.createTable(other)).rejects.toMatchObject({
    code: 'TEMPLATE_UNSUPPORTED',
    message: expect.stringContaining('rows'),
  });
});

test('a table that is there with other indexes is refused', async () => {
  const local = await start();
  await local.createTable(rows);
  const { GlobalSecondaryIndexes: _, ...other } = {
    ...rows,
    AttributeDefinitions: rows.AttributeDefinitions.slice(0, 2),
  };
  await expect(local.createTable(other)).rejects.toMatchObject({ code: 'TEMPLATE_UNSUPPORTED' });
});

test('properties that are no table are refused by the name of what is wrong', async () => {
  const local = await start();
  await expect(local.createTable({ TableName: { Ref: 'Rows' } })).rejects.toMatchObject({
    code: 'TEMPLATE_UNSUPPORTED',
    message: expect.stringContaining('TableName'),
  });
});

const nowSeconds = 1_800_000_000;

test('an item past its time to live is removed', async () => {
  const local = await start();
  await local.createTable(rows);
  const client = clientOf(local);
  await client.send(new PutItemCommand({ TableName: 'rows', Item: item('past', nowSeconds - 1) }));
  expect(await local.expire(nowSeconds)).toBe(1);
  expect((await client.send(new ScanCommand({ TableName: 'rows' }))).Count).toBe(0);
});

test.each([
  ['at its time to live', nowSeconds],
  ['without a time to live', undefined],
  ['more than five years past its time to live', nowSeconds - 5 * 365 * 24 * 3_600 - 1],
])('an item %s is kept', async (_, expires) => {
  const local = await start();
  await local.createTable(rows);
  await clientOf(local).send(new PutItemCommand({ TableName: 'rows', Item: item('a', expires) }));
  expect(await local.expire(nowSeconds)).toBe(0);
});

test('what a folder kept past its time is removed when expiring begins', async () => {
  const local = await start();
  await local.createTable(rows);
  const client = clientOf(local);
  const hour = 3_600;
  const now = Math.floor(Date.now() / 1_000);
  await client.send(new PutItemCommand({ TableName: 'rows', Item: item('past', now - hour) }));
  await client.send(new PutItemCommand({ TableName: 'rows', Item: item('to come', now + hour) }));
  const errors: unknown[] = [];
  local.startExpiring((error) => void errors.push(error));
  await vi.waitUntil(async () => (await client.send(new ScanCommand({ TableName: 'rows' }))).Count === 1);
  const { Items } = await client.send(new ScanCommand({ TableName: 'rows' }));
  expect(Items).toEqual([item('to come', now + hour)]);
  expect(errors).toEqual([]);
});

test('a server that closes while items expire waits for the one that is being removed, and removes no more', async () => {
  const folder = temporaryFolder();
  const local = await start({ folder });
  await local.createTable(rows);
  const client = clientOf(local);
  const count = 50;
  for (let pk = 0; pk < count; pk += 1)
    await client.send(new PutItemCommand({ TableName: 'rows', Item: item(String(pk), 1_700_000_000) }));
  const thrown = watchThrown();
  const removed = local.expire(nowSeconds);
  await local.close();
  expect(await removed).toBeLessThan(count);
  expect(thrown).toEqual([]);
});

test('a client that goes in the middle of its request stops nothing', async () => {
  const local = await start();
  const thrown = watchThrown();
  await cutOff(local, { 'content-type': 'application/x-amz-json-1.0' });
  expect(thrown).toEqual([]);
});

test('the store stays open until all is done for clients who have gone', async () => {
  const local = await start({ folder: temporaryFolder() });
  await local.createTable(rows);
  const client = clientOf(local);
  const text = 'x'.repeat(10_000);
  for (let sk = 0; sk < 20; sk += 1)
    await client.send(
      new PutItemCommand({ TableName: 'rows', Item: { pk: { S: 'a' }, sk: { S: String(sk) }, text: { S: text } } }),
    );
  const thrown = watchThrown();
  const gone = new AbortController();
  const asked = Array.from({ length: 20 }, () =>
    client.send(new ScanCommand({ TableName: 'rows' }), { abortSignal: gone.signal }),
  );
  // One is answered, so the others are being worked on.
  await Promise.race(asked);
  gone.abort();
  await Promise.allSettled(asked);
  await local.close();
  expect(thrown).toEqual([]);
});

/** What is thrown where nobody can catch it. */
function watchThrown(): readonly unknown[] {
  const thrown: unknown[] = [];
  const listener = (error: unknown) => void thrown.push(error);
  process.on('uncaughtException', listener);
  onTestFinished(() => void process.off('uncaughtException', listener));
  return thrown;
}

test('a port that is taken leaves the folder free for another try', async () => {
  const taken = await listen(createServer(), { name: 'Test' });
  opened.push(taken);
  const folder = temporaryFolder();
  await expect(startDynamodb({ folder, port: taken.port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  const local = await start({ folder });
  await local.createTable(rows);
});

test('a folder that another server uses is refused', async () => {
  const folder = temporaryFolder();
  await start({ folder });
  await expect(startDynamodb({ folder })).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' });
});
