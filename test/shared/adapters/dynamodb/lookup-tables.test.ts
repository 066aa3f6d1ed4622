import { CreateTableCommand, DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDynamoDbLookupTables, writeLookupItems } from '#shared/adapters/dynamodb/lookup-tables.ts';
import { type LookupTableSpec, lookupKeyOf } from '#shared/schemas/lookup.ts';
import { openDynamodb } from './tables.ts';

const texts: LookupTableSpec = { name: 'texts', key: [{ name: 'id', type: 'string' }] };
const numbers: LookupTableSpec = { name: 'numbers', key: [{ name: 'id', type: 'number' }] };

let db: Awaited<ReturnType<typeof openDynamodb>>;
beforeAll(async () => {
  db = await openDynamodb();
  for (const [TableName, AttributeType] of [
    ['texts', 'S'],
    ['numbers', 'N'],
  ] as const) {
    await db.client.send(
      new CreateTableCommand({
        TableName,
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    );
    const describe = new DescribeTableCommand({ TableName });
    while ((await db.client.send(describe)).Table?.TableStatus !== 'ACTIVE');
  }
});
afterAll(() => db.close());

const clock = { now: () => 0, sleep: async () => undefined };

const tables = () => createDynamoDbLookupTables({ ...db, clock });

for (const id of [0, -1.5e-7, 1e21, 2 ** 53 + 2, 1e-130, -1e-130, 9.99e125, -9.99e125])
  test(`an item is found under the number ${id}`, async () => {
    await writeLookupItems({ ...db, clock }, numbers, [{ id, plan: 'gold' }]);
    expect(await tables().read(numbers, [lookupKeyOf(numbers, { id })])).toEqual([{ id, plan: 'gold' }]);
  });

test('the number -0 is 0', async () => {
  await writeLookupItems({ ...db, clock }, numbers, [{ id: 0 }]);
  expect(await tables().read(numbers, [lookupKeyOf(numbers, { id: -0 })])).toEqual([{ id: 0 }]);
});

for (const id of [5e-324, 9.9e-131, 1e126, -1e200, Number.MAX_VALUE])
  test(`a record with the number ${id}, which DynamoDB does not have, is refused, and holds up no other`, async () => {
    expect(() => lookupKeyOf(numbers, { id })).toThrow(`column id is ${id}, and DynamoDB has numbers from 1e-130`);
    const unchecked = tables().read(numbers, [[id]]);
    await expect(unchecked).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

test('items are found under texts of every kind', async () => {
  const ids = ['a', ' ', '\u0000', '\ufffd', '\u{1f600}', 'x'.repeat(2_048)];
  await writeLookupItems(
    { ...db, clock },
    texts,
    ids.map((id) => ({ id, length: id.length })),
  );
  const keys = ids.map((id) => lookupKeyOf(texts, { id }));
  expect(await tables().read(texts, keys)).toEqual(ids.map((id) => ({ id, length: id.length })));
});

test('texts that UTF-8 does not tell apart are refused, and hold up no other record', async () => {
  for (const id of ['\ud800', 'a\udc00', '\udc00\ud800'])
    expect(() => lookupKeyOf(texts, { id })).toThrow('column id has half of a surrogate pair');
  const unchecked = tables().read(texts, [['\ud800'], ['\ud801']]);
  await expect(unchecked).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
});

test.each([
  ['null', null],
  ['a string', 'ann'],
])('a key that is %s is told from one without columns', (shown, key) => {
  expect(() => lookupKeyOf(numbers, key as never)).toThrow(
    `the key of table ${numbers.name} is ${shown}; give an object with id, or undefined where there is nothing to look up`,
  );
});
