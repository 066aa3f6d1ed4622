import { MillraceError } from '#shared/schemas/error.ts';
import type { Aggregator } from '../aggregator.ts';
import { given, givenOptions } from '../refuse.ts';
import { accuracyDefault, checkPart, type Sketch, sketchOf } from './dd-sketch.ts';
import { checkPartNames } from './numeric.ts';

/** How many are asked of one sketch, which is read once for each. */
const quantilesMax = 100;

/**
 * Several quantiles of one sketch, by the names that they are to have: `quantiles({ p50: 0.5, p99: 0.99 }, (r) => r.latencyMs)` gives
 * `{ p50, p99 }`, each off by at most `accuracy` of itself, with the state of one `quantile`. `part('column.p99')` makes a column of one.
 */
export function quantiles<In, const Name extends string>(
  parts: Readonly<Record<Name, number>>,
  of: (record: In) => number,
  options: { readonly accuracy?: number } = {},
): Aggregator<In, number, Sketch, { readonly [Part in Name]: number }> {
  const { accuracy = accuracyDefault } = givenOptions('quantiles', options, ['accuracy'], '{ accuracy: 0.01 }');
  const entries = Object.entries<number>(
    given('quantiles', 'parts', parts, 'them by name, such as { p99: 0.99 }'),
  ).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length < 1 || entries.length > quantilesMax) {
    throw new MillraceError(
      'PIPELINE_INVALID',
      `quantiles: ${entries.length} are asked for; from 1 to ${quantilesMax} are allowed.`,
    );
  }
  checkPartNames(
    'quantiles',
    entries.map(([name]) => name),
  );
  for (const [, q] of entries) checkPart('quantiles', q);
  return sketchOf({
    kind: 'quantiles',
    gives: 'json',
    config: { parts: Object.fromEntries(entries) },
    select: of,
    accuracy,
    result: (valueAt) =>
      Object.fromEntries(entries.map(([name, q]) => [name, valueAt(q)])) as { readonly [Part in Name]: number },
  });
}
