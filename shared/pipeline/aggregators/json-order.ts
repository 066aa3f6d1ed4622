import type { Json } from '../aggregator.ts';
import { charactersAtMost, refuseJson } from '../join.ts';
import { canonicalJson } from '../plan-hash.ts';

/** The most characters of one value that an aggregator keeps as it is, as JSON: it is stored with its key's state. */
export const keptCharactersMax = 10_000;

/** The value with the names of objects sorted, as every store gives it back; what JSON cannot hold as it is. */
export function plainOf(value: Json): Json {
  switch (typeof value) {
    case 'number':
      // Adding 0 turns -0 into 0, which is all that JSON knows.
      return value + 0;
    case 'object':
      return value === null || refuseJson(value) !== undefined ? value : sorted(value);
    default:
      return value;
  }
}

/** What JSON gives back of `canonicalJson`, without the text. */
function sorted(value: Json): Json {
  if (typeof value === 'number') return value + 0;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value))
    return Array.from(value as readonly Json[], (one) => (one === undefined ? null : sorted(one)));
  const names = sortedNames(Object.keys(value));
  // A name that sets the prototype is left to JSON.
  if (names === undefined) return JSON.parse(canonicalJson(value)) as Json;
  const copy: Record<string, Json> = {};
  for (let at = 0; at < names.length; at += 1) {
    const name = names[at] as string;
    copy[name] = sorted((value as { readonly [name: string]: Json })[name] as Json);
  }
  return copy;
}

/** Those of the object before: a callback makes objects with the same names, in the same order. */
let namesBefore: readonly string[] = [];
let sortedBefore: readonly string[] | undefined = [];

function sortedNames(names: readonly string[]): readonly string[] | undefined {
  let isSame = names.length === namesBefore.length;
  for (let at = 0; isSame && at < names.length; at += 1) isSame = names[at] === namesBefore[at];
  if (!isSame) {
    namesBefore = names;
    sortedBefore = names.includes('__proto__') ? undefined : [...names].sort();
  }
  return sortedBefore;
}

/** Why a value cannot be kept, or undefined when it can. */
export function refuseKept(value: unknown): string | undefined {
  const refusal = refuseJson(value);
  if (refusal !== undefined) return `the value ${refusal}`;
  if (typeof value !== 'string' && typeof value !== 'object') return undefined;
  if (charactersAtMost(value as Json) <= keptCharactersMax) return undefined;
  const characters = typeof value === 'string' ? value.length : JSON.stringify(value).length;
  if (characters <= keptCharactersMax) return undefined;
  return `the value has ${characters} characters as JSON; at most ${keptCharactersMax} are allowed`;
}

/** All the values of one list together, as JSON. With others they have to fit into a row, and an item of DynamoDB has 400 KB. */
const listCharactersMax = 40_000;

/** Why a value cannot be one of a list of `max`, or undefined when it can. */
export function listed(max: number): (value: unknown) => string | undefined {
  const charactersMax = Math.floor(listCharactersMax / max);
  return (value) => {
    const refusal = refuseKept(value);
    if (refusal !== undefined || (typeof value !== 'string' && typeof value !== 'object')) return refusal;
    const characters = typeof value === 'string' ? value.length : JSON.stringify(value).length;
    if (characters <= charactersMax) return undefined;
    return `the value has ${characters} characters as JSON; in a list of ${max} at most ${charactersMax} are allowed`;
  };
}

/** Whether `decode` may take it for a kept value. */
export function isKept(value: Json | undefined): value is Json {
  return value !== undefined && refuseKept(value) === undefined;
}

/** An order of all JSON: numbers by size, before texts by their UTF-16 units, before the rest by canonical JSON. 0 for equal values only. */
export function compareJson(a: Json, b: Json): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const rankA = rankOf(a);
  const rankB = rankOf(b);
  if (rankA !== rankB) return rankA - rankB;
  return rankA === 1 ? compareTexts(a as string, b as string) : compareTexts(canonicalJson(a), canonicalJson(b));
}

function rankOf(value: Json): number {
  return typeof value === 'number' ? 0 : typeof value === 'string' ? 1 : 2;
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a === b ? 0 : 1;
}
