import { type DynamoDBClient, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import type { ResultStore } from '#shared/ports/result-store.ts';
import type { Row } from '#shared/schemas/row.ts';
import { expirySeconds, type Item, nameOfItem, textOf } from './item.ts';
import { inParallel, queryItems, queryPages, requestOnCondition } from './request.ts';
import {
  indexName,
  indexPartition,
  itemOfRow,
  itemOfTotal,
  partitionOfDays,
  partitionOfKey,
  partitionOfTotals,
  rowOf,
  totalOf,
} from './result-item.ts';
import { sortableDay, sortableTime, timeMsMax, timeMsMin } from './sortable-time.ts';

/**
 * Into how many parts a day of a view is cut in the index. One part takes DynamoDB's 1,000 write units a second, so this is
 * how many thousand rows a view may write a second; a read of a day costs one Query for each. It may be raised at any time,
 * and lowered only when all rows that were written before have expired.
 */
const indexPartsDefault = 8;

/** A day's item outlives its rows by this, which is also how seldom it is written anew. */
const dayItemMarginSeconds = 86_400;
/** Days that are remembered as noted; more exist only where event times are nonsense. */
const notedDaysMax = 10_000;
/** Days that are read at once: the newest window is nearly always in the first of them. */
const daysPerPage = 8;

/** The rows and totals of all views in one DynamoDB table, laid out as `result-item.ts` says. */
export function createDynamoDbResultStore(options: {
  readonly client: DynamoDBClient;
  readonly table: string;
  readonly indexParts?: number;
}): ResultStore {
  const { client, table, indexParts = indexPartsDefault } = options;
  const notedDays = new Map<string, number>();

  /** Which days of a view have rows. Written before the rows: a row whose day is unknown would not be found. */
  const noteDays = async (rows: readonly Row[]) => {
    const missing = new Map<string, { readonly key: Item; readonly ttlSeconds: number }>();
    for (const { view, windowStartMs, expiresMs, provisional } of rows) {
      if (provisional === 'gone') continue;
      const day = sortableDay(windowStartMs);
      const name = `${view}#${day}`;
      const ttlSeconds = expirySeconds(expiresMs);
      if (ttlSeconds <= Math.max(notedDays.get(name) ?? 0, missing.get(name)?.ttlSeconds ?? 0)) continue;
      missing.set(name, {
        key: { pk: { S: partitionOfDays(view) }, sk: { S: day } },
        ttlSeconds: ttlSeconds + dayItemMarginSeconds,
      });
    }
    await inParallel([...missing], async ([name, { key, ttlSeconds }]) => {
      const command = new UpdateItemCommand({
        TableName: table,
        Key: key,
        UpdateExpression: 'SET #ttl = :ttl',
        ConditionExpression: [dayIsNotNoted, dayExpiresSooner].join(' OR '),
        ExpressionAttributeNames: { '#ttl': 'ttl' },
        ExpressionAttributeValues: { ':ttl': { N: String(ttlSeconds) } },
      });
      await requestOnCondition(`UpdateItem of ${name} in ${table}`, () => client.send(command));
      if (notedDays.size >= notedDaysMax) notedDays.clear();
      notedDays.set(name, ttlSeconds);
    });
  };

  /** Puts each item unless a newer one is there, and counts those that lost. */
  const putNewer = async (items: readonly Item[]) => {
    const written = await inParallel(items, (item) => {
      const command = new PutItemCommand({
        TableName: table,
        Item: item,
        ConditionExpression: [thereIsNone, storedOrderIsLower].join(' OR '),
        ExpressionAttributeNames: { '#position': 'position' },
        ExpressionAttributeValues: { ':position': { S: textOf(item, 'position') } },
      });
      return requestOnCondition(`PutItem of ${nameOfItem(item)} in ${table}`, () => client.send(command));
    });
    return { fenced: written.filter((won) => !won).length };
  };

  /** Rows of one day in one part of the index, in order. The index lags behind the table by moments. */
  const queryIndex = (query: {
    readonly view: string;
    readonly day: string;
    readonly part: number;
    readonly from: string;
    readonly to: string;
    readonly newestFirst?: boolean;
    readonly itemsMax: number;
  }) =>
    queryItems(client, {
      TableName: table,
      IndexName: indexName,
      KeyConditionExpression: '#window = :window AND windowKey BETWEEN :from AND :to',
      ExpressionAttributeNames: { '#window': 'window' },
      ExpressionAttributeValues: {
        ':window': { S: indexPartition(query) },
        ':from': { S: query.from },
        ':to': { S: query.to },
      },
      ScanIndexForward: query.newestFirst !== true,
      itemsMax: query.itemsMax,
    });
  const parts = Array.from({ length: indexParts }, (_, part) => part);

  /** The days of a view that have rows within the bounds, both inclusive; asked for as they are wanted. */
  async function* daysOf(
    view: string,
    bounds: { readonly from: string; readonly to: string; readonly newestFirst?: boolean },
  ) {
    const pages = queryPages(client, {
      TableName: table,
      ConsistentRead: true,
      KeyConditionExpression: 'pk = :pk AND sk BETWEEN :from AND :to',
      ExpressionAttributeValues: {
        ':pk': { S: partitionOfDays(view) },
        ':from': { S: bounds.from },
        ':to': { S: bounds.to },
      },
      ScanIndexForward: bounds.newestFirst !== true,
      Limit: daysPerPage,
    });
    for await (const page of pages) yield* page.map((item) => textOf(item, 'sk'));
  }

  return {
    writeRows: async (rows) => {
      await noteDays(rows);
      return putNewer(rows.map((row) => itemOfRow(row, indexParts)));
    },
    writeTotals: (totals) => putNewer(totals.map(itemOfTotal)),

    rowsOfKey: async ({ view, key, fromMs, toMs, rowsMax }) => {
      const range = rangeOf(fromMs, toMs);
      if (range === undefined) return [];
      const items = await queryItems(client, {
        TableName: table,
        ConsistentRead: true,
        KeyConditionExpression: 'pk = :pk AND sk BETWEEN :from AND :to',
        // Neither are rows that are gone.
        FilterExpression: 'attribute_exists(#window)',
        ExpressionAttributeNames: { '#window': 'window' },
        ExpressionAttributeValues: {
          ':pk': { S: partitionOfKey(view, key) },
          ':from': { S: sortableTime(range.firstMs) },
          // Behind every end of the last start: `/` begins the end, and `0` follows it.
          ':to': { S: `${sortableTime(range.lastMs)}0` },
        },
        itemsMax: rowsMax,
      });
      return items.map(rowOf);
    },
    rowsOfView: async ({ view, fromMs, toMs, rowsMax }) => {
      const range = rangeOf(fromMs, toMs);
      if (range === undefined) return [];
      const from = sortableTime(range.firstMs);
      // Behind every key of the last start: `#` begins the key, and `$` follows it.
      const to = `${sortableTime(range.lastMs)}$`;
      const found: Item[] = [];
      for await (const day of daysOf(view, { from: sortableDay(range.firstMs), to: sortableDay(range.lastMs) })) {
        const itemsMax = rowsMax - found.length;
        if (itemsMax <= 0) break;
        const ofDay = await inParallel(parts, (part) => queryIndex({ view, day, part, from, to, itemsMax }));
        found.push(...ofDay.flat().sort(byWindow).slice(0, itemsMax));
      }
      return found.map(rowOf);
    },
    newestWindow: async (view) => {
      const days = daysOf(view, { from: sortableDay(timeMsMin), to: sortableDay(timeMsMax), newestFirst: true });
      // A day without rows is one whose rows have expired before it.
      for await (const day of days) {
        const newest = await inParallel(parts, (part) =>
          queryIndex({ view, day, part, from: day, to: `${day}U`, newestFirst: true, itemsMax: 1 }),
        );
        const last = newest.flat().sort(byWindow).at(-1);
        if (last !== undefined) return rowOf(last).windowStartMs;
      }
      return undefined;
    },
    readTotals: async (view, windowStartMs) => {
      const items = await queryItems(client, {
        TableName: table,
        ConsistentRead: true,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': { S: partitionOfTotals(view, windowStartMs) } },
      });
      return items.map(totalOf);
    },
  };
}

const thereIsNone = 'attribute_not_exists(pk)';
/** Only the strictly greater order wins (rule 14). */
const storedOrderIsLower = '#position < :position';
const dayIsNotNoted = 'attribute_not_exists(#ttl)';
const dayExpiresSooner = '#ttl < :ttl';

/** The starts in [fromMs, toMs), both inclusive, within what a date can hold; undefined when there are none. */
function rangeOf(fromMs: number, toMs: number): { readonly firstMs: number; readonly lastMs: number } | undefined {
  const firstMs = Math.max(Math.ceil(fromMs), timeMsMin);
  const lastMs = Math.min(Math.ceil(toMs) - 1, timeMsMax);
  return firstMs <= lastMs ? { firstMs, lastMs } : undefined;
}

/** In the order of the index, which is that of UTF-8; what it does not order, sessions of one key and start, by the end. */
function byWindow(a: Item, b: Item): number {
  return compareTexts(a, b, 'windowKey') || compareTexts(a, b, 'sk');
}

function compareTexts(a: Item, b: Item, name: string): number {
  return Buffer.compare(Buffer.from(textOf(a, name)), Buffer.from(textOf(b, name)));
}
