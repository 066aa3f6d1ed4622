import type { Json } from './aggregator.ts';
import { checkNoOthers, given, named } from './refuse.ts';
import type { KeyNode } from './stream.ts';

/**
 * Which rows a join gives: `inner`, one for each pair; `left`, also one for each left record that no right one joins; `full`, one for
 * each record of either side that none of the other joins.
 */
export type JoinKind = 'inner' | 'left' | 'full';

/** When a right record joins a left one of the same key: right time - left time is in [lowerMs, upperMs], both inclusive. */
export interface JoinInterval {
  readonly lowerMs: number;
  readonly upperMs: number;
}

/** Longer than all event times: a join whose interval reaches so far forgets nothing, and finds nothing late. */
export const foreverMs: number = Number.MAX_SAFE_INTEGER;

/** What one side gives to the row, by column. Pure, and run in the preprocess stage: only this crosses the exchange. */
export type Selectors<T> = Readonly<Record<string, (record: T) => Json>>;

/** The event times of a joined row's two records; null where there is none. */
export const joinTimeColumns = ['leftTime', 'rightTime'] as const;
export type JoinTimeColumn = (typeof joinTimeColumns)[number];

/** All selected columns of a row together, as JSON. At three bytes a character they fit into an item of DynamoDB, which is 400 KB. */
export const joinedCharactersMax = 100_000;

/** Why a selected value cannot be a column of a joined row, or undefined when it can. `columnCount` columns share the room. */
export function refuseJoined(value: unknown, columnCount: number): string | undefined {
  const refusal = refuseJson(value);
  if (refusal !== undefined) return refusal;
  const charactersMax = Math.floor(joinedCharactersMax / columnCount);
  if (charactersAtMost(value as Json) <= charactersMax) return undefined;
  const characters = typeof value === 'string' ? value.length : JSON.stringify(value).length;
  if (characters <= charactersMax) return undefined;
  return `has ${characters} characters as JSON; with ${columnCount} columns in a row at most ${charactersMax} are allowed`;
}

/** No fewer than a value has as JSON, or as the text that it is: told without making it. */
export function charactersAtMost(value: Json): number {
  switch (typeof value) {
    case 'string':
      return value.length;
    case 'object': {
      // What a list does not have is null there.
      let characters = 4 + (Array.isArray(value) ? 5 * value.length : 0);
      for (const name in value) {
        const inner = (value as { readonly [name: string]: Json })[name] as Json;
        // Quotes, a colon and a comma; any character may be written as six.
        characters +=
          4 + 6 * name.length + (typeof inner === 'string' ? 2 + 6 * inner.length : charactersAtMost(inner));
      }
      return characters;
    }
    default:
      return numberCharactersMax;
  }
}

/** As `-1.2345678901234567e-300` is written. */
const numberCharactersMax = 24;

/**
 * Why JSON cannot hold a value as it is, or undefined when it can: a row that waits in a snapshot would come out of it as another. `mayMiss`: a
 * field of an object may be undefined, as one that is not there.
 */
export function refuseJson(value: unknown, mayMiss = false): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : `is ${value}, which JSON cannot hold; use null instead`;
    case 'object': {
      if (value === null) return undefined;
      const prototype: unknown = Object.getPrototypeOf(value);
      if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null)
        return 'is an object of a class; use a text, a number or a plain object';
      for (const inner of Object.values(value)) {
        // Most are texts, which need no look.
        if (typeof inner === 'string' || (mayMiss && inner === undefined && !Array.isArray(value))) continue;
        const refusal = refuseJson(inner, mayMiss);
        if (refusal !== undefined) return refusal;
      }
      return undefined;
    }
    default:
      return `is of type ${typeof value}, which JSON cannot hold; use null for nothing`;
  }
}

/** The key of the stream that another one is joined with. */
export function keyGiven(what: string, other: { readonly key: KeyNode }): KeyNode {
  return given(what, 'other stream', other?.key, 'a keyed one, such as views.keyBy((view) => ({ user: view.user }))');
}

/** The columns of both sides of a joined row. */
export function sidesOf(
  name: string,
  columns: { readonly left: unknown; readonly right: unknown },
): { readonly left: Selectors<unknown>; readonly right: Selectors<unknown> } {
  const { left, right } = given(
    named('step', name),
    'columns',
    columns,
    'those of both sides, { left: { … }, right: { … } }',
  );
  checkNoOthers(named('step', name), 'side', columns, ['left', 'right']);
  const side = (what: string, selectors: unknown): Selectors<unknown> =>
    given(
      named('step', name),
      `columns of the ${what} side`,
      selectors as Selectors<unknown>,
      'an object, {} for none',
    );
  return { left: side('left', left), right: side('right', right) };
}

type Widened<Value> = Value extends string
  ? string
  : Value extends number
    ? number
    : Value extends boolean
      ? boolean
      : never;
type WidenedKey<K> = { readonly [Column in keyof K]: Widened<K[Column]> };
/** Anything, if two keys have the same columns of the same types, so that equal values are one key; otherwise what is wrong. */
export type SameKey<K, Other> = [WidenedKey<K>, WidenedKey<Other>] extends [WidenedKey<Other>, WidenedKey<K>]
  ? unknown
  : 'the key columns of both sides of a join have the same names and types';
