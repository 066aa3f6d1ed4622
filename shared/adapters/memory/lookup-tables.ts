import type { LookupTables } from '#shared/ports/lookup-tables.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import {
  keyOfLookupItem,
  type LookupItem,
  type LookupKey,
  type LookupTableSpec,
  lookupKeyOf,
  readColumnsOf,
  textOfLookupKey,
} from '#shared/schemas/lookup.ts';

/** Tables in memory, whose items may change. */
export interface MemoryLookupTables extends LookupTables {
  /** Puts an item in the place of the one that has its key. Throws `INPUT_INVALID` for an item without a key, or of no table. */
  readonly put: (table: string, item: LookupItem) => void;
  /** Removes the item under a key, if there is one. */
  readonly remove: (table: string, key: Readonly<Record<string, unknown>>) => void;
}

export function createMemoryLookupTables(specs: readonly LookupTableSpec[]): MemoryLookupTables {
  const tables = new Map(specs.map((spec) => [spec.name, { spec, items: new Map<string, string>() }]));
  const tableOf = (name: string) => {
    const table = tables.get(name);
    if (table !== undefined) return table;
    throw new MillraceError(
      'INPUT_INVALID',
      `nothing is looked up in table ${name}; it is in ${[...tables.keys()].join(', ') || 'none'}.`,
    );
  };
  const textOf = (keyOf: () => LookupKey): string => {
    try {
      return textOfLookupKey(keyOf());
    } catch (error) {
      throw new MillraceError('INPUT_INVALID', `${(error as Error).message}.`, { cause: error });
    }
  };
  return {
    read: async (spec, keys) => {
      const { items } = tableOf(spec.name);
      return keys.map((key) => {
        const json = items.get(textOfLookupKey(key));
        return json === undefined ? undefined : readColumnsOf(spec, JSON.parse(json) as LookupItem);
      });
    },
    put: (name, item) => {
      const { spec, items } = tableOf(name);
      items.set(
        textOf(() => keyOfLookupItem(spec, item)),
        JSON.stringify(item),
      );
    },
    remove: (name, key) => {
      const { spec, items } = tableOf(name);
      items.delete(textOf(() => lookupKeyOf(spec, key)));
    },
  };
}
