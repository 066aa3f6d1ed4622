import { describe, expect, test } from 'vitest';
import type { LookupTables } from '#shared/ports/lookup-tables.ts';
import type { LookupItem, LookupTableSpec } from '#shared/schemas/lookup.ts';

/** Of the tables `users`, by text, and `prices`, by text and number. */
export const lookupTableSpecs = {
  users: { name: 'users', key: [{ name: 'id', type: 'string' }] },
  prices: {
    name: 'prices',
    key: [
      { name: 'item', type: 'string' },
      { name: 'year', type: 'number' },
    ],
  },
} as const satisfies Record<string, LookupTableSpec>;

/** What every LookupTables must do. `put` puts items into one of the tables, which are empty at first. */
export function lookupTablesContract(
  name: string,
  open: () => Promise<{
    readonly tables: LookupTables;
    readonly put: (spec: LookupTableSpec, items: readonly LookupItem[]) => Promise<void>;
  }>,
): void {
  describe(name, () => {
    const { users, prices } = lookupTableSpecs;

    test('items are given in the order of their keys, and nothing where there is none', async () => {
      const { tables, put } = await open();
      await put(users, [
        { id: 'ann', plan: 'gold' },
        { id: 'bob', plan: 'tin' },
      ]);
      expect(await tables.read(users, [['bob'], ['cid'], ['ann']])).toEqual([
        { id: 'bob', plan: 'tin' },
        undefined,
        { id: 'ann', plan: 'gold' },
      ]);
      expect(await tables.read(users, [])).toEqual([]);
    });

    test('a sort key and a number tell items apart', async () => {
      const { tables, put } = await open();
      const items = [
        { item: 'tea', year: 2025, cents: 250 },
        { item: 'tea', year: 2026.5, cents: 300 },
        { item: 'tea', year: -1e21, cents: 1 },
      ];
      await put(prices, items);
      const keys = [
        ['tea', 2026.5],
        ['tea', 2025],
        ['tea', -1e21],
        ['tea', 2024],
      ];
      expect((await tables.read(prices, keys)).map((item) => item?.['cents'])).toEqual([300, 250, 1, undefined]);
    });

    test('more keys than a request takes are all read', async () => {
      const { tables, put } = await open();
      const items = Array.from({ length: 230 }, (_, at) => ({ id: `user-${at}`, at }));
      await put(users, items);
      expect(
        await tables.read(
          users,
          items.toReversed().map(({ id }) => [id]),
        ),
      ).toEqual(items.toReversed());
    });

    test('an item has what JSON has', async () => {
      const { tables, put } = await open();
      const item = {
        id: 'x',
        text: 'ä',
        number: -1.5,
        no: false,
        none: null,
        list: [1, 'a', [null]],
        map: { a: { b: 1 } },
      };
      await put(users, [item]);
      expect(await tables.read(users, [['x']])).toEqual([item]);
    });

    test('of an item only the columns that are wanted are read, and its key', async () => {
      const { tables, put } = await open();
      await put(users, [{ id: 'ann', name: 'Ann', plan: 'gold' }]);
      expect(await tables.read({ ...users, columns: ['name', 'missing'] }, [['ann']])).toEqual([
        { id: 'ann', name: 'Ann' },
      ]);
    });

    test('what is written later is read later', async () => {
      const { tables, put } = await open();
      await put(users, [{ id: 'ann', plan: 'gold' }]);
      await tables.read(users, [['ann']]);
      await put(users, [{ id: 'ann', plan: 'tin' }]);
      expect(await tables.read(users, [['ann']])).toEqual([{ id: 'ann', plan: 'tin' }]);
    });
  });
}
