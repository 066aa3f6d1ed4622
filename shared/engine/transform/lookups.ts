import type { StandardSchemaV1 } from '@standard-schema/spec';
import { describeIssues, messageOf } from '#shared/engine/decode/decode.ts';
import type { EnrichBinding } from '#shared/pipeline/enrich.ts';
import {
  keyOfLookupItem,
  type LookupItem,
  type LookupKey,
  type LookupTableSpec,
  lookupKeyOf,
  readColumnsOf,
  textOfLookupKey,
} from '#shared/schemas/lookup.ts';
import { Refusal } from './refusal.ts';

/** What was looked up. The engine asks for it, and never waits: what is not there yet is fetched before the records are taken again. */
export interface Lookups {
  /** Undefined: it was not looked up yet. */
  readonly find: (table: LookupTableSpec, key: LookupKey) => LookedUp | undefined;
}

/** What a table has under a key; `too-large`: something, of which too much was looked up at once. */
export class LookedUp {
  readonly item: LookupItem | undefined | 'too-large';
  /** It is checked once for all records that look it up. */
  #schema: StandardSchemaV1 | undefined;
  #checked: { readonly value: unknown } | { readonly refusal: string } = { value: undefined };

  constructor(item: LookupItem | undefined | 'too-large') {
    this.item = item;
  }

  /** The item as a schema gives it. */
  check(schema: StandardSchemaV1): { readonly value: unknown } | { readonly refusal: string } {
    if (this.item === undefined || this.item === 'too-large') return { value: undefined };
    if (this.#schema !== schema) {
      this.#checked = checked(schema, this.item);
      this.#schema = schema;
    }
    return this.#checked;
  }
}

/**
 * The item of a record, undefined within where the table has none; undefined when it was not looked up yet. A pure function of the record and of
 * what was looked up. Throws a `Refusal` for a key or an item that cannot be used.
 */
export function lookUp(
  { key: select, table, schema }: EnrichBinding,
  lookups: Lookups,
  record: unknown,
): { readonly value: unknown } | undefined {
  const columns = select(record);
  if (columns === undefined) return nothing;
  let key: LookupKey;
  try {
    key = lookupKeyOf(table, columns);
  } catch (error) {
    throw new Refusal('invalid', messageOf(error));
  }
  const found = lookups.find(table, key);
  if (found === undefined) return undefined;
  if (found.item === 'too-large')
    throw new Refusal(
      'too-large',
      `the items that were looked up for it are too many or too large, that of table ${table.name} under ${textOfLookupKey(key)} among them; name the columns that are wanted, or put fewer records into one`,
    );
  const result = found.check(schema);
  if ('value' in result) return result;
  throw new Refusal(
    'invalid',
    `the item of table ${table.name} under ${textOfLookupKey(key)} does not fit its schema: ${result.refusal}`,
  );
}

const nothing = { value: undefined };

function checked(schema: StandardSchemaV1, item: LookupItem): ReturnType<LookedUp['check']> {
  const result = schema['~standard'].validate(item);
  if ('then' in result) {
    // Nobody waits for it, and its rejection would end the process.
    result.then(undefined, () => {});
    return { refusal: 'it validates asynchronously; use a schema without asynchronous checks' };
  }
  return result.issues === undefined ? { value: result.value } : { refusal: describeIssues(result.issues) };
}

/** Lookups in tables that are there and do not change. Throws an Error that says which item has no key. */
export function lookupsInTables(
  tables: readonly { readonly spec: LookupTableSpec; readonly items: readonly LookupItem[] }[],
): Lookups {
  const byTable = new Map(
    tables.map(({ spec, items }) => [
      spec.name,
      new Map(
        items.map((item) => [textOfLookupKey(keyOfLookupItem(spec, item)), new LookedUp(readColumnsOf(spec, item))]),
      ),
    ]),
  );
  return { find: ({ name }, key) => byTable.get(name)?.get(textOfLookupKey(key)) ?? absent };
}

const absent = new LookedUp(undefined);
