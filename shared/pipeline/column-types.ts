import { joinTimeColumns } from './join.ts';
import { processTimeColumn, tableTimeColumn } from './process.ts';
import { rankColumn } from './rows.ts';
import { keySamplesOf, shownSamplesOf } from './samples.ts';
import type { Output, ProcessDefinition, StepDefinition } from './stream.ts';

/**
 * What a column holds. `integer` is a whole number, `number` any; `timestamp` and `date` are printed as texts; `json` is a list, an object, or
 * what may be anything.
 */
export type ColumnType = 'string' | 'number' | 'integer' | 'boolean' | 'timestamp' | 'date' | 'json';

/**
 * Columns of a view's rows, in their order, each with what it holds; undefined where nobody knows before there are rows. It says how rows are
 * written to files that have a schema, and is no part of the plan: nothing that is counted or kept depends on it.
 */
export type ColumnTypes = ReadonlyMap<string, ColumnType | undefined>;

/** The same branch of a pipeline, the columns of whose rows are known to be of these types. */
export function typed<Name extends string, K, Row>(
  output: Output<Name, K, Row>,
  types: ColumnTypes,
): Output<Name, K, Row> {
  return { ...output, step: { ...output.step, types } };
}

/**
 * The columns that all rows of a step have, without the bounds of windows. Their types are what was said of them, by SQL, by aggregators, by what
 * a function emits; of other columns what their callbacks give for records that are made up of the stream's schema.
 */
export function columnTypesOf(step: StepDefinition): ColumnTypes {
  const known = step.types ?? saidTypes(step);
  const isKeyShown = step.types === undefined && (step.op !== 'select' || step.isKeyed);
  const keys = isKeyShown ? keySamplesOf(step).flatMap(Object.keys) : [];
  if (keys.length === 0 && ![...known.values()].includes(undefined)) return known;
  const rows = shownSamplesOf(step);
  return new Map(
    [...new Set([...keys, ...known.keys()])].map((name) => [name, known.get(name) ?? typeOfSamples(rows, name)]),
  );
}

/** The types that a file's values have: of a number, a text and a truth value their own, of lists and objects that of JSON. */
export function typesOfValues(values: readonly unknown[]): ReadonlySet<ColumnType> {
  return new Set(values.flatMap((value) => (value === null || value === undefined ? [] : [typeOfValue(value)])));
}

function typeOfValue(value: unknown): ColumnType {
  const type = typeof value;
  return type === 'number' || type === 'string' || type === 'boolean' ? type : 'json';
}

/** Undefined where there is no value, and where there are several types: which one a row has is not known then. */
function typeOfSamples(rows: readonly Readonly<Record<string, unknown>>[], name: string): ColumnType | undefined {
  const values = rows.map((row) => (Object.hasOwn(row, name) ? row[name] : undefined));
  const [type, ...others] = typesOfValues(values.map((value) => (value instanceof Date ? value.toJSON() : value)));
  return others.length === 0 ? type : undefined;
}

/** The step's own columns, in their order, with the types that are said of them. */
function saidTypes(step: StepDefinition): ColumnTypes {
  switch (step.op) {
    case 'aggregate':
    case 'running':
      return new Map([
        ...Object.entries(step.aggregates).map(([name, { gives }]) => [name, gives] as const),
        ...Object.entries(step.derived).flatMap(([name, { kind }]) =>
          // What needs the totals of all slots is not in files.
          kind === 'share-of-total' ? [] : [[name, 'number'] as const],
        ),
      ]);
    case 'top': {
      const { ties, input, derived } = step;
      const rank = ties === undefined ? rankColumn : ties.as;
      const ranked = { ...input.step, derived: {} } as StepDefinition;
      return new Map([
        ...(rank === null ? [] : [[rank, 'integer'] as const]),
        ...saidTypes(ranked),
        ...Object.keys(derived).map((name) => [name, 'number'] as const),
      ]);
    }
    case 'select':
      return new Map(Object.keys(step.columns).map((name) => [name, undefined]));
    case 'join':
      return new Map([
        ...joinTimeColumns.map((name) => [name, 'timestamp'] as const),
        ...[step.left, step.right].flatMap(({ columns }) =>
          Object.keys(columns).map((name) => [name, undefined] as const),
        ),
      ]);
    case 'process':
      return new Map([[processTimeColumn, 'timestamp'], ...emittedTypes(step)]);
  }
}

function emittedTypes({ does, row }: ProcessDefinition): readonly (readonly [string, ColumnType | undefined])[] {
  return Object.entries(row).map(([name, type]) => {
    if (does.kind === 'table-join' && name === tableTimeColumn) return [name, 'timestamp'];
    const base = type.replace('?', '') as 'string' | 'number' | 'boolean' | 'json';
    // The other kinds show what the user selects as it is, of which no type was declared.
    return [name, base === 'json' && does.kind !== 'process' ? undefined : base];
  });
}
