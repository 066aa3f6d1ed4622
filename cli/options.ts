import type { ArgsDef } from 'citty';
import { nearest } from '#shared/pipeline/nearest.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** Refuses what the parser of arguments would pass over in silence: an unknown option, a value that is missing, one argument too many. */
export function checkOptions(rawArgs: readonly string[], known: ArgsDef): void {
  const types = new Map(
    Object.entries(known).flatMap(([name, { type = 'string', default: given }]) => [
      [name, type],
      // The parser takes --no-limits for limits that are false.
      ...(type === 'boolean' && given === true ? [[`no-${name}`, type] as const] : []),
    ]),
  );
  const names = [...types.keys()].filter((name) => types.get(name) !== 'positional');
  const positionals = [...types.keys()].filter((name) => types.get(name) === 'positional');
  let positionalCount = 0;
  for (let index = 0; index < rawArgs.length; index += 1) {
    const argument = rawArgs[index] as string;
    if (!argument.startsWith('-') || argument === '-') {
      positionalCount += 1;
      if (positionalCount > positionals.length) throw tooMany(argument, positionals);
      continue;
    }
    const [name = ''] = argument.replace(/^--?/, '').split('=');
    if (!argument.startsWith('--') || !names.includes(name)) throw unknownOption(argument, name, names);
    if (types.get(name) === 'boolean') continue;
    const isWithin = argument.includes('=');
    if (!isWithin) index += 1;
    const value = isWithin ? argument.slice(argument.indexOf('=') + 1) : rawArgs[index];
    if (value === undefined || value === '' || (!isWithin && value.startsWith('--')))
      throw new MillraceError('INPUT_INVALID', `--${name} needs a value: --${name} VALUE.`);
  }
}

function tooMany(argument: string, positionals: readonly string[]): MillraceError {
  return new MillraceError(
    'INPUT_INVALID',
    `there is one argument too many, ${JSON.stringify(argument)}; the command takes ${positionals.length === 0 ? 'options only' : positionals.join(' and ')}.`,
  );
}

function unknownOption(argument: string, name: string, names: readonly string[]): MillraceError {
  const meant = nearest(name, names);
  const advice = meant === undefined ? '' : ` Did you mean --${meant}?`;
  return new MillraceError(
    'INPUT_INVALID',
    `there is no option ${argument.split('=')[0]}.${advice} The options are ${names.map((other) => `--${other}`).join(', ')}.`,
  );
}
