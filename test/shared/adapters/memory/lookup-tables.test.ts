import { expect, test } from 'vitest';
import { createMemoryLookupTables } from '#shared/adapters/memory/lookup-tables.ts';
import { lookupTableSpecs, lookupTablesContract } from '#test/contracts/lookup-tables.ts';

const specs = Object.values(lookupTableSpecs);

lookupTablesContract('lookup tables in memory:', async () => {
  const tables = createMemoryLookupTables(specs);
  return {
    tables,
    put: async ({ name }, items) => {
      for (const item of items) tables.put(name, item);
    },
  };
});

test('an item that is removed is gone', async () => {
  const tables = createMemoryLookupTables(specs);
  tables.put('users', { id: 'ann' });
  tables.remove('users', { id: 'ann' });
  tables.remove('users', { id: 'bob' });
  expect(await tables.read(lookupTableSpecs.users, [['ann']])).toEqual([undefined]);
});

test('an item without a key, and one of another table, are refused with the reason', () => {
  const tables = createMemoryLookupTables(specs);
  expect(() => tables.put('users', { name: 'Ann' })).toThrow(
    'the key of table users: column id is undefined and must be a string',
  );
  expect(() => tables.put('user', { id: 'ann' })).toThrow(
    'nothing is looked up in table user; it is in users, prices.',
  );
  expect(() => tables.remove('users', { id: 'ann', at: 1 })).toThrow('has no column at; it is id');
});
