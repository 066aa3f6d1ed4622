import { MillraceError } from '#shared/schemas/error.ts';

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
  const found = value === undefined ? 'lacks' : `has ${shown(value)} for`;
  throw invalid(where, `${found} its ${what}; give ${example}.`);
}

/** The columns that a step was given. */
export function givenColumns<C>(step: string, columns: C, example = '{ page: (record) => record.page }'): C {
  return given(`step ${step}`, 'columns', columns, `them by name, such as ${example}`);
}

/** What stands in the place of what is wanted. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  return typeof value === 'number' || typeof value === 'bigint'
    ? String(value)
    : (JSON.stringify(value) ?? `a ${typeof value}`);
}

export function checkDuration(where: string, what: string, ms: number, min: number): void {
  if (typeof ms !== 'number') throw invalid(where, `${what} is ${shown(ms)}; give a duration, such as minutes(5).`);
  if (!Number.isSafeInteger(ms) || ms < min)
    throw invalid(where, `${what} is ${ms} ms; it must be a whole number of at least ${min} ms.`);
}

/** For what types refuse too: a pipeline also runs where nobody has checked them, and a word that is not known would do nothing. */
export function checkOneOf(where: string, what: string, value: unknown, known: readonly string[]): void {
  if (known.includes(value as string)) return;
  const words = known.map((word) => `'${word}'`);
  throw invalid(where, `${what} is ${JSON.stringify(value)}; use ${words.slice(0, -1).join(', ')} or ${words.at(-1)}.`);
}
