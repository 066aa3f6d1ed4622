import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { columnsOf, stepsOf } from '#shared/pipeline/plan.ts';
import type { BatchRow } from './step-rows.ts';

type Plain = Readonly<Record<string, unknown>>;

/**
 * What differs between the rows of a batch and those of one history, each as a line that says where: nothing if they are the same rows but for
 * what the batch rounds. Both sides are rows of views, in any order.
 */
export function differences(
  pipeline: Pipeline,
  batch: readonly Pick<BatchRow, 'row' | 'slack'>[],
  rows: readonly Plain[],
  name: string,
): readonly string[] {
  const valuesOf = new Map(
    stepsOf(pipeline.plan).map((step) => {
      const { kept, derived } = columnsOf(step);
      return [step.id, step.op === 'aggregate' ? new Set([...kept, ...derived]) : new Set<string>()];
    }),
  );
  const found: string[] = [];
  const byPlace = Map.groupBy(rows.map(plain), (row) => placeOf(row, valuesOf));
  for (const { row, slack } of batch) {
    const expected = plain(row);
    const place = placeOf(expected, valuesOf);
    const actual = byPlace.get(place)?.pop();
    if (actual === undefined) {
      found.push(`${name} lacks the row ${JSON.stringify(expected)}`);
      continue;
    }
    for (const column of valuesOf.get(String(expected['view'])) ?? []) {
      if (isClose(expected[column], actual[column], slack[column] ?? 0)) continue;
      found.push(
        `${name} has ${column} = ${JSON.stringify(actual[column])} where the batch has ${JSON.stringify(expected[column])}, in the row ${JSON.stringify(actual)}`,
      );
    }
  }
  for (const left of byPlace.values())
    for (const row of left) found.push(`${name} has the row ${JSON.stringify(row)}, and the batch has not`);
  return found;
}

/** As it is printed. */
function plain(row: Plain): Plain {
  return JSON.parse(JSON.stringify(row)) as Plain;
}

/** All that tells a row from the others: what it is without the columns that were computed. */
function placeOf(row: Plain, valuesOf: ReadonlyMap<string, ReadonlySet<string>>): string {
  const values = valuesOf.get(String(row['view']));
  return JSON.stringify(
    Object.entries(row)
      .filter(([column]) => values?.has(column) !== true)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function isClose(a: unknown, b: unknown, slack: number): boolean {
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) <= slack;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((one, index) => isClose(one, b[index], slack));
  if (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null) {
    const names = Object.keys({ ...a, ...b });
    return names.every((name) => isClose((a as Plain)[name], (b as Plain)[name], slack));
  }
  return a === b;
}
