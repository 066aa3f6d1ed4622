import type { ArgsDef } from 'citty';
import { MillraceError } from '#shared/schemas/error.ts';

/** Refuses an option that the command does not have, which would otherwise be passed over in silence, and names the nearest one. */
export function checkOptions(rawArgs: readonly string[], known: ArgsDef): void {
  const names = Object.entries(known).flatMap(([name, { type }]) => (type === 'positional' ? [] : [name]));
  for (const argument of rawArgs) {
    if (!argument.startsWith('--') || argument === '--') continue;
    const name = argument.slice(2).split('=')[0] as string;
    if (names.includes(name)) continue;
    const nearest = names
      .map((candidate) => ({ candidate, far: distance(name, candidate) }))
      .sort((a, b) => a.far - b.far)[0];
    const advice = nearest !== undefined && nearest.far <= distanceMax ? ` Did you mean --${nearest.candidate}?` : '';
    throw new MillraceError(
      'INPUT_INVALID',
      `there is no option --${name}.${advice} The options are ${names.map((other) => `--${other}`).join(', ')}.`,
    );
  }
}

const distanceMax = 3;

/** How many letters must be put, taken or changed to make one word the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
