import { MillraceError } from '#shared/schemas/error.ts';
import { nearest } from './nearest.ts';

/** The error of a definition: where something is wrong, and what, and what to do. */
export function invalid(where: string, what: string): MillraceError {
  return new MillraceError('PIPELINE_INVALID', `${where} ${what}`);
}

/**
 * What a definition was given to read its options or columns from. Throws `PIPELINE_INVALID` unless there is something to read: types say
 * the same, and a pipeline also runs where nobody has checked them.
 */
export function given<T>(where: string, what: string, value: T, example: string): T {
  if (typeof value === 'object' && value !== null) return value;
  throw notGiven(where, what, value, example);
}

type NameIn<T> = T extends unknown ? keyof T & string : never;

/**
 * Options that a definition was given, of which `names` are all that there are: one that is none would do nothing. No option is null, a symbol
 * or a bigint: who means none leaves it out, and the arithmetic and the messages behind this need not know of them.
 */
export function givenOptions<T, const Names extends readonly NameIn<T>[]>(
  where: string,
  options: T,
  names: Names & ([NameIn<T>] extends [Names[number]] ? unknown : 'the names of all options'),
  example: string,
): T {
  const found = given(where, 'options', options, example);
  checkNoOthers(where, 'option', found as object, names);
  for (const [name, value] of Object.entries(found as object))
    if (value === null || typeof value === 'symbol' || typeof value === 'bigint')
      throw invalid(where, `has ${shown(value)} for its option ${name}; leave it out, or give such as ${example}.`);
  return found;
}

/** Throws `PIPELINE_INVALID` when `given` has a name that is none of `known`. */
export function checkNoOthers(where: string, what: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const meant = nearest(unknown, known);
  const advice = meant === undefined ? '' : ` Did you mean ${meant}?`;
  throw invalid(
    where,
    `has no ${what} ${unknown}.${advice} There ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}.`,
  );
}

/** A list that a definition was given. */
export function givenList<T extends readonly unknown[]>(where: string, what: string, value: T, example: string): T {
  if (Array.isArray(value)) return value;
  throw notGiven(where, what, value, example);
}

function notGiven(where: string, what: string, value: unknown, example: string): MillraceError {
  const found = value === undefined ? 'lacks' : `has ${shown(value)} for`;
  return invalid(where, `${found} its ${what}; give ${example}.`);
}

/** Something by its name, which may be anything where nobody has checked types. */
export function named(what: 'step' | 'table', name: unknown): string {
  return `${what} ${typeof name === 'string' ? name : shown(name)}`;
}

/** The columns that a step was given. */
export function givenColumns<C>(step: string, columns: C, example = '{ page: (record) => record.page }'): C {
  return given(named('step', step), 'columns', columns, `them by name, such as ${example}`);
}

/** What stands in the place of what is wanted. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    // JSON has no bigints, and nothing that holds itself.
    return JSON.stringify(value) ?? `a ${typeof value}`;
  } catch {
    return 'an object';
  }
}

export function checkDuration(where: string, what: string, ms: number | undefined, min: number): void {
  if (typeof ms !== 'number') throw invalid(where, `${what} is ${shown(ms)}; give a duration, such as minutes(5).`);
  if (!Number.isSafeInteger(ms) || ms < min)
    throw invalid(where, `${what} is ${ms} ms; it must be a whole number of at least ${min} ms.`);
}

/** Whether what a predicate has given is true, as `if` has it. Of a promise it would always be. */
export function isTrue(what: string, found: unknown): boolean {
  if (isPromise(found))
    throw new Error(`${what} gave a promise, which is not waited for; look things up with enrich instead`);
  return Boolean(found);
}

/** Whether a callback gave what comes later. Nobody else hears when that fails, which would end the process. */
export function isPromise(found: unknown): boolean {
  const later = found as { readonly then?: unknown } | null | undefined;
  if (typeof found !== 'object' || typeof later?.then !== 'function') return false;
  later.then(undefined, () => {});
  return true;
}

/** For what types refuse too: a pipeline also runs where nobody has checked them, and a word that is not known would do nothing. */
export function checkOneOf(where: string, what: string, value: unknown, known: readonly (string | boolean)[]): void {
  if (known.includes(value as string)) return;
  const words = known.map((word) => (typeof word === 'string' ? `'${word}'` : String(word))).join(', ');
  throw invalid(where, `${what} is ${shown(value)}; use ${words.replace(/, (?=[^,]*$)/, ' or ')}.`);
}
