import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type AnyOutput, lookupTable, milliseconds, type Stream, seconds, tumbling } from '#shared/pipeline/index.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';
import type { Random } from '#shared/testing/random.ts';
import { columns, kept, type SimValue, shares, sink } from './records.ts';

// A pipeline whose records are looked up in a table that changes all the while.

/** What the table says of a key: under which key its records are counted, and what else becomes of them. */
interface SimItem {
  readonly key: string;
  readonly version: number;
  readonly group: string;
  readonly does: 'nothing' | 'blocks' | 'doubles' | 'throws';
}

const schema: StandardSchemaV1<SimItem, SimItem> = {
  '~standard': {
    version: 1,
    vendor: 'simulation',
    validate: (value) =>
      typeof (value as Partial<SimItem>).version === 'number'
        ? { value: value as SimItem }
        : { issues: [{ message: 'not an item of the simulation' }] },
  },
};

const groups = lookupTable('groups', { key: { key: 'string' }, schema });
/** The same, whatever an item is. */
const anyGroups = lookupTable('groups', {
  key: { key: 'string' },
  schema: {
    '~standard': { ...schema['~standard'], validate: (value) => ({ value: value as SimItem }) },
  } as typeof schema,
});

/** How old an item may be. */
export const freshnessMs = 400;

/** Looks up what is found again, so that the second key is a matter of the first item. */
export function enriched(source: Stream<SimValue>): readonly AnyOutput[] {
  const options = { freshness: milliseconds(freshnessMs), itemsMax: 3 };
  const looked = source
    .enrich(
      groups,
      { ...options, key: ({ key, amount }) => (amount % 9 === 4 ? undefined : { key }) },
      (record, item) => {
        if (item?.does === 'throws') throw new Error(`record ${record.id} has an item that breaks it`);
        return { ...record, group: item?.group ?? 'none', does: item?.does, versions: [item?.version ?? 0] };
      },
    )
    .enrich(groups, { ...options, key: ({ group }) => ({ key: group }) }, (record, item) => ({
      ...record,
      key: item?.group ?? record.group,
      versions: [...record.versions, item?.version ?? 0],
    }))
    .filter(({ does }) => does !== 'blocks')
    .flatMap((record) => (record.does === 'doubles' ? [record, { ...record, id: record.id + 10_000 }] : [record]));
  // Where a record was counted, and by which items.
  const keyed = kept(
    looked.map((record) => ({ ...record, amount: record.amount + record.versions.reduce((a, b) => a + b, 0) })),
  ).keyBy(({ key }) => ({ key }));
  const window = tumbling(seconds(10));
  const options10 = { allowedLateness: seconds(0), refresh: milliseconds(1) };
  return [
    keyed.window(window, options10).aggregate('on-lambda', columns).derive(shares).to(sink),
    keyed
      .window(window, { ...options10, placement: 'fargate' })
      .aggregate('on-worker', columns)
      .derive(shares)
      .to(sink),
    keyed.select('rows', { id: (record) => record.id, amount: (record) => record.amount }).to(sink),
  ];
}

/** What the tables hold where they do not change. */
export const stillTables: Readonly<Record<string, readonly LookupItem[]>> = {
  groups: [
    { key: 'a', version: 1, group: 'b', does: 'nothing' },
    { key: 'b', version: 2, group: 'a', does: 'doubles' },
    { key: 'c', version: 3, group: 'e', does: 'blocks' },
    { key: 'e', version: 'none' },
  ],
};

/** The same records by what the table says of their keys, and, where there is more, by what it says of their tags, which other code asks for. */
export function enrichedAnew(source: Stream<SimValue>, more: boolean): readonly AnyOutput[] {
  const options = { freshness: milliseconds(freshnessMs), itemsMax: 3 };
  const countedBy = (
    name: string,
    table: typeof groups,
    placement: 'lambda' | 'fargate',
    keyOf: (record: SimValue) => string,
  ) =>
    kept(
      source.enrich(table, { ...options, key: (record) => ({ key: keyOf(record) }) }, (record, item) => ({
        ...record,
        key: item?.group ?? record.key,
      })),
    )
      .keyBy(({ key }) => ({ key }))
      .window(tumbling(seconds(10)), { allowedLateness: seconds(0), refresh: milliseconds(1), placement })
      .aggregate(name, columns)
      .derive(shares)
      .to(sink);
  const stays = [
    countedBy('stays', groups, 'lambda', ({ key }) => key),
    countedBy('stays-too', groups, 'fargate', ({ key }) => key),
  ];
  return more ? [countedBy('more', anyGroups, 'lambda', ({ tags }) => tags[0] ?? 'a'), ...stays] : stays;
}

/** A new version of an item, or none any more. */
export function drawItem(
  random: Random,
  keys: readonly string[],
  version: number,
): { readonly key: string; readonly item: LookupItem | undefined } {
  const key = random.pick(keys);
  if (random.chance(0.1)) return { key, item: undefined };
  if (random.chance(0.05)) return { key, item: { key, version: 'none' } };
  const does = random.pick(['nothing', 'nothing', 'nothing', 'blocks', 'doubles', 'throws']);
  return { key, item: { key, version, group: random.pick(keys), does } };
}
