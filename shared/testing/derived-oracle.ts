import type { AggregatePlan, RunningPlan, TopPlan } from '#shared/pipeline/plan.ts';

/** The derived columns of a row. Nothing out of nothing is 0; anything else divided by 0 has no value, which is null. */
export function deriveNaively(
  step: Pick<AggregatePlan | RunningPlan | TopPlan, 'derived'>,
  columns: Readonly<Record<string, unknown>>,
  totals: Readonly<Record<string, unknown>>,
  windowMs: number,
): Readonly<Record<string, number | null>> {
  const derived: Record<string, number | null> = {};
  for (const [name, { kind, columns: inputs, at = [] }] of Object.entries(step.derived ?? {})) {
    const numbers = inputs.map((path) => numberIn(columns, path));
    const [first = Number.NaN, second = Number.NaN] = numbers;
    let value = first;
    if (kind === 'share-of-total') value = quotientOf(first, numberIn(totals, inputs[0] as string));
    if (kind === 'ratio') value = quotientOf(first, second);
    if (kind === 'rate') value = quotientOf(first, windowMs / 1_000);
    if (kind === 'prediction') {
      const asked = numbers.slice(1 + at.length);
      const places = at.map((place) => place ?? (asked.shift() as number));
      value = places.reduce((sum, place, index) => sum + place * (numbers[1 + index] as number), first);
    }
    derived[name] = Number.isFinite(value) ? value : null;
  }
  return derived;
}

function quotientOf(dividend: number, divisor: number): number {
  return dividend === 0 && divisor === 0 ? 0 : dividend / divisor;
}

/** NaN where there is nothing. */
function numberIn(values: Readonly<Record<string, unknown>>, path: string): number {
  let found: unknown = values;
  for (const name of path.split('.')) found = (found as Readonly<Record<string, unknown>> | null | undefined)?.[name];
  return Number(found ?? Number.NaN);
}
