import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  type AttributeValue,
  CreateTableCommand,
  DeleteItemCommand,
  DescribeTableCommand,
  DynamoDBClient,
  paginateScan,
  type TableDescription,
} from '@aws-sdk/client-dynamodb';
import { z } from 'zod';
import { MillraceError } from '#shared/schemas/error.ts';
import { createDynalite } from './dynamodb/dynalite.ts';
import { ownFolder } from './folder.ts';
import { closeGraceMs, isCutOff, type LocalServer, listen } from './listen.ts';

/** DynamoDB on the laptop: dynalite, with the tables of a CloudFormation template. */
export interface LocalDynamodb extends LocalServer {
  /**
   * Creates the table that the `Properties` of an `AWS::DynamoDB::GlobalTable` or `AWS::DynamoDB::Table` describe, with
   * references resolved. A table that the folder already holds is kept with its items, if it has the same keys and indexes.
   */
  readonly createTable: (properties: unknown) => Promise<void>;
  /**
   * Removes the items whose time to live has passed, in the tables created with a `TimeToLiveSpecification`, and gives how many.
   * dynalite has no time to live of its own.
   */
  readonly expire: (nowSeconds: number) => Promise<number>;
  /** Has items expire by the clock, until it closes: what a folder has kept at once, and then by the hour. */
  readonly startExpiring: (onError: (error: unknown) => void) => void;
}

/** AWS takes up to a few days. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html */
const expireEveryMs = 3_600_000;

/** Without a folder everything is in memory and gone when it closes. */
export async function startDynamodb(
  options: { readonly folder?: string | undefined; readonly port?: number | undefined } = {},
): Promise<LocalDynamodb> {
  const folder = options.folder === undefined ? undefined : ownFolder(options.folder);
  try {
    const server = createDynalite({
      ...(folder === undefined ? {} : { path: join(folder.path, 'tables') }),
      createTableMs: 0,
      deleteTableMs: 0,
      updateTableMs: 0,
    });
    const settled = watchRequests(server);
    const local = await listenOrClose(server, options.port, () => folder?.release());
    const client = new DynamoDBClient({
      endpoint: local.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    const expiring = new Map<string, TimeToLive>();
    const closing = new AbortController();
    let expiry: Promise<unknown> = Promise.resolve();
    const expire = (nowSeconds: number): Promise<number> => {
      const removed = expireItems({ client, tables: expiring, nowSeconds, signal: closing.signal });
      expiry = Promise.allSettled([expiry, removed]);
      return removed;
    };
    return {
      ...local,
      createTable: async (properties) => {
        const table = parseTable(properties);
        await createTable(client, table);
        await waitUntilActive(client, table.TableName);
        if (table.TimeToLiveSpecification?.Enabled) {
          expiring.set(table.TableName, {
            attribute: table.TimeToLiveSpecification.AttributeName,
            keys: table.KeySchema.map((key) => key.AttributeName),
          });
        }
      },
      expire,
      startExpiring: (onError) => {
        const expireNow = () => void expire(Math.floor(Date.now() / 1_000)).catch(onError);
        expireNow();
        const timer = setInterval(expireNow, expireEveryMs);
        closing.signal.addEventListener('abort', () => clearInterval(timer));
      },
      close: async () => {
        closing.abort();
        await expiry;
        client.destroy();
        await settled();
        await local.close();
      },
    };
  } catch (error) {
    folder?.release();
    throw error;
  }
}

/**
 * dynalite throws what befalls a request, out of anybody's reach: that its caller went before all of it had come, and that the store was
 * closed while it still worked for a caller who has gone. The first is no fault; what is given resolves when there is no such work.
 */
function watchRequests(server: Server): () => Promise<void> {
  const working = new Map<ServerResponse, IncomingMessage>();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    request.removeAllListeners('error').on('error', () => {});
    working.set(response, request);
    response.on('close', forgetDone);
  });
  const forgetDone = (): void => {
    for (const [response, request] of working)
      if (response.writableEnded || (request.destroyed && isCutOff(request))) working.delete(response);
  };
  return async () => {
    const lastMs = performance.now() + closeGraceMs;
    for (forgetDone(); working.size > 0 && performance.now() < lastMs; forgetDone()) await setTimeout(settleLookMs);
  };
}

const settleLookMs = 5;

/** The store under dynalite is open before it listens and only its server can close it, which must have listened for that. */
async function listenOrClose(server: Server, port: number | undefined, onClose: () => void): Promise<LocalServer> {
  try {
    return await listen(server, { name: 'DynamoDB', port, onClose });
  } catch (error) {
    await (await listen(server, { name: 'DynamoDB' })).close();
    throw error;
  }
}

interface TimeToLive {
  readonly attribute: string;
  readonly keys: readonly string[];
}

const keySchema = z.array(z.object({ AttributeName: z.string(), KeyType: z.enum(['HASH', 'RANGE']) })).min(1);

const projection = z.object({
  ProjectionType: z.enum(['ALL', 'KEYS_ONLY', 'INCLUDE']),
  NonKeyAttributes: z.array(z.string()).optional(),
});

const index = z.object({ IndexName: z.string(), KeySchema: keySchema, Projection: projection });

/** What dynalite can make of a table. What it has no notion of (encryption, backups, replicas) is left out. */
const tableProperties = z.object({
  TableName: z.string(),
  KeySchema: keySchema,
  AttributeDefinitions: z.array(z.object({ AttributeName: z.string(), AttributeType: z.enum(['S', 'N', 'B']) })),
  GlobalSecondaryIndexes: z.array(index).optional(),
  LocalSecondaryIndexes: z.array(index).optional(),
  TimeToLiveSpecification: z.object({ AttributeName: z.string(), Enabled: z.boolean() }).optional(),
});

type TableProperties = z.infer<typeof tableProperties>;

function parseTable(properties: unknown): TableProperties {
  const parsed = tableProperties.safeParse(properties);
  if (parsed.success) return parsed.data;
  throw new MillraceError(
    'TEMPLATE_UNSUPPORTED',
    `The template describes a DynamoDB table that cannot be made locally. ${z.prettifyError(parsed.error)}`,
    { cause: parsed.error },
  );
}

async function createTable(client: DynamoDBClient, table: TableProperties): Promise<void> {
  const { TimeToLiveSpecification: _, ...rest } = table;
  try {
    await client.send(new CreateTableCommand({ ...rest, BillingMode: 'PAY_PER_REQUEST' }));
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ResourceInUseException') throw error;
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table.TableName }));
    if (Table !== undefined && shapeOf(table) === shapeOf(Table)) return;
    throw new MillraceError(
      'TEMPLATE_UNSUPPORTED',
      `Table ${table.TableName} is in the local folder with other keys or indexes than the template's. Begin afresh with --fresh, which drops all that the stack has kept.`,
      { cause: error },
    );
  }
}

/** dynalite answers before the table can be written to, which is a moment later. */
async function waitUntilActive(client: DynamoDBClient, tableName: string): Promise<void> {
  for (let looks = 0; looks < activeLooksMax; looks += 1) {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: tableName }));
    if (Table?.TableStatus === 'ACTIVE') return;
    await setTimeout(activeLookMs);
  }
  throw new MillraceError(
    'STATE_UNREADABLE',
    `Table ${tableName} did not become active, as happens when the process that made it was killed at once. Nothing is in it: begin afresh with --fresh.`,
  );
}

const activeLookMs = 5;
const activeLooksMax = 1_000;

/** Keys and indexes as text, in one order. Only attributes that are keys are in it, since a table defines no others. */
function shapeOf(table: TableProperties | TableDescription): string {
  const indexes = [...(table.GlobalSecondaryIndexes ?? []), ...(table.LocalSecondaryIndexes ?? [])];
  return JSON.stringify([
    table.KeySchema?.map(keyText),
    table.AttributeDefinitions?.map((it) => `${it.AttributeName} ${it.AttributeType}`).sort(),
    indexes
      .map((it) => [
        it.IndexName,
        it.KeySchema?.map(keyText),
        it.Projection?.ProjectionType,
        [...(it.Projection?.NonKeyAttributes ?? [])].sort(),
      ])
      .sort(),
  ]);
}

function keyText(key: { readonly AttributeName?: string | undefined; readonly KeyType?: string | undefined }): string {
  return `${key.AttributeName} ${key.KeyType}`;
}

/**
 * Items more than this past their time are kept, which is AWS's guard against a time in the wrong unit.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html
 */
const expiredSecondsMax = 5 * 365 * 24 * 3_600;

interface Expiry {
  readonly client: DynamoDBClient;
  readonly nowSeconds: number;
  /** Nothing more is removed once it says so. */
  readonly signal: AbortSignal;
}

async function expireItems({
  tables,
  ...options
}: Expiry & { readonly tables: ReadonlyMap<string, TimeToLive> }): Promise<number> {
  let count = 0;
  for (const [tableName, timeToLive] of tables) count += await expireTable({ ...options, tableName, timeToLive });
  return count;
}

async function expireTable(
  table: Expiry & { readonly tableName: string; readonly timeToLive: TimeToLive },
): Promise<number> {
  const { client, tableName, timeToLive, nowSeconds, signal } = table;
  const expired = {
    TableName: tableName,
    ExpressionAttributeNames: { '#ttl': timeToLive.attribute },
    ExpressionAttributeValues: {
      ':now': { N: String(nowSeconds) },
      ':oldest': { N: String(nowSeconds - expiredSecondsMax) },
    },
  };
  const condition = '#ttl < :now AND #ttl >= :oldest';
  let count = 0;
  for await (const page of paginateScan(
    { client },
    { ...expired, FilterExpression: condition, ConsistentRead: true },
  )) {
    if (signal.aborted) return count;
    for (const item of page.Items ?? []) {
      if (signal.aborted) return count;
      // On condition, since the pipeline may have given it a later time since it was read.
      const removal = new DeleteItemCommand({
        ...expired,
        Key: keyOf(item, timeToLive.keys),
        ConditionExpression: condition,
      });
      try {
        await client.send(removal);
        count += 1;
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'ConditionalCheckFailedException') throw error;
      }
    }
  }
  return count;
}

function keyOf(
  item: Readonly<Record<string, AttributeValue>>,
  keys: readonly string[],
): Record<string, AttributeValue> {
  return Object.fromEntries(Object.entries(item).filter(([name]) => keys.includes(name)));
}
