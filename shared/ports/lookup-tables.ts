import type { LookupItem, LookupKey, LookupTableSpec } from '#shared/schemas/lookup.ts';

/** Tables that somebody else keeps, in which items are looked up. */
export interface LookupTables {
  /**
   * The items under these keys, in their order, undefined where there is none: what was written before the call is in them. The keys differ.
   * Rejects with `STORE_UNAVAILABLE`, saying which table and which key, when some could not be read.
   */
  readonly read: (table: LookupTableSpec, keys: readonly LookupKey[]) => Promise<readonly (LookupItem | undefined)[]>;
}
