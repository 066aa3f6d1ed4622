import { MillraceError } from '#shared/schemas/error.ts';
import { wholeNumber } from './arguments.ts';

/** What `dev --faults` can do to a running stack. */
export const faultKinds = [
  'kill-lambda',
  'kill-worker',
  'split-raw',
  'merge-raw',
  'split-exchange',
  'merge-exchange',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Reads `kill-lambda=15,kill-worker=5,split-raw=2,merge-raw=1`; gives the faults in the order in which they happen, mixed evenly. */
export function parseFaults(spec: string): readonly FaultKind[] {
  const placed: { readonly kind: FaultKind; readonly at: number }[] = [];
  for (const part of spec.split(',')) {
    const [kind = '', count = '1'] = part.split('=');
    if (!isFaultKind(kind)) {
      throw new MillraceError(
        'SETTING_INVALID',
        `--faults knows no ${JSON.stringify(kind)}; write KIND=COUNT with the kinds ${faultKinds.join(', ')}, separated by commas.`,
      );
    }
    const number = wholeNumber('faults', count, 1);
    for (let index = 0; index < number; index += 1) placed.push({ kind, at: (index + 0.5) / number });
  }
  return placed.sort((a, b) => a.at - b.at).map(({ kind }) => kind);
}

function isFaultKind(kind: string): kind is FaultKind {
  return (faultKinds as readonly string[]).includes(kind);
}
