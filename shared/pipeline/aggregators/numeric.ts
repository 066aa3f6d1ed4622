import { MillraceError } from '#shared/schemas/error.ts';

/**
 * No value beyond this can be summed: with it, 2^53 values cannot overflow, so whether a sum is finite never depends on the order
 * of its values, and a value is refused by itself, before it crosses the exchange. No measured quantity is so large.
 */
const summandMagnitudeMax = 1e290;

/** Why `value` is no finite number, or undefined when it is one. */
export function refuseNumber(value: unknown): string | undefined {
  return Number.isFinite(value) ? undefined : `${describe(value)} is not a finite number`;
}

/** The number without the sign of -0. What is no number stays as it is, to be refused by name: arithmetic would make 0 of null. */
export function plainNumber(value: number): number {
  return typeof value === 'number' ? value + 0 : value;
}

/** Why `value` cannot be added to a sum, or undefined when it can. */
export function refuseSummand(value: unknown): string | undefined {
  return refuseBeyond(value, summandMagnitudeMax);
}

export function refuseBeyond(value: unknown, magnitudeMax: number): string | undefined {
  if (typeof value === 'number' && value <= magnitudeMax && value >= -magnitudeMax) return undefined;
  return refuseNumber(value) ?? `${value} is too large; at most ${magnitudeMax} either side of 0 is allowed`;
}

const shownCharactersMax = 40;

/** What came instead, for a message: half of finding out why. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'string': {
      const shown = value.length > shownCharactersMax ? `${value.slice(0, shownCharactersMax)}…` : value;
      return `the string ${JSON.stringify(shown)}`;
    }
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'an array' : 'an object';
    default:
      return `a ${typeof value}`;
  }
}

const shownStateCharactersMax = 60;

/** The error of a `decode` that was handed no state of its kind. */
export function unreadable(kind: string, expected: string, encoded: unknown): Error {
  const text = JSON.stringify(encoded) ?? 'undefined';
  const shown = text.length > shownStateCharactersMax ? `${text.slice(0, shownStateCharactersMax)}…` : text;
  return new Error(`the state of ${kind} must be ${expected}, and is ${shown}`);
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

const partForm = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Throws `PIPELINE_INVALID` unless the parts of a column can be named in a path, such as `latency.p99`. */
export function checkPartNames(kind: string, names: readonly string[]): void {
  const wrong = names.find((name) => !partForm.test(name));
  if (wrong === undefined) return;
  throw new MillraceError(
    'PIPELINE_INVALID',
    `${kind}: ${JSON.stringify(wrong)} is not a name of letters, digits and _ that does not begin with a digit.`,
  );
}

/** Throws `PIPELINE_INVALID` unless an option of an aggregator is a whole number from `min` to `max`. */
export function checkWhole(option: {
  readonly kind: string;
  readonly name: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
}): void {
  const { kind, name, value, min, max } = option;
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new MillraceError(
    'PIPELINE_INVALID',
    `${kind}: ${name} is ${value}; it must be a whole number from ${min} to ${max}.`,
  );
}
