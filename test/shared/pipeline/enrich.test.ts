import { describe, expect, test } from 'vitest';
import { contractOf } from '#shared/pipeline/contract.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import {
  type AnyOutput,
  count,
  lookupTable,
  minutes,
  type Stream,
  seconds,
  tumbling,
  union,
} from '#shared/pipeline/index.ts';
import { describePlan, drawPlan } from '#shared/pipeline/plan-text.ts';
import { hasCode } from '#shared/schemas/error.ts';
import { pipelineOf, type Reading, readingSchema, readings, sink } from '../readings.ts';

const users = lookupTable('users', { key: { id: 'string' }, schema: readingSchema });

interface Change {
  readonly table?: ReturnType<typeof lookupTable<typeof readingSchema, { id: 'string' }>>;
  readonly freshness?: ReturnType<typeof minutes>;
  readonly itemsMax?: number;
}

function enriched(
  { table = users, freshness = minutes(5), ...rest }: Change = {},
  source: Stream<Reading> = readings(),
) {
  return source.enrich(table, { key: ({ key }) => ({ id: key }), freshness, ...rest }, (reading) => reading);
}

function counted(source: ReturnType<typeof enriched>, name = 'step'): AnyOutput {
  return source
    .keyBy(({ key }) => ({ key }))
    .window(tumbling(seconds(1)), { allowedLateness: seconds(0), emit: 'on-close' })
    .aggregate(name, { n: count<Reading>() })
    .to(sink);
}

function messageOf(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    expect(hasCode(error, 'PIPELINE_INVALID')).toBe(true);
    return (error as Error).message;
  }
  return 'nothing was thrown';
}

describe('an enrichment is refused', () => {
  const tableOf = (name: string, key: object, columns?: readonly string[]) =>
    lookupTable(name, { key, schema: readingSchema, ...(columns && { columns }) } as never) as typeof users;

  test.each<[string, Change, string]>([
    ['of a table with no name of a table', { table: tableOf('us', { id: 'string' }) }, 'a name has 3 to 255 letters'],
    ['of a table without a key', { table: tableOf('users', {}) }, 'has a key of 0 columns'],
    [
      'of a table with a key of three columns',
      { table: tableOf('users', { a: 'string', b: 'string', c: 'string' }) },
      'has a key of 3 columns',
    ],
    ['of a key of another type', { table: tableOf('users', { id: 'boolean' }) }, 'key column id of type "boolean"'],
    ['with a column without a name', { table: tableOf('users', { id: 'string' }, ['']) }, 'a column without a name'],
    ['with a freshness below nothing', { freshness: seconds(-1) }, 'takes items of up to -1000 ms'],
    ['that keeps no items', { itemsMax: 0 }, 'keeps 0 items; itemsMax must be a whole number from 1 to 1000000'],
  ])('%s', (_, change, reason) => {
    const message = messageOf(() => pipelineOf([counted(enriched(change))]));
    expect(message).toContain('the enrichment of readings with table');
    expect(message).toContain(reason);
  });

  test('of rows of a step, which are made again long after', () => {
    const rows = readings()
      .keyBy(({ key }) => ({ key }))
      .window(tumbling(seconds(1)), { allowedLateness: seconds(0), emit: 'on-close' })
      .aggregate('first', { at: count<Reading>() })
      .asStream();
    const again = rows.enrich(users, { key: ({ key }) => ({ id: key }), freshness: minutes(1) }, (row) => row);
    const output = again.select('again', { key: ({ key }) => key }).to(sink);
    expect(messageOf(() => pipelineOf([output]))).toContain('takes rows of step first');
  });

  test('of a table that another one says to be of another form', () => {
    const other = tableOf('users', { id: 'string' }, ['plan']);
    expect(messageOf(() => pipelineOf([counted(enriched({ table: other }, enriched()))]))).toContain(
      'is of a table that readings/enrich says to have another key or other columns',
    );
  });
});

test('of several enrichments with one table the shortest freshness and the most items hold', () => {
  const twice = enriched({ freshness: minutes(1), itemsMax: 7 }, enriched({ freshness: minutes(9), itemsMax: 20 }));
  expect(lookupTablesOf(pipelineOf([counted(twice)]).plan)).toEqual([
    { spec: { name: 'users', key: [{ name: 'id', type: 'string' }] }, freshnessMs: 60_000, itemsMax: 20 },
  ]);
});

test('a source asks only for the tables that its own records are looked up in, behind a union too', () => {
  const other = lookupTable('others', { key: { id: 'string' }, schema: readingSchema });
  const [a, b] = [readings({ name: 'a' }), readings({ name: 'b' })];
  const both = union(a, enriched({}, b)).enrich(
    other,
    { key: ({ key }) => ({ id: key }), freshness: minutes(1) },
    (reading) => reading,
  );
  const plain = readings({ name: 'c' });
  const { plan } = pipelineOf([counted(both), counted(plain, 'plain')]);
  const names = ['a', 'b', 'c', undefined].map((source) => lookupTablesOf(plan, source).map(({ spec }) => spec.name));
  expect(names).toEqual([['others'], ['users', 'others'], [], ['users', 'others']]);
});

test('the plan says what is looked up, how old it may be, and what that costs', () => {
  const { plan, planHash } = pipelineOf([counted(enriched())]);
  const lines = describePlan(plan, planHash);
  const at = lines.indexOf('table users');
  expect(lines.slice(at, at + 3)).toEqual([
    'table users',
    '  items by id: all attributes; kept for up to 5 min, 10000 of them in each process',
    '  read in batches of up to 100 where they are not kept: a read unit for 4 KB; what was found is written for each batch: a write unit for 1 KB',
  ]);
  expect(drawPlan(plan)).toContain('  n1t[("users")] -.-> n1');
});

test('the table is named in the contract, and state goes on when another one is looked up', () => {
  const [step] = contractOf(pipelineOf([counted(enriched())]).plan).steps;
  expect(step?.free['input']).toEqual(['readings > enrich by users > key']);
  const other = lookupTable('others', { key: { id: 'string' }, schema: readingSchema });
  const [changed] = contractOf(pipelineOf([counted(enriched({ table: other }))]).plan).steps;
  expect(changed?.state).toEqual(step?.state);
});

test('a table is not asked for by a pipeline that looks nothing up', () => {
  const plain = readings()
    .select('rows', { at: ({ at }) => at })
    .to(sink);
  expect(lookupTablesOf(pipelineOf([plain]).plan)).toEqual([]);
});
