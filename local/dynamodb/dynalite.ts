import type { IncomingMessage, Server, ServerResponse } from 'node:http';
// @ts-expect-error dynalite comes without types.
import dynalite from 'dynalite';
// @ts-expect-error dynalite comes without types.
import untypedStore from 'dynalite/db/index.js';
// @ts-expect-error dynalite comes without types.
import deleteItem from 'dynalite/validations/deleteItem.js';
// @ts-expect-error dynalite comes without types.
import untypedRequests from 'dynalite/validations/index.js';
// @ts-expect-error dynalite comes without types.
import putItem from 'dynalite/validations/putItem.js';
// @ts-expect-error dynalite comes without types.
import scan from 'dynalite/validations/scan.js';
// @ts-expect-error dynalite comes without types.
import updateItem from 'dynalite/validations/updateItem.js';
import { type Condition, compares, holds, type Item, type Value } from './condition.ts';
import { asOneChange, type Change } from './update.ts';

/** The server of dynalite, with what it answers otherwise than DynamoDB set right, and what it leaves out without a word refused. */
export function createDynalite(options: object): Server {
  const server = dynalite(options) as Server;
  const [answer] = server.listeners('request');
  server.removeAllListeners('request').on('request', (request: IncomingMessage, response: ServerResponse) => {
    const operation = String(request.headers['x-amz-target'] ?? '').split('.')[1];
    if (operation === undefined || operations.has(operation)) answer?.call(server, request, response);
    else refuseOperation(operation, { request, response });
  });
  return server;
}

/** dynalite's own check names neither what it does not know nor what it knows. */
const operations: ReadonlySet<string> = new Set([
  'BatchGetItem',
  'BatchWriteItem',
  'CreateTable',
  'DeleteItem',
  'DeleteTable',
  'DescribeTable',
  'DescribeTimeToLive',
  'GetItem',
  'ListTables',
  'ListTagsOfResource',
  'PutItem',
  'Query',
  'Scan',
  'TagResource',
  'UntagResource',
  'UpdateItem',
  'UpdateTable',
]);

function refuseOperation(
  operation: string,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): void {
  request.resume();
  const message = `The embedded DynamoDB has no ${operation}. It has ${[...operations].join(', ')}.`;
  response.statusCode = 400;
  response.setHeader('content-type', 'application/x-amz-json-1.0');
  response.end(JSON.stringify({ __type: 'com.amazon.coral.service#UnknownOperationException', message }));
}

/** The functions of dynalite's modules that are replaced below: it calls them by their modules, so whoever replaces one is called. */
interface Store {
  create: (options: object) => { readonly db: Walked };
  validateItem: (item: Item, table: Table) => Fault | null | undefined;
  validateKey: (key: Item, table: Table, ...rest: readonly unknown[]) => Fault | null | undefined;
  checkConditional: (request: Request, item: Item | undefined) => Fault | null | undefined;
  queryTable: (store: unknown, table: unknown, request: Request, ...rest: readonly unknown[]) => void;
  itemSize: (item: Item, isCompressed?: boolean, ...rest: readonly unknown[]) => number;
  compare: (operator: string, value: Value | undefined, others: Value | Value[]) => boolean;
  readonly mapPaths: (paths: readonly unknown[], item: Item) => Item;
  readonly validationError: (message: string) => Fault;
}

/** The store under dynalite, which walks it by what these give. */
type Walked = Record<'keys' | 'values', (range: object) => { readonly close: () => Promise<void> }>;

type Fault = Error & { body: object };

type KeySchema = readonly { readonly AttributeName: string; readonly KeyType: 'HASH' | 'RANGE' }[];

interface Index {
  readonly IndexName: string;
  readonly KeySchema: KeySchema;
}

interface Table {
  readonly KeySchema: KeySchema;
  readonly GlobalSecondaryIndexes?: readonly Index[];
  readonly LocalSecondaryIndexes?: readonly Index[];
}

interface Request {
  readonly ReturnValuesOnConditionCheckFailure?: string;
  readonly Select?: string;
  readonly AttributesToGet?: readonly string[];
  readonly _condition?: { readonly expression: Condition };
  readonly _updates?: { sections: readonly Change[] };
  readonly _filter?: { readonly expression: Condition };
  readonly _projection?: { readonly paths: readonly unknown[] };
}

interface Page {
  readonly Items: readonly Item[];
}

const store = untypedStore as Store;
const requests = untypedRequests as {
  checkTypes: (request: object, types: object) => object;
  checkValidations: (...args: readonly unknown[]) => void;
};
const { create, validateItem, validateKey, queryTable, itemSize } = store;
const { checkTypes, checkValidations } = requests;

/**
 * dynalite ends a walk by the iterator's `return`, which those of its store do not have. One that stays open keeps all that is replaced
 * or removed later, on the disk and in memory.
 */
store.create = (options) => {
  const created = create(options);
  for (const walk of ['keys', 'values'] as const) {
    const open = created.db[walk].bind(created.db);
    created.db[walk] = (range) => {
      const iterator = open(range);
      return Object.assign(iterator, { return: () => iterator.close() });
    };
  }
  return created;
};

for (const { types } of [putItem, updateItem, deleteItem])
  types.ReturnValuesOnConditionCheckFailure = { type: 'String', enum: ['ALL_OLD', 'NONE'] };
// Every read of dynalite is consistent.
scan.types.ConsistentRead = 'Boolean';

/** Of before there were expressions, and compared by rules that dynalite does not keep to where values are lists, maps or empty. */
const legacyParameters: ReadonlySet<string> = new Set(['Expected', 'ConditionalOperator', 'QueryFilter', 'ScanFilter']);

/** What dynalite does not know it drops, and then does something else than it was asked for. */
requests.checkTypes = (request, types) => {
  for (const [name, value] of Object.entries(request)) {
    if (value === null) continue;
    if (!Object.hasOwn(types, name)) throw store.validationError(`The embedded DynamoDB does not know ${name}.`);
    if (legacyParameters.has(name))
      throw store.validationError(
        `The embedded DynamoDB does not take ${name}, which is of before there were expressions. Use a ConditionExpression or FilterExpression.`,
      );
  }
  return readable(() => checkTypes(request, types));
};

requests.checkValidations = (...args) => readable(() => checkValidations(...args));

/** A null where dynalite looks for more would end the process: it throws what is no answer, where nobody can catch it. */
function readable<Result>(check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    if (error instanceof Error && 'statusCode' in error) throw error;
    throw store.validationError(`The request cannot be read: ${error instanceof Error ? error.message : error}.`);
  }
}

/** It is asked between reading the item and changing it. */
store.checkConditional = ({ _condition, _updates, ReturnValuesOnConditionCheckFailure }, item) => {
  if (_updates !== undefined) _updates.sections = asOneChange(_updates.sections, item ?? {});
  if (_condition === undefined || holds(_condition.expression, item ?? {})) return null;
  const message = 'The conditional request failed';
  const isShown = ReturnValuesOnConditionCheckFailure === 'ALL_OLD' && item !== undefined;
  return Object.assign(new Error(message), {
    statusCode: 400,
    body: {
      __type: 'com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException',
      message,
      ...(isShown && { Item: item }),
    },
  });
};

/** A page is cut before it is filtered, and projected afterwards. */
store.queryTable = (...args) => {
  const [kept, table, request, ...rest] = args;
  const { _filter, _projection, Select, AttributesToGet, ...unfiltered } = request;
  if (_filter === undefined) return queryTable(...args);
  const respond = rest.pop() as (error: unknown, page?: object) => void;
  const paths = _projection?.paths ?? AttributesToGet;
  queryTable(kept, table, unfiltered, ...rest, (error: unknown, page: Page) => {
    if (error) return respond(error);
    const { Items, ...others } = page;
    const found = Items.filter((item) => holds(_filter.expression, item));
    const shown = paths === undefined ? found : found.map((item) => store.mapPaths(paths, item));
    respond(null, { ...others, Count: found.length, ...(Select === 'COUNT' ? undefined : { Items: shown }) });
  });
};

/** dynalite compares texts by UTF-16 and bytes as texts, as for the key from which a query goes on. */
store.compare = (operator, value, others) => compares(operators[operator] ?? operator, value, [others].flat());

/** As they were called before there were expressions. */
const operators: Readonly<Record<string, string>> = {
  EQ: '=',
  LE: '<=',
  LT: '<',
  GE: '>=',
  GT: '>',
  BETWEEN: 'between',
  BEGINS_WITH: 'begins_with',
};

/** dynalite counts characters. Whoever relies on that has an item that AWS refuses. */
store.validateItem = (item, table) => validateItem(item, table) ?? refuseKeys(item, table);
store.validateKey = (key, table, ...rest) => validateKey(key, table, ...rest) ?? refuseKey(key, table.KeySchema);
store.itemSize = (item, isCompressed, ...rest) =>
  isCompressed ? itemSize(item, isCompressed, ...rest) : sizeOfItem(item);

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html */
const keyBytesMax = { HASH: 2_048, RANGE: 1_024 };

function refuseKeys(item: Item, table: Table): Fault | undefined {
  const { GlobalSecondaryIndexes = [], LocalSecondaryIndexes = [] } = table;
  for (const { KeySchema } of [table, ...GlobalSecondaryIndexes, ...LocalSecondaryIndexes]) {
    const fault = refuseKey(item, KeySchema);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** An item may be without an index's key, and is then not in the index. */
function refuseKey(item: Item, schema: KeySchema): Fault | undefined {
  for (const { AttributeName, KeyType } of schema) {
    const value = item[AttributeName];
    if (value === undefined || value.N !== undefined) continue;
    const bytes = sizeOfValue(value);
    if (bytes === 0 || bytes > keyBytesMax[KeyType])
      return store.validationError(
        `One or more parameter values were invalid: the key ${AttributeName} has ${bytes} bytes, and 1 to ${keyBytesMax[KeyType]} are allowed.`,
      );
  }
  return undefined;
}

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html */
function sizeOfItem(item: Item): number {
  return Object.entries(item).reduce((bytes, [name, value]) => bytes + Buffer.byteLength(name) + sizeOfValue(value), 0);
}

function sizeOfValue({ S, N, B, SS, NS, BS, L, M }: Value): number {
  if (S !== undefined) return Buffer.byteLength(S);
  if (N !== undefined) return sizeOfNumber(N);
  if (B !== undefined) return Buffer.byteLength(B, 'base64');
  if (SS !== undefined) return total(SS, (text) => Buffer.byteLength(text));
  if (NS !== undefined) return total(NS, sizeOfNumber);
  if (BS !== undefined) return total(BS, (text) => Buffer.byteLength(text, 'base64'));
  // Each element and each pair takes a byte of its own.
  if (L !== undefined) return 3 + total(L, (value) => 1 + sizeOfValue(value));
  if (M !== undefined) return 3 + Object.keys(M).length + sizeOfItem(M);
  return 1;
}

function sizeOfNumber(text: string): number {
  const digits = text
    .replace('-', '')
    .replace(/^0*\.?0*/, '')
    .replace('.', '')
    .replace(/0+$/, '');
  return 1 + Math.ceil(digits.length / 2) + (text.startsWith('-') ? 1 : 0);
}

function total<Element>(elements: readonly Element[], size: (element: Element) => number): number {
  return elements.reduce((bytes, element) => bytes + size(element), 0);
}
