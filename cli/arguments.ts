import { MillraceError } from '#shared/schemas/error.ts';

/** Every value of an option that may be given several times: `--input a --input=b`. */
export function listOf(rawArgs: readonly string[], name: string): readonly string[] {
  const values: string[] = [];
  for (let index = 0; index < rawArgs.length; index += 1) {
    const argument = rawArgs[index] as string;
    if (argument === `--${name}` && rawArgs[index + 1] !== undefined) values.push(rawArgs[index + 1] as string);
    else if (argument.startsWith(`--${name}=`)) values.push(argument.slice(name.length + 3));
  }
  return values;
}

/** Records a second, as `--rate` says it; undefined for as many as can be. */
export function rateOf(value: string): number | undefined {
  if (value === 'max') return undefined;
  if (isWhole(value, 1)) return Number(value);
  throw new MillraceError(
    'INPUT_INVALID',
    `--rate is ${JSON.stringify(value)}; it must be "max" or a whole number of at least 1.`,
  );
}

/** A whole number of at least `min`; says which option is wrong. */
export function wholeNumber(name: string, value: string, min = 0): number {
  if (isWhole(value, min)) return Number(value);
  throw new MillraceError(
    'INPUT_INVALID',
    `--${name} is ${JSON.stringify(value)}; it must be a whole number of at least ${min}.`,
  );
}

function isWhole(value: string, min: number): boolean {
  return value.trim() !== '' && Number.isSafeInteger(Number(value)) && Number(value) >= min;
}
