import {
  type AttributeValue,
  type DynamoDBClient,
  QueryCommand,
  type QueryCommandInput,
} from '@aws-sdk/client-dynamodb';
import { MillraceError } from '#shared/schemas/error.ts';

export type Item = Record<string, AttributeValue>;

/** Requests of one call that are under way at once. More than the SDK's sockets would only queue there. */
const requestsInFlightMax = 32;

/** Runs a request; what the SDK could not heal by its own retries is `STORE_UNAVAILABLE`. */
export async function request<Answer>(what: string, send: () => Promise<Answer>): Promise<Answer> {
  try {
    return await send();
  } catch (error) {
    throw unavailable(what, error);
  }
}

/** A conditional write: false when the condition did not hold, which is an answer and no fault. */
export async function requestOnCondition(what: string, send: () => Promise<unknown>): Promise<boolean> {
  try {
    await send();
    return true;
  } catch (error) {
    if (nameOf(error) === 'ConditionalCheckFailedException') return false;
    throw unavailable(what, error);
  }
}

/** The items of a Query in its order, at most `itemsMax`. */
export async function queryItems(
  client: DynamoDBClient,
  query: QueryCommandInput & { readonly itemsMax?: number },
): Promise<readonly Item[]> {
  const { itemsMax = Number.POSITIVE_INFINITY, ...input } = query;
  const items: Item[] = [];
  if (itemsMax <= 0) return items;
  const limit = Number.isFinite(itemsMax) ? { Limit: itemsMax } : undefined;
  for await (const page of queryPages(client, { ...input, ...limit })) {
    items.push(...page);
    if (items.length >= itemsMax) break;
  }
  return items.slice(0, itemsMax);
}

/** The pages of a Query, each asked for when it is wanted: at most 1 MB, or `Limit` items. */
export async function* queryPages(client: DynamoDBClient, query: QueryCommandInput): AsyncGenerator<readonly Item[]> {
  let from: Item | undefined;
  do {
    const command = new QueryCommand({ ...query, ExclusiveStartKey: from });
    const answer = await request(`Query of ${query.TableName}`, () => client.send(command));
    yield answer.Items ?? [];
    from = answer.LastEvaluatedKey;
  } while (from !== undefined);
}

/** Runs `perform` for each value, few at a time. After a failure nothing new is begun, and nothing is left under way. */
export async function inParallel<Value, Result>(
  values: readonly Value[],
  perform: (value: Value) => Promise<Result>,
): Promise<readonly Result[]> {
  const results = new Array<Result>(values.length);
  const faults: unknown[] = [];
  const pending = values.entries();
  const lane = async () => {
    for (const [index, value] of pending) {
      if (faults.length > 0) return;
      try {
        results[index] = await perform(value);
      } catch (error) {
        faults.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(requestsInFlightMax, values.length) }, lane));
  if (faults.length > 0) throw faults[0];
  return results;
}

/** Faults of the set-up rather than of the moment. */
const lasting: ReadonlySet<string> = new Set([
  'AccessDeniedException',
  'ResourceNotFoundException',
  'UnrecognizedClientException',
  'ValidationException',
]);

function unavailable(what: string, cause: unknown): MillraceError {
  const name = nameOf(cause);
  const advice = lasting.has(name)
    ? 'This does not heal by itself: check the name and the keys of the table and the permissions of the role.'
    : 'Try again.';
  const message = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError('STORE_UNAVAILABLE', `${what} failed with ${name}: ${message}. ${advice}`, { cause });
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
