import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LocalStack } from '#local/stack.ts';

/** What AWS would bill a stack for, counted at the doors of the embedded AWS, which run in this process. */
export interface Meter {
  readonly dynamodbRequests: number;
  /** 1 KB of an item each, rounded up; a write into the index is one more. Refused conditional writes are billed too. */
  readonly writeUnits: number;
  /** Of `writeUnits`, those of the index. */
  readonly indexWriteUnits: number;
  readonly kinesisRequests: number;
  /** 25 KB of a record each, rounded up. */
  readonly rawPutUnits: number;
  readonly exchangePutUnits: number;
}

type Attribute = { readonly [type: string]: unknown };
type Item = Readonly<Record<string, Attribute>>;

/** Counts from now on. `onRow` hears of each row when its write is answered, with the key column `ip`. */
export function startMeter(stack: LocalStack, onRow: (ip: string, atMs: number) => void): Readonly<Meter> {
  const meter = {
    dynamodbRequests: 0,
    writeUnits: 0,
    indexWriteUnits: 0,
    kinesisRequests: 0,
    rawPutUnits: 0,
    exchangePutUnits: 0,
  };
  stack.kinesis.onChange((change) => {
    if (change.kind !== 'records-put') return;
    const units = change.records.reduce(
      (sum, { record }) => sum + Math.ceil((record.data.length + record.partitionKey.length) / putUnitBytes),
      0,
    );
    if (change.streamName === stack.exchangeStream) meter.exchangePutUnits += units;
    else meter.rawPutUnits += units;
  });
  const count = (target: string, body: Body, statusCode: number): void => {
    meter.dynamodbRequests += 1;
    const isRefused = statusCode !== 200;
    for (const [table, item] of itemsOf(target, body)) {
      const units = Math.ceil(sizeOf(item) / writeUnitBytes);
      meter.writeUnits += units;
      if (table !== stack.resultsTable || item['window'] === undefined || isRefused) continue;
      // The index projects everything, and its keys never change.
      meter.writeUnits += units;
      meter.indexWriteUnits += units;
      onRow(String(item['ip']?.['S']), Date.now());
    }
  };
  const dynamodbPort = Number(new URL(stack.endpoints.dynamodb).port);
  const kinesisPort = Number(new URL(stack.endpoints.kinesis).port);
  subscribe('http.server.request.start', (message) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    if (request.socket.localPort === kinesisPort) meter.kinesisRequests += 1;
    if (request.socket.localPort !== dynamodbPort) return;
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    response.once('finish', () =>
      count(
        String(request.headers['x-amz-target']).split('.')[1] ?? '',
        JSON.parse(Buffer.concat(parts).toString('utf8')) as Body,
        response.statusCode,
      ),
    );
  });
  return meter;
}

const putUnitBytes = 25 * 1_024;
const writeUnitBytes = 1_024;

interface Body {
  readonly TableName?: string;
  readonly Item?: Item;
  readonly Key?: Item;
  readonly ExpressionAttributeValues?: Item;
  readonly RequestItems?: Readonly<Record<string, readonly { readonly PutRequest?: { readonly Item: Item } }[]>>;
}

/** What a request writes. An update is taken for its key and its values, which is all that the items of this stack hold. */
function itemsOf(target: string, body: Body): readonly (readonly [table: string, item: Item])[] {
  switch (target) {
    case 'PutItem':
      return [[body.TableName ?? '', body.Item ?? {}]];
    case 'UpdateItem':
      return [[body.TableName ?? '', { ...body.Key, ...body.ExpressionAttributeValues }]];
    case 'BatchWriteItem':
      return Object.entries(body.RequestItems ?? {}).flatMap(([table, requests]) =>
        requests.map(({ PutRequest }) => [table, PutRequest?.Item ?? {}] as const),
      );
    default:
      return [];
  }
}

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html */
function sizeOf(item: Item): number {
  let bytes = 0;
  for (const [name, attribute] of Object.entries(item)) bytes += Buffer.byteLength(name) + sizeOfAttribute(attribute);
  return bytes;
}

function sizeOfAttribute(attribute: Attribute): number {
  const [[type, value] = ['NULL', true]] = Object.entries(attribute);
  switch (type) {
    case 'S':
      return Buffer.byteLength(String(value));
    case 'N':
      return Math.ceil(String(value).replace(/\D/g, '').length / 2) + 1;
    case 'B':
      return Buffer.byteLength(String(value), 'base64');
    case 'M':
      return 3 + sizeOf(value as Item) + Object.keys(value as Item).length;
    case 'L':
      return (value as readonly Attribute[]).reduce((sum, element) => sum + sizeOfAttribute(element) + 1, 3);
    default:
      return 1;
  }
}
