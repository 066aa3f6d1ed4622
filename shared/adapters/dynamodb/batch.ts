import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  type DynamoDBClient,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import type { Clock } from '#shared/ports/clock.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { Item } from './item.ts';
import { inParallel, request } from './request.ts';

/** DynamoDB's limits for one request. */
const readKeysMax = 100;
const writeItemsMax = 25;
/** How often what DynamoDB left undone is asked for again before the table counts as unavailable. */
export const batchAttemptsMax = 10;
const backoffMs = 25;
const backoffMsMax = 2_000;

export interface BatchOptions {
  readonly client: DynamoDBClient;
  readonly table: string;
  readonly clock: Clock;
  /** From 0 to 1: pauses are cut by up to a half, so that those who were refused together do not come back together. By default they are not. */
  readonly random?: () => number;
}

export interface ReadOptions {
  /** The attributes that are read; all of them where none are named. */
  readonly columns?: readonly string[] | undefined;
  /** Says in messages what is read. */
  readonly what?: string;
}

/** The items of these keys that there are, in no order. The keys must differ: DynamoDB refuses a batch that names one twice. */
export async function readItems(
  options: BatchOptions,
  keys: readonly Item[],
  { columns, what = 'BatchGetItem' }: ReadOptions = {},
): Promise<readonly Item[]> {
  const { client, table } = options;
  const projection = columns && {
    ProjectionExpression: columns.map((_, at) => `#c${at}`).join(', '),
    ExpressionAttributeNames: Object.fromEntries(columns.map((column, at) => [`#c${at}`, column])),
  };
  const read = await inParallel(chunksOf(keys, readKeysMax), async (chunk) => {
    const items: Item[] = [];
    await untilDone({ ...options, what, requests: chunk }, async (left) => {
      const command = new BatchGetItemCommand({
        RequestItems: { [table]: { Keys: [...left], ConsistentRead: true, ...projection } },
      });
      const answer = await request(`${what} in ${table}`, () => client.send(command));
      items.push(...(answer.Responses?.[table] ?? []));
      return answer.UnprocessedKeys?.[table]?.Keys ?? [];
    });
    return items;
  });
  return read.flat();
}

/** Puts the items unconditionally. Their keys must differ. */
export async function writeItems(options: BatchOptions, items: readonly Item[]): Promise<void> {
  const { client, table } = options;
  const puts = items.map((Item): WriteRequest => ({ PutRequest: { Item } }));
  await inParallel(chunksOf(puts, writeItemsMax), (chunk) =>
    untilDone({ ...options, what: 'BatchWriteItem', requests: chunk }, async (left) => {
      const command = new BatchWriteItemCommand({ RequestItems: { [table]: [...left] } });
      const answer = await request(`BatchWriteItem in ${table}`, () => client.send(command));
      return answer.UnprocessedItems?.[table] ?? [];
    }),
  );
}

/** Repeats `attempt` on what it left undone, with growing pauses. */
async function untilDone<Request>(
  {
    table,
    clock,
    random = () => 1,
    what,
    requests,
  }: BatchOptions & { readonly what: string; readonly requests: readonly Request[] },
  attempt: (left: readonly Request[]) => Promise<readonly Request[]>,
): Promise<void> {
  let left = await attempt(requests);
  for (let attempts = 1; left.length > 0; attempts += 1) {
    if (attempts === batchAttemptsMax) {
      throw new MillraceError(
        'STORE_UNAVAILABLE',
        `${what} in ${table} left ${left.length} of ${requests.length} items undone ${attempts} times: the table is throttled. Try again, or give it more capacity.`,
      );
    }
    await clock.sleep(Math.min(backoffMs * 2 ** attempts, backoffMsMax) * (0.5 + random() / 2));
    left = await attempt(left);
  }
}

function chunksOf<Value>(values: readonly Value[], size: number): readonly (readonly Value[])[] {
  const chunks: (readonly Value[])[] = [];
  for (let from = 0; from < values.length; from += size) chunks.push(values.slice(from, from + size));
  return chunks;
}
