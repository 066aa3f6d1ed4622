import { shown } from '#shared/pipeline/refuse.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** A whole number of at least `min` and at most `max`. */
export function givenWhole(what: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw refused(what, value, `a whole number from ${min} to ${max}`);
}

/** A chance, or a part of all. */
export function givenShare(what: string, value: number): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw refused(what, value, 'a number from 0 to 1');
}

/** A time, in milliseconds. */
export function givenTimeMs(what: string, value: Date | number): number {
  const ms = value instanceof Date ? value.getTime() : value;
  if (Number.isSafeInteger(ms)) return ms;
  throw refused(what, value, 'a Date or a whole number of milliseconds since 1970');
}

export function givenDurationMs(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw refused(what, value, 'a whole number of milliseconds from 0, such as minutes(5)');
}

function refused(what: string, value: unknown, wanted: string): MillraceError {
  const found = value instanceof Date ? String(value) : shown(value);
  return new MillraceError('INPUT_INVALID', `${what} is ${found}; it must be ${wanted}.`);
}
