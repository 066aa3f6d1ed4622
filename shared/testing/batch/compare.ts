import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { columnsOf, inputsOf, type StepPlan, sourcesOfInput, stepsOf } from '#shared/pipeline/plan.ts';
import { aggregatesOf } from '../walk.ts';
import type { BatchRow, Slack } from './step-rows.ts';

type Plain = Readonly<Record<string, unknown>>;

/** A row of a batch, ready to be compared with many. */
export type Expected = Pick<BatchRow, 'slack'> & { readonly row: Plain };

/**
 * By view, the columns that are computed: all others tell a row from the others. Of rows that are shown through a projection nobody knows which
 * are: there all columns tell, numbers by their first digits.
 */
export type Computed = ReadonlyMap<string, ReadonlySet<string>>;

/** By view, what its columns are of a key that all rows have left: such a row may be there or not, as its block was cut. */
export type LeftRows = ReadonlyMap<string, Plain>;

const digits = 9;

export function computedOf(pipeline: Pipeline): Computed {
  return new Map(
    stepsOf(pipeline.plan).flatMap((step) => {
      if (pipeline.projections?.has(step.id) === true) return [];
      return [[step.id, new Set(computedBy(step))]];
    }),
  );
}

function computedBy(step: StepPlan): readonly string[] {
  switch (step.op) {
    case 'aggregate':
    case 'running': {
      const { kept, derived } = columnsOf(step);
      return [...kept, ...derived];
    }
    case 'top':
      return [...Object.keys(step.aggregates), ...Object.keys(step.derived ?? {})];
    default:
      return [];
  }
}

/** Of steps that read what happens to rows which are never final. */
export function leftRowsOf(pipeline: Pipeline): LeftRows {
  const steps = stepsOf(pipeline.plan);
  const running = new Set(steps.filter(({ op }) => op === 'running').map(({ id }) => id));
  return new Map(
    steps.flatMap((step) => {
      if (
        step.op !== 'running' ||
        !inputsOf(step)
          .flatMap(sourcesOfInput)
          .some((source) => running.has(source))
      )
        return [];
      const aggregates = Object.entries(aggregatesOf(pipeline, step));
      return [[step.id, Object.fromEntries(aggregates.map(([name, one]) => [name, one.result(one.create())]))]];
    }),
  );
}

/**
 * What differs between the rows of a batch and others, each as a line that says where: nothing if they are the same but for what the batch
 * rounds. Both sides are rows of views, in any order. `name` names the others.
 */
export function differences(
  expected: readonly Expected[],
  rows: readonly Plain[],
  { name, computed, left }: { readonly name: string; readonly computed: Computed; readonly left: LeftRows },
): readonly string[] {
  if (isSameInOrder(expected, rows, computed)) return [];
  const found: string[] = [];
  const byPlace = Map.groupBy(rows, (row) => placeOf(row, computed));
  // Windows of a key's records at one time have one place, and no order among themselves: each takes what is the same as it before others do.
  const other = expected.filter((one) => {
    const values = computed.get(String(one.row['view']));
    const group = byPlace.get(placeOf(one.row, computed));
    const at = group?.findIndex((row) => isSame(one, row, values)) ?? -1;
    if (at !== -1) group?.splice(at, 1);
    return at === -1;
  });
  for (const { row, slack } of other) {
    const actual = byPlace.get(placeOf(row, computed))?.shift();
    if (actual === undefined) {
      found.push(`${name} lacks the row ${JSON.stringify(row)}`);
      continue;
    }
    for (const column of computed.get(String(row['view'])) ?? []) {
      if (isClose(row[column], actual[column], slack[column] ?? none)) continue;
      found.push(
        `${name} has ${column} = ${JSON.stringify(actual[column])} where the batch has ${JSON.stringify(row[column])}, in the row ${JSON.stringify(actual)}`,
      );
    }
  }
  for (const others of byPlace.values())
    for (const row of others)
      if (!isLeft(row, left)) found.push(`${name} has the row ${JSON.stringify(row)}, and the batch has not`);
  return found;
}

function isLeft(row: Plain, left: LeftRows): boolean {
  const nothing = left.get(String(row['view']));
  return nothing !== undefined && Object.entries(nothing).every(([name, value]) => isClose(value, row[name], none));
}

/** The usual case, for which nothing needs to be made: both sides have the same rows in the same order, once they are sorted by view. */
function isSameInOrder(expected: readonly Expected[], rows: readonly Plain[], computed: Computed): boolean {
  if (expected.length !== rows.length) return false;
  const byView = (a: Plain, b: Plain): number =>
    String(a['view']) < String(b['view']) ? -1 : a['view'] === b['view'] ? 0 : 1;
  const sorted = rows.toSorted(byView);
  return expected
    .toSorted((a, b) => byView(a.row, b.row))
    .every((one, at) => isSame(one, sorted[at] as Plain, computed.get(String(one.row['view']))));
}

function isSame({ row, slack }: Expected, actual: Plain, values: ReadonlySet<string> | undefined): boolean {
  let columns = 0;
  for (const column in row) {
    columns += 1;
    const [one, other] = [row[column], actual[column]];
    if (one === other && one !== undefined) continue;
    if (values?.has(column) !== true || !isClose(one, other, slack[column] ?? none)) return false;
  }
  for (const _ in actual) columns -= 1;
  return columns === 0;
}

/** All that tells a row from the others: what it is without the columns that were computed. */
function placeOf(row: Plain, computed: Computed): string {
  const values = computed.get(String(row['view']));
  const told: [string, unknown][] = [];
  for (const column in row)
    if (values?.has(column) !== true && row[column] !== undefined) told.push([column, row[column]]);
  told.sort(([a], [b]) => (a < b ? -1 : 1));
  if (values !== undefined) return JSON.stringify(told);
  return JSON.stringify(told, (_, value: unknown) => (typeof value === 'number' ? value.toPrecision(digits) : value));
}

const none: Slack = { by: 0, share: 0 };

/** Whether they are printed as the same, or as numbers that are no further from each other. */
function isClose(one: unknown, other: unknown, slack: Slack): boolean {
  if (one === other || slack.by === Number.POSITIVE_INFINITY) return true;
  const [a, b] = [printed(one), printed(other)];
  if (a === b) return true;
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) <= slack.by + slack.share * Math.abs(a);
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((each, index) => isClose(each ?? null, b[index] ?? null, slack));
  if (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null) {
    if (Array.isArray(a) || Array.isArray(b)) return false;
    const names = Object.keys({ ...a, ...b });
    return names.every((name) => isClose((a as Plain)[name], (b as Plain)[name], slack));
  }
  return false;
}

/** As JSON has it, but for what is in it. */
function printed(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  return value instanceof Date ? value.toISOString() : value;
}
