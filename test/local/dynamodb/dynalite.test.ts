import {
  type AttributeValue,
  BatchWriteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb';
// @ts-expect-error dynalite comes without types.
import untypedStore from 'dynalite/db/index.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalDynamodb, startDynamodb } from '#local/dynamodb.ts';

// What dynalite alone answers otherwise than DynamoDB, or drops without a word.

let local: LocalDynamodb;
let client: DynamoDBClient;

beforeAll(async () => {
  local = await startDynamodb();
  for (const [TableName, AttributeType] of [
    ['items', 'S'],
    ['bytes', 'B'],
  ]) {
    await local.createTable({
      TableName,
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType },
      ],
    });
  }
  client = new DynamoDBClient({
    endpoint: local.endpoint,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  });
  await put({ ...key('stored'), ...attributes });
  for (const sk of ['1', '2', '3', '4'])
    await put({ pk: { S: 'many' }, sk: { S: sk }, odd: { L: [{ BOOL: Number(sk) % 2 === 1 }] } });
});

afterAll(async () => {
  client.destroy();
  await local.close();
});

type Item = Record<string, AttributeValue>;

const key = (pk: string, sk = 's'): Item => ({ pk: { S: pk }, sk: { S: sk } });
const put = (Item: Item) => client.send(new PutItemCommand({ TableName: 'items', Item }));

const attributes: Item = {
  text: { S: 'héllo' },
  high: { S: '\u{1f600}' },
  blank: { S: '' },
  count: { N: '5' },
  large: { N: '12345678901234567890123456789012345678' },
  off: { BOOL: false },
  nothing: { NULL: true },
  raw: { B: new Uint8Array([1, 2, 200]) },
  list: { L: [{ N: '1' }, { M: { a: { N: '3' } } }] },
  map: { M: { a: { N: '1' }, b: { M: { c: { S: 'deep' } } } } },
  texts: { SS: ['a', 'b'] },
  numbers: { NS: ['1', '2.50'] },
};

const v = (value: AttributeValue) => ({ ':v': value });

test.each<[expression: string, values?: Item]>([
  ['#map = :v', v({ M: { b: { M: { c: { S: 'deep' } } }, a: { N: '1.0' } } })],
  ['#list = :v', v({ L: [{ N: '1' }, { M: { a: { N: '3' } } }] })],
  ['contains(#list, :v)', v({ M: { a: { N: '3' } } })],
  ['#map.b.c = :v', v({ S: 'deep' })],
  ['#list[1].a = :v', v({ N: '3.0' })],
  ['#numbers = :v', v({ NS: ['2.5', '1'] })],
  ['#off IN (:v)', v({ BOOL: false })],
  ['#blank IN (:v)', v({ S: '' })],
  ['#blank BETWEEN :v AND #text', v({ S: '' })],
  ['size(#blank) = :v', v({ N: '0' })],
  ['size(#raw) = :v', v({ N: '3' })],
  ['size(#map) = :v', v({ N: '2' })],
  ['begins_with(#raw, :v)', v({ B: new Uint8Array([1, 2]) })],
  ['#high > :v', v({ S: '\uffff' })],
  ['#large > :v', v({ N: '12345678901234567890123456789012345677' })],
  ['#missing <> :v', v({ S: 'a' })],
  ['attribute_not_exists(#constructor)'],
  ['NOT #missing = #nothing'],
  ['#texts = :v AND (#count = :w OR #count < :w)', { ':v': { SS: ['b', 'a'] }, ':w': { N: '5' } }],
])('%s holds', async (expression, values) => {
  await check(expression, values);
});

test.each<[expression: string, values?: Item]>([
  ['#map <> :v', v({ M: { b: { M: { c: { S: 'deep' } } }, a: { N: '1' } } })],
  ['#list = :v', v({ L: [{ M: { a: { N: '3' } } }, { N: '1' }] })],
  ['#missing = #absent'],
  ['#missing < :v', v({ S: 'a' })],
  ['#off < :v', v({ BOOL: true })],
  ['#count < :v', v({ S: 'a' })],
  ['begins_with(#raw, :v)', v({ B: new Uint8Array([1, 2, 201]) })],
  ['contains(#raw, :v)', v({ B: new Uint8Array([201]) })],
  ['size(#count) > :v', v({ N: '0' })],
  ['attribute_exists(#constructor)'],
])('%s does not hold', async (expression, values) => {
  await expect(check(expression, values)).rejects.toMatchObject({ name: 'ConditionalCheckFailedException' });
});

function check(expression: string, values: Item = {}): Promise<unknown> {
  const names = [...new Set(expression.match(/#\w+/g))];
  const input: UpdateItemCommandInput = {
    TableName: 'items',
    Key: key('stored'),
    UpdateExpression: 'SET checked = :checked',
    ConditionExpression: expression,
    ExpressionAttributeNames: names.length === 0 ? undefined : Object.fromEntries(names.map((it) => [it, it.slice(1)])),
    ExpressionAttributeValues: { ':checked': { BOOL: true }, ...values },
  };
  return client.send(new UpdateItemCommand(input));
}

test('a filter goes by the same rules as a condition, on pages that are cut before', async () => {
  const filter = { FilterExpression: 'odd = :odd', ProjectionExpression: 'sk', TableName: 'items' };
  const odd = { ':odd': { L: [{ BOOL: true }] } };
  const page = await client.send(
    new QueryCommand({
      ...filter,
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ...odd, ':pk': { S: 'many' } },
      Limit: 3,
    }),
  );
  expect(page).toMatchObject({
    Items: [{ sk: { S: '1' } }, { sk: { S: '3' } }],
    Count: 2,
    ScannedCount: 3,
    LastEvaluatedKey: { pk: { S: 'many' }, sk: { S: '3' } },
  });
  const { ProjectionExpression: _, ...whole } = filter;
  const counted = await client.send(new ScanCommand({ ...whole, ExpressionAttributeValues: odd, Select: 'COUNT' }));
  expect(counted).toMatchObject({ Count: 2, ScannedCount: 5 });
  expect(counted.Items).toBeUndefined();
});

test.each<[what: string, table: string, condition: string, keys: readonly AttributeValue[], values: Item]>([
  [
    'texts beyond UTF-16',
    'items',
    'sk BETWEEN :low AND :high',
    [{ S: '\uffff' }, { S: '\u{1f600}' }],
    { ':low': { S: '\uffff' }, ':high': { S: '\u{1f600}' } },
  ],
  [
    'bytes that are no text',
    'bytes',
    'begins_with(sk, :start)',
    [{ B: new Uint8Array([200, 128]) }, { B: new Uint8Array([200, 255]) }],
    { ':start': { B: new Uint8Array([200]) } },
  ],
])('a query goes on among %s', async (_, TableName, condition, keys, values) => {
  for (const sk of keys) await client.send(new PutItemCommand({ TableName, Item: { pk: { S: 'order' }, sk } }));
  const query = {
    TableName,
    KeyConditionExpression: `pk = :pk AND ${condition}`,
    ExpressionAttributeValues: { ':pk': { S: 'order' }, ...values },
    Limit: 1,
  };
  const first = await client.send(new QueryCommand(query));
  const second = await client.send(new QueryCommand({ ...query, ExclusiveStartKey: first.LastEvaluatedKey }));
  expect([...(first.Items ?? []), ...(second.Items ?? [])].map(({ sk }) => sk)).toEqual(keys);
});

test('the item on which a condition failed is given to who asks for it', async () => {
  const again = {
    TableName: 'items',
    Item: key('stored'),
    ConditionExpression: 'attribute_not_exists(pk)',
  };
  await expect(
    client.send(new PutItemCommand({ ...again, ReturnValuesOnConditionCheckFailure: 'ALL_OLD' })),
  ).rejects.toMatchObject({ name: 'ConditionalCheckFailedException', Item: { count: { N: '5' } } });
  await expect(client.send(new PutItemCommand(again))).rejects.toMatchObject({ Item: undefined });
});

const texts = (...all: readonly string[]): AttributeValue => ({ L: all.map((S) => ({ S })) });

test.each<[expression: string, changed: Item, values?: Item]>([
  ['REMOVE a[0], a[1]', { a: texts('3') }],
  ['REMOVE a[0], b.c, a[1], b.d', { a: texts('3'), b: { M: {} } }],
  ['REMOVE a[0] SET a[2] = :v', { a: texts('2', 'x') }, { ':v': { S: 'x' } }],
  ['REMOVE a[1] SET a[7] = :v', { a: texts('1', '3', 'x') }, { ':v': { S: 'x' } }],
  ['DELETE s :v SET t = s', { s: { SS: ['q'] }, t: { SS: ['p', 'q'] } }, { ':v': { SS: ['p'] } }],
  [
    'SET t = b, b.c = :v',
    { b: { M: { c: { S: 'x' }, d: { S: 'd' } } }, t: { M: { c: { S: 'c' }, d: { S: 'd' } } } },
    { ':v': { S: 'x' } },
  ],
  ['SET t = if_not_exists(b.c, n), n = n + :v', { t: { S: 'c' }, n: { N: '3' } }, { ':v': { N: '1' } }],
  ['SET t = if_not_exists(b.x, n), n = n + :v', { t: { N: '2' }, n: { N: '3' } }, { ':v': { N: '1' } }],
  ['SET a = list_append(:v, a), t = a[0]', { a: texts('0', '1', '2', '3'), t: { S: '1' } }, { ':v': texts('0') }],
])('%s is of the item as it was', async (expression, changed, values) => {
  const item: Item = {
    ...key('updated'),
    a: texts('1', '2', '3'),
    b: { M: { c: { S: 'c' }, d: { S: 'd' } } },
    n: { N: '2' },
    s: { SS: ['p', 'q'] },
  };
  await put(item);
  const update = new UpdateItemCommand({
    TableName: 'items',
    Key: key('updated'),
    UpdateExpression: expression.replace(/\b([abnst])\b/g, '#$1'),
    ExpressionAttributeNames: Object.fromEntries(
      [...expression.matchAll(/\b[abnst]\b/g)].map(([name]) => [`#${name}`, name]),
    ),
    ExpressionAttributeValues: values,
    ReturnValues: 'ALL_NEW',
  });
  expect((await client.send(update)).Attributes).toEqual({ ...item, ...changed });
});

test('a value that is nowhere leaves the item as it is', async () => {
  await put({ ...key('untouched'), n: { N: '1' } });
  const update = new UpdateItemCommand({
    TableName: 'items',
    Key: key('untouched'),
    UpdateExpression: 'SET n = :v, t = nowhere',
    ExpressionAttributeValues: { ':v': { N: '2' } },
  });
  await expect(client.send(update)).rejects.toMatchObject({ name: 'ValidationException' });
  const get = new GetItemCommand({ TableName: 'items', Key: key('untouched') });
  expect((await client.send(get)).Item).toEqual({ ...key('untouched'), n: { N: '1' } });
});

test('keys and items are measured in bytes', async () => {
  await expect(put(key('k', 'é'.repeat(513)))).rejects.toMatchObject({
    name: 'ValidationException',
    message: expect.stringContaining('sk has 1026 bytes, and 1 to 1024'),
  });
  const get = new GetItemCommand({ TableName: 'items', Key: key('é'.repeat(1_025)) });
  await expect(client.send(get)).rejects.toMatchObject({ name: 'ValidationException' });
  await put(key('é'.repeat(1_024), 'é'.repeat(512)));

  const large = { ...key('large'), text: { S: 'é'.repeat(204_793) } };
  const bytes = 'pk'.length + 'large'.length + 'sk'.length + 's'.length + 'text'.length + 2 * 204_793;
  expect(bytes).toBe(409_600);
  await put(large);
  const larger = { ...large, text: { S: `${large.text.S}x` } };
  await expect(put(larger)).rejects.toMatchObject({ name: 'ValidationException' });
  const batch = new BatchWriteItemCommand({ RequestItems: { items: [{ PutRequest: { Item: larger } }] } });
  await expect(client.send(batch)).rejects.toMatchObject({ name: 'ValidationException' });
});

test.each([
  ['an empty one', ''],
  ['one that is too long', 'é'.repeat(1_025)],
])('the key of an index is refused as that of a table is: %s', async (_, S) => {
  await local.createTable({
    TableName: 'indexed',
    KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'view', AttributeType: 'S' },
    ],
    GlobalSecondaryIndexes: [
      {
        IndexName: 'by-view',
        KeySchema: [{ AttributeName: 'view', KeyType: 'HASH' }],
        Projection: { ProjectionType: 'ALL' },
      },
    ],
  });
  const putIndexed = (item: Item) => client.send(new PutItemCommand({ TableName: 'indexed', Item: item }));
  await expect(putIndexed({ pk: { S: 'a' }, view: { S } })).rejects.toMatchObject({
    name: 'ValidationException',
    message: expect.stringContaining('the key view has'),
  });
  await putIndexed({ pk: { S: 'a' } });
});

test('an operation that is not there is refused by its name', async () => {
  const write = new TransactWriteItemsCommand({ TransactItems: [{ Put: { TableName: 'items', Item: key('t') } }] });
  await expect(client.send(write)).rejects.toMatchObject({
    name: 'UnknownOperationException',
    message: expect.stringContaining('no TransactWriteItems'),
  });
});

test('a parameter that would be left out is refused by its name', async () => {
  const legacy = new PutItemCommand({ TableName: 'items', Item: key('p'), Expected: { a: { Exists: false } } });
  await expect(client.send(legacy)).rejects.toMatchObject({
    name: 'ValidationException',
    message: expect.stringContaining('Expected'),
  });
  const unknown = { TableName: 'items', Item: key('p'), Surprise: true };
  expect(await answerTo('PutItem', unknown)).toMatchObject({ message: expect.stringContaining('Surprise') });
});

test.each([
  ['BatchGetItem', { RequestItems: { items: null } }],
  ['BatchWriteItem', { RequestItems: { items: [null] } }],
  ['Query', { TableName: 'items', KeyConditions: { pk: null } }],
])('%s with a null is answered, and does not end the process', async (operation, request) => {
  expect(await answerTo(operation, request)).toMatchObject({ __type: expect.stringContaining('ValidationException') });
});

test('a walk over items is closed, whether it came to their end or not: one that stays open keeps on the disk what is replaced later', async () => {
  const { db, getItemDb } = untypedStore.create({});
  const walks: { readonly next: () => Promise<unknown> }[] = [];
  const open = db.values.bind(db);
  db.values = (range: object) => {
    walks.push(open(range));
    return walks.at(-1);
  };
  await db.batch(Array.from({ length: 100 }, (_, at) => ({ type: 'put', key: `item-items~${at}`, value: { at } })));
  expect(await getItemDb('items').createValueStream({}).toArray()).toHaveLength(100);
  for await (const _ of getItemDb('items').createValueStream({})) break;
  expect(walks).toHaveLength(2);
  for (const walk of walks) await expect(walk.next()).rejects.toThrow('not open');
  await db.close();
});

/** To a request as no client of AWS would send it. */
async function answerTo(operation: string, request: object): Promise<unknown> {
  const response = await fetch(local.endpoint, {
    method: 'POST',
    headers: {
      'x-amz-target': `DynamoDB_20120810.${operation}`,
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-date': '20260101T000000Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
    },
    body: JSON.stringify(request),
  });
  return response.json();
}
