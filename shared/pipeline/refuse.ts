import { MillraceError } from '#shared/schemas/error.ts';

/** The error of a definition: where something is wrong, and what, and what to do. */
export function invalid(where: string, what: string): MillraceError {
  return new MillraceError('PIPELINE_INVALID', `${where} ${what}`);
}

export function checkDuration(where: string, what: string, ms: number, min: number): void {
  if (typeof ms !== 'number')
    throw invalid(
      where,
      `${what} is ${ms === undefined ? 'missing' : JSON.stringify(ms)}; give a duration, such as minutes(5).`,
    );
  if (!Number.isSafeInteger(ms) || ms < min)
    throw invalid(where, `${what} is ${ms} ms; it must be a whole number of at least ${min} ms.`);
}

/** For what types refuse too: a pipeline also runs where nobody has checked them, and a word that is not known would do nothing. */
export function checkOneOf(where: string, what: string, value: unknown, known: readonly string[]): void {
  if (known.includes(value as string)) return;
  const words = known.map((word) => `'${word}'`);
  throw invalid(where, `${what} is ${JSON.stringify(value)}; use ${words.slice(0, -1).join(', ')} or ${words.at(-1)}.`);
}
