import type { StandardSchemaV1 } from '@standard-schema/spec';
import { MillraceError } from '#shared/schemas/error.ts';
import type { LookupTableSpec } from '#shared/schemas/lookup.ts';
import type { Duration } from './duration.ts';
import { type EnrichPlan, inputIdsOf, type Plan } from './plan.ts';
import { given, givenList, givenOptions, named, shown } from './refuse.ts';
import { originsOf } from './steps.ts';
import type { Stream, StreamNode } from './stream.ts';

/** A DynamoDB table in which items are looked up. The types are those of its items and of its key. */
export interface LookupTable<Item, Key> {
  readonly name: string;
  readonly spec: LookupTableSpec;
  readonly schema: StandardSchemaV1;
  readonly __item?: Item;
  readonly __key?: Key;
}

type KeyTypes = Readonly<Record<string, 'string' | 'number'>>;
type KeyOfTypes<K extends KeyTypes> = { readonly [Column in keyof K]: K[Column] extends 'number' ? number : string };

/**
 * Names a DynamoDB table that somebody else keeps. `key` is its partition key and, behind it, its sort key, if it has one, with their types;
 * `schema` is what an item must be, as JSON: sets are lists, binary values are texts in base64, and a number is a double. `columns` are the
 * attributes that are read beside the key; without it all are, and each is noted for each batch.
 *
 * `const users = lookupTable('users', { key: { id: 'string' }, schema: z.object({ id: z.string(), plan: z.string() }) });`
 */
export function lookupTable<S extends StandardSchemaV1, const K extends KeyTypes>(
  name: string,
  options: { readonly key: K; readonly schema: S; readonly columns?: readonly string[] },
): LookupTable<StandardSchemaV1.InferOutput<S>, KeyOfTypes<K>> {
  const { schema, columns } = givenOptions(
    named('table', name),
    options,
    ['key', 'schema', 'columns'],
    "{ key: { id: 'string' }, schema }",
  );
  if (columns !== undefined) givenList(named('table', name), 'columns', columns, "a list of names, such as ['plan']");
  const keyTypes = given(
    named('table', name),
    'key',
    options.key,
    "its columns with their types, such as { id: 'string' }",
  );
  const key = Object.entries(keyTypes).map(([column, type]) => ({ name: column, type }));
  return { name, schema, spec: { name, key, ...(columns === undefined ? {} : { columns: [...columns] }) } };
}

export interface EnrichOptions<T, Key> {
  /** The key that the record's item has; undefined: there is nothing to look up, and no item. */
  readonly key: (record: T) => Key | undefined;
  /** How old an item may be, on the host's clock, when a record is taken up: so long it is not read again. 0: each batch reads it. */
  readonly freshness: Duration;
  /** How many items of the table a process keeps at most, those that are not there included; fewer when they are large. Default 10,000. */
  readonly itemsMax?: number;
}

/** What a stream offers to be enriched. */
export interface Enriching<T> {
  /**
   * Looks up an item of a DynamoDB table for each record and makes another record of both; `item` is undefined where the table has none. What
   * was found is noted before anything is counted, so a retry finds the same, and a record may be filtered and keyed by it.
   */
  enrich<Item, Key, U>(
    table: LookupTable<Item, Key>,
    options: EnrichOptions<T, NoInfer<Key>>,
    combine: (record: T, item: Item | undefined) => U,
  ): Stream<U>;
}

export interface EnrichNode {
  readonly op: 'enrich';
  readonly input: StreamNode;
  readonly table: LookupTable<unknown, unknown>;
  readonly freshnessMs: number;
  readonly itemsMax: number;
  readonly key: (record: unknown) => Readonly<Record<string, unknown>> | undefined;
  readonly call: (record: unknown, item: unknown) => unknown;
}

/** The callbacks of an enrichment, by its node. */
export interface EnrichBinding extends Pick<EnrichNode, 'op' | 'key' | 'call'> {
  readonly table: LookupTableSpec;
  readonly schema: StandardSchemaV1;
}

const lookupItemsMaxDefault = 10_000;
/** Of a kilobyte each they would take a gigabyte. */
const lookupItemsMaxLimit = 1_000_000;

/** The enrichment of the stream at a node. */
export function enrichingOf<T>(node: StreamNode, streamOf: <U>(node: StreamNode) => Stream<U>): Enriching<T> {
  return {
    enrich: (table, options, combine) => {
      const {
        key,
        freshness,
        itemsMax = lookupItemsMaxDefault,
      } = givenOptions(
        'enrich',
        options,
        ['key', 'freshness', 'itemsMax'],
        '{ key: (record) => ({ id: record.user }), freshness: minutes(1) }',
      );
      given('enrich', 'table', table?.spec, 'one that lookupTable has made');
      return streamOf({
        op: 'enrich',
        input: node,
        table,
        freshnessMs: freshness,
        itemsMax,
        key: key as EnrichNode['key'],
        call: combine as EnrichNode['call'],
      });
    },
  };
}

/** What the plan says of an enrichment, and its callbacks. Throws `PIPELINE_INVALID`; `plan` is what stands before it. */
export function planEnrich(
  pipeline: string,
  node: EnrichNode,
  { id, input, nodes }: { readonly id: string; readonly input: string; readonly nodes: Plan['nodes'] },
): readonly [EnrichPlan, EnrichBinding] {
  const { table, freshnessMs, itemsMax, key, call } = node;
  const where = `${pipeline}: the enrichment of ${input} with table ${shown(table.name)}`;
  const wrong = refuseEnrich(node, nodes);
  if (wrong !== undefined) throw new MillraceError('PIPELINE_INVALID', `${where} ${wrong}`);
  return [
    { op: 'enrich', id, input, table: table.spec, freshnessMs, itemsMax },
    { op: 'enrich', key, call, table: table.spec, schema: table.schema },
  ];
}

function refuseEnrich(node: EnrichNode, nodes: Plan['nodes']): string | undefined {
  const { table, freshnessMs, itemsMax } = node;
  const { name, key, columns = [] } = table.spec;
  if (typeof name !== 'string' || !/^[A-Za-z0-9_.-]{3,255}$/.test(name))
    return 'is of no table that there can be: a name has 3 to 255 letters, digits, hyphens, points and _.';
  if (key.length < 1 || key.length > 2)
    return `has a key of ${key.length} columns; a table has a partition key and perhaps a sort key.`;
  const wrong = key.find(({ type }) => type !== 'string' && type !== 'number');
  if (wrong !== undefined)
    return `has a key column ${wrong.name} of type ${shown(wrong.type)}; use 'string' or 'number'.`;
  if (typeof table.schema?.['~standard']?.validate !== 'function')
    return 'has no schema of its items; give one of a library of Standard Schema, such as zod, or a record({ ... }).';
  if (columns.some((column) => typeof column !== 'string' || column === '')) return 'reads a column without a name.';
  if (!Number.isSafeInteger(freshnessMs) || freshnessMs < 0)
    return `takes items of up to ${shown(freshnessMs)} ms; freshness must be a whole number of at least 0 ms.`;
  if (!Number.isInteger(itemsMax) || itemsMax < 1 || itemsMax > lookupItemsMaxLimit)
    return `keeps ${shown(itemsMax)} items; itemsMax must be a whole number from 1 to ${lookupItemsMaxLimit}.`;
  const step = originsOf(node.input).find(({ isStep }) => isStep);
  if (step !== undefined)
    return `takes rows of step ${step.name}, which are made again from the slot's log, long after, and would find other items then. Enrich the records before they are keyed.`;
  const other = nodes.find(
    (one) => one.op === 'enrich' && one.table.name === name && JSON.stringify(one.table) !== JSON.stringify(table.spec),
  );
  if (other !== undefined)
    return `is of a table that ${other.id} says to have another key or other columns. Name it once and use it twice.`;
  return undefined;
}

/** A table as all enrichments with it want it. */
export interface LookedUpTable {
  readonly spec: LookupTableSpec;
  /** The shortest. */
  readonly freshnessMs: number;
  /** The most. */
  readonly itemsMax: number;
}

/** The tables in which a plan looks items up, each once; those of the records of one source, if it is given. */
export function lookupTablesOf(plan: Plan, source?: string): readonly LookedUpTable[] {
  const tables = new Map<string, LookedUpTable>();
  // Inputs come first.
  const behind = new Set([source]);
  for (const node of plan.nodes) {
    if (inputIdsOf(node).some((input) => behind.has(input))) behind.add(node.id);
    if (node.op !== 'enrich' || (source !== undefined && !behind.has(node.id))) continue;
    const known = tables.get(node.table.name) ?? node;
    tables.set(node.table.name, {
      spec: node.table,
      freshnessMs: Math.min(known.freshnessMs, node.freshnessMs),
      itemsMax: Math.max(known.itemsMax, node.itemsMax),
    });
  }
  return [...tables.values()];
}
