import { type AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { expect, test } from 'vitest';
import { batchAttemptsMax, readItems, writeItems } from '#shared/adapters/dynamodb/batch.ts';
import { fault, type ScriptedRequest, scriptRequests } from '../scripted-requests.ts';

type Item = Record<string, AttributeValue>;

const key = (index: number): Item => ({ pk: { S: 'p' }, sk: { S: `${index}` } });
const keys = (count: number) => Array.from({ length: count }, (_, index) => key(index));

const keysOf = ({ fields }: ScriptedRequest) => (fields['RequestItems'] as { state: { Keys: Item[] } }).state.Keys;
const putsOf = ({ fields }: ScriptedRequest) =>
  (fields['RequestItems'] as { state: { PutRequest: { Item: Item } }[] }).state;
const readAll = (found: readonly Item[]) => ({ Responses: { state: found }, UnprocessedKeys: {} });

function open(answer: Parameters<typeof scriptRequests>[0]) {
  const { settings, requests } = scriptRequests(answer);
  const sleepsMs: number[] = [];
  const sleep = async (ms: number) => {
    sleepsMs.push(ms);
  };
  const options = { client: new DynamoDBClient(settings), table: 'state', clock: { now: () => 0, sleep } };
  return { options, requests, sleepsMs };
}

test('a batch reads 100 keys, and the next one the rest, all strongly consistent', async () => {
  const { options, requests } = open((request) => readAll(keysOf(request)));
  expect(await readItems(options, keys(101))).toHaveLength(101);
  expect(requests.map((request) => keysOf(request).length)).toEqual([100, 1]);
  for (const { fields } of requests)
    expect(fields).toMatchObject({ RequestItems: { state: { ConsistentRead: true } } });
});

test('keys that were left undone are read again, and only those', async () => {
  const { options, requests, sleepsMs } = open((request, index) => {
    const asked = keysOf(request);
    if (index === 2) return readAll(asked);
    return { Responses: { state: asked.slice(0, 2) }, UnprocessedKeys: { state: { Keys: asked.slice(2) } } };
  });
  expect(await readItems(options, keys(5))).toEqual(keys(5));
  expect(requests.map((request) => keysOf(request).length)).toEqual([5, 3, 1]);
  expect(sleepsMs).toEqual([50, 100]);
});

test('a batch that is never done counts as an unavailable store', async () => {
  const { options, requests, sleepsMs } = open((request) => ({
    Responses: {},
    UnprocessedKeys: { state: { Keys: keysOf(request) } },
  }));
  await expect(readItems(options, keys(3))).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    retry: true,
    message: expect.stringContaining('left 3 of 3 items undone 10 times'),
  });
  expect(requests).toHaveLength(batchAttemptsMax);
  expect(Math.max(...sleepsMs)).toBe(2_000);
});

test('a batch writes 25 items, and the next one the rest', async () => {
  const { options, requests } = open(() => ({ UnprocessedItems: {} }));
  await writeItems(options, keys(26));
  expect(requests.map((request) => putsOf(request).length)).toEqual([25, 1]);
});

test('items that were left undone are written again, and only those', async () => {
  const { options, requests } = open((request, index) => ({
    UnprocessedItems: index === 0 ? { state: putsOf(request).slice(3) } : {},
  }));
  await writeItems(options, keys(4));
  expect(requests.map((request) => putsOf(request).map((put) => put.PutRequest.Item))).toEqual([keys(4), [key(3)]]);
});

test.each(['ProvisionedThroughputExceededException', 'InternalServerError', 'NetworkFault'])(
  '%s is an unavailable store, worth another try',
  async (name) => {
    const { options } = open(() => {
      throw fault(name);
    });
    const unavailable = { code: 'STORE_UNAVAILABLE', cause: { name }, message: expect.stringContaining('Try again') };
    await expect(readItems(options, keys(1))).rejects.toMatchObject(unavailable);
  },
);

test('after a failed request nothing new is begun', async () => {
  const { options, requests } = open(() => {
    throw fault('InternalServerError');
  });
  await expect(readItems(options, keys(100 * 100))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(requests).toHaveLength(32);
});
