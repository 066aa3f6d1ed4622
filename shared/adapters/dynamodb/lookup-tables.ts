import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Clock } from '#shared/ports/clock.ts';
import type { LookupTables } from '#shared/ports/lookup-tables.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import {
  keyOfLookupItem,
  type LookupItem,
  type LookupKey,
  type LookupTableSpec,
  textOfLookupKey,
} from '#shared/schemas/lookup.ts';
import { toAttribute } from './attribute-value.ts';
import { readItems, writeItems } from './batch.ts';
import type { Item } from './item.ts';

/** Somebody else's tables in DynamoDB: strongly consistent reads, in batches. */
export function createDynamoDbLookupTables(options: {
  readonly client: DynamoDBClient;
  readonly clock: Clock;
  readonly random?: () => number;
}): LookupTables {
  return {
    read: async (spec, keys) => {
      const [first] = keys;
      if (first === undefined) return [];
      const columns = spec.columns && [...new Set([...spec.key.map(({ name }) => name), ...spec.columns])];
      const what = `BatchGetItem of ${keys.length} keys, ${describe(spec, first)} the first of them,`;
      const read = await readItems(
        { ...options, table: spec.name },
        keys.map((key) => attributesOf(spec, key)),
        { columns, what },
      );
      const items = read.map(lookupItemOf);
      const byKey = new Map(items.map((item) => [textOfLookupKey(keyOfLookupItem(spec, item)), item]));
      return keys.map((key) => byKey.get(textOfLookupKey(key)));
    },
  };
}

/** Puts items into a table, the last of those that have one key. Throws `INPUT_INVALID` for one without a key. */
export async function writeLookupItems(
  options: { readonly client: DynamoDBClient; readonly clock: Clock },
  spec: LookupTableSpec,
  items: readonly LookupItem[],
): Promise<void> {
  const byKey = new Map<string, Item>();
  for (const item of items) {
    try {
      byKey.set(textOfLookupKey(keyOfLookupItem(spec, item)), toAttribute(item)?.M ?? {});
    } catch (error) {
      throw new MillraceError('INPUT_INVALID', `an item has no key: ${(error as Error).message}.`, { cause: error });
    }
  }
  await writeItems({ ...options, table: spec.name }, [...byKey.values()]);
}

function describe({ key }: LookupTableSpec, values: LookupKey): string {
  return JSON.stringify(Object.fromEntries(key.map(({ name }, at) => [name, values[at]])));
}

function attributesOf({ key }: LookupTableSpec, values: LookupKey): Item {
  return Object.fromEntries(
    key.map(({ name, type }, at) => [name, type === 'number' ? { N: String(values[at]) } : { S: String(values[at]) }]),
  );
}

/** An item as JSON. Items of others hold what ours do not: sets, which become lists, and bytes, which become base64. */
function lookupItemOf(item: Item): LookupItem {
  return Object.fromEntries(Object.entries(item).map(([name, attribute]) => [name, jsonOf(attribute)]));
}

function jsonOf(attribute: AttributeValue): unknown {
  if (attribute.S !== undefined) return attribute.S;
  if (attribute.N !== undefined) return Number(attribute.N);
  if (attribute.BOOL !== undefined) return attribute.BOOL;
  if (attribute.SS !== undefined) return attribute.SS;
  if (attribute.NS !== undefined) return attribute.NS.map(Number);
  if (attribute.B !== undefined) return base64(attribute.B);
  if (attribute.BS !== undefined) return attribute.BS.map(base64);
  if (attribute.L !== undefined) return attribute.L.map(jsonOf);
  return attribute.M === undefined ? null : lookupItemOf(attribute.M);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
