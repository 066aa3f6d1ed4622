import type { Json } from '#shared/pipeline/aggregator.ts';
import { type ColumnType, type ColumnTypes, typed } from '#shared/pipeline/column-types.ts';
import type { AnyOutput } from '#shared/pipeline/pipeline.ts';
import { type Projection, type ProjectionInput, projected } from '#shared/pipeline/projection.ts';
import type { SinkSpec } from '#shared/pipeline/sink.ts';
import type { Stream } from '#shared/pipeline/stream.ts';
import type { Compiled, Values } from '#shared/sql/expressions/compiled.ts';
import { printer } from '#shared/sql/expressions/printed.ts';
import type { SqlType } from '#shared/sql/expressions/types.ts';
import { refuseFinal } from '#shared/sql/parse/names.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import { changesOf } from './changes.ts';
import { type GroupTotal, type LateTotals, wholeGroup } from './late-totals.ts';
import type { Environment, Planned } from './plan.ts';
import {
  endField,
  once,
  type Ranking,
  type Relation,
  type Selected,
  selectedRelation,
  startField,
} from './relation.ts';

/** The rows of a step, as the query behind it sees them. */
export interface StepTable {
  /** Builds the step, with this name. */
  readonly build: (name: string, emit: 'on-update' | 'on-close') => BuiltTable;
  /** The values of a row, whose window is in `startField` and `endField` when it has one. Of some steps one row holds several. */
  readonly unpack: (row: ProjectionInput) => readonly Values[];
  /** The values of the row that a database has where there is no record; undefined where there is no row then. */
  readonly ofNothing?: () => readonly Values[];
  /** How far apart the ends of its windows lie at least; undefined without windows. */
  readonly bucketMs: number | undefined;
  /** A row may change when all is said: a stream can be made of its changes only. */
  readonly isUpdating: boolean;
  /** Builds the step without a window, once, and gives its rows as they are put and taken back. */
  readonly changes?: (name: string) => Stream<Values>;
  /** Its rows are not even final at the end of all streams, and do not say so. */
  readonly isNeverFinal?: true;
  /** What rows must fulfil to be unpacked, as texts: a changed condition is a changed plan. */
  readonly conditions?: readonly string[];
  /** Aggregated columns whose totals are shown. */
  readonly totals: () => readonly string[];
  /** The same totals as they are made of the groups, how often expressions have named one so far, and where the first one by OVER stands. */
  readonly groupTotals?: {
    readonly all: () => readonly GroupTotal[];
    readonly uses: () => number;
    readonly overAt: () => Span | undefined;
  };
  readonly allowedLatenessMs: number;
}

export interface BuiltTable {
  readonly to: (...sinks: readonly [SinkSpec, ...SinkSpec[]]) => AnyOutput;
  readonly asStream?: () => Stream<never>;
}

/** What a query makes of the rows of a step. */
export interface Finish {
  readonly table: StepTable;
  readonly selected: readonly Selected[];
  readonly where: Compiled | undefined;
  readonly ranking?: {
    readonly ranking: Ranking;
    readonly hidden: readonly { readonly field: string; readonly compiled: Compiled }[];
  };
  readonly at: Span;
}

/** A query that shows the rows of a step through expressions. */
export function planStep(finish: Finish, env: Environment): Planned {
  const { selected, table, where } = finish;
  const { ofNothing } = table;
  return {
    ...(ofNothing && { ofNothing: () => ofNothing().filter(isShown(where)).map(shaper(selected)) }),
    ...(table.isNeverFinal === true ? { isNeverFinal: true } : {}),
    columns: selected.map(({ name, compiled }) => ({ name, type: compiled.type })),
    output: (name, sinks) => outputOf(finish, { name, sinks, env }),
    relation: once(() => relationOf(finish, env)),
  };
}

function outputOf(
  { table, selected, where, ranking, at }: Finish,
  { name, sinks, env }: { readonly name: string; readonly sinks: readonly SinkSpec[]; readonly env: Environment },
): AnyOutput {
  refuseNumbers(ranking?.ranking);
  if (table.isNeverFinal !== true) refuseFinal(selected, at);
  const built = table.build(name, env.emit).to(...(sinks as readonly [SinkSpec, ...SinkSpec[]]));
  const shape = shaper(selected);
  const projection: Projection = {
    columns: selected.map((column) => column.name),
    totals: table.totals(),
    config: configOf(selected, [...(table.conditions ?? []), ...(where === undefined ? [] : [where.text])]),
    project: (row) =>
      table
        .unpack(row)
        .filter(isShown(where))
        .map((values) => ({ ...windowOf(values), columns: shape(values) })),
  };
  return typed(projected(built, projection), columnTypes(selected));
}

/** The numbers of rows are known where it is said up to which they are wanted. */
export function refuseNumbers(ranking: Ranking | undefined): void {
  if (ranking !== undefined)
    throw new SqlProblem(
      ranking.at,
      `the numbers of rows are used in WHERE right around their query: SELECT * FROM (…) WHERE ${ranking.column} <= 10.`,
    );
}

function isShown(where: Compiled | undefined): (values: Values) => boolean {
  return (values) => where === undefined || where.evaluate(values) === true;
}

function configOf(selected: readonly Selected[], conditions: readonly string[]): Json {
  return {
    select: selected.map(({ name, compiled }) => [name, compiled.text]),
    ...(conditions.length === 0 ? {} : { where: conditions }),
  };
}

function windowOf(values: Values): { readonly window?: { readonly startMs: number; readonly endMs: number } } {
  const startMs = values[startField];
  return typeof startMs === 'number' ? { window: { startMs, endMs: values[endField] as number } } : {};
}

/** The columns of a row as they are printed. */
function shaper(selected: readonly Selected[]): (values: Values) => Readonly<Record<string, Json>> {
  const columns = selected.map(({ name, compiled }) => [name, compiled.evaluate, printer(compiled.type)] as const);
  return (values) => {
    const row: Record<string, Json> = {};
    for (const [name, evaluate, print] of columns) {
      const value = evaluate(values);
      row[name] = value === null ? null : print(value);
    }
    return row;
  };
}

/** What the columns of rows hold, as they are printed. Of what is known only when a record is there nothing is said, unless it was declared as JSON. */
export function columnTypes(selected: readonly Selected[]): ColumnTypes {
  return new Map(selected.map(({ name, compiled: { type } }) => [name, columnType(type)]));
}

function columnType(type: SqlType): ColumnType | undefined {
  switch (type.kind) {
    case 'double':
    case 'decimal':
      return 'number';
    case 'row':
    case 'array':
      return 'json';
    case 'any':
      return type.isJson === true ? 'json' : undefined;
    case 'null':
    case 'interval':
    case 'months':
      return 'string';
    default:
      return type.kind;
  }
}

/** Rows that are no stream: those that change, or need totals. Another query may show them in its own way, and group what changes. */
function shownRelation({ table, selected, where }: Finish, env: Environment, problem: () => SqlProblem): Relation {
  const identity = `shown ${JSON.stringify(configOf(selected, where === undefined ? [] : [where.text]))}`;
  const { ofNothing, changes } = table;
  const unpack = (row: ProjectionInput): readonly Values[] => table.unpack(row).filter(isShown(where));
  const conditions = [...(table.conditions ?? []), ...(where === undefined ? [] : [where.text])];
  return {
    columns: selected.map(({ name, compiled: { type, nullable, text, evaluate } }) => ({
      name,
      type,
      nullable,
      text,
      read: evaluate,
    })),
    isOpen: false,
    identity,
    baseIdentity: identity,
    allowedLatenessMs: 0,
    table: {
      ...table,
      unpack,
      conditions,
      ...(ofNothing && { ofNothing: () => ofNothing().filter(isShown(where)) }),
    },
    stream: () => {
      throw problem();
    },
    ...(changes && {
      changes: once(() =>
        changesOf(changes(env.stepNamed('groups')), (columns) =>
          unpack({ columns, windowStartMs: 0, windowEndMs: 0, totals: undefined }),
        ),
      ),
    }),
  };
}

function changingProblem(at: Span, advice = ''): SqlProblem {
  return new SqlProblem(
    at,
    `the rows of this query change with every record, since its groups have no window. Another query may select of them, and group them by COUNT, SUM and AVG; it cannot join or rank them, or put them together (UNION ALL). Group by a window too: GROUP BY …, TUMBLE(ts, INTERVAL '1' MINUTE).${advice}`,
  );
}

function relationOf(finish: Finish, env: Environment): Relation {
  const { table, selected, where, ranking, at } = finish;
  if (table.isUpdating && ranking !== undefined)
    throw changingProblem(at, ' Over a file the first rows of all are ORDER BY total DESC LIMIT 3 (millrace sql).');
  if (table.isUpdating) return shownRelation(finish, env, () => changingProblem(at));
  const [total] = table.groupTotals?.all() ?? [];
  if (total !== undefined && ranking === undefined)
    return shownRelation(finish, env, () => new SqlProblem(total.at, totalAdvice));
  const late = lateTotalsOf(finish);
  const name = env.stepNamed('rows');
  const { bucketMs } = table;
  const rows: Relation = {
    columns: [],
    isOpen: false,
    identity: `step ${name}`,
    baseIdentity: `step ${name}`,
    allowedLatenessMs: 0,
    ...(bucketMs === undefined ? {} : { windows: { op: 'rows', bucketMs } }),
    stream: once(() => {
      const stream = table.build(name, 'on-close').asStream?.() as Stream<Values>;
      const unpacked = stream.flatMap((row) => table.unpack(inputOf(row)));
      return where === undefined ? unpacked : unpacked.filter(isShown(where));
    }),
  };
  const hidden = [...(ranking?.hidden ?? []), ...(late === undefined ? [] : [wholeGroup])];
  const relation = selectedRelation(rows, selected, `step ${name}`, hidden);
  return ranking === undefined ? relation : { ...relation, ranking: ranking.ranking, ...(late && { late }) };
}

const totalAdvice =
  'a total over all groups is known where the rows are shown or numbered, and another query reads these. It may select of them, with WHERE, or number them by their columns, right around: SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY share DESC) AS rownum FROM (SELECT … GROUP BY …)) WHERE rownum <= 10.';

/** What needs totals of rows that are numbered: of all groups, since no other has their totals. */
function lateTotalsOf({ table, selected, where, at }: Finish): LateTotals | undefined {
  const totals = table.groupTotals?.all() ?? [];
  if (totals.length === 0) return undefined;
  if (where !== undefined)
    throw new SqlProblem(
      at,
      'the total of the groups that are numbered is that of all of them, and some are left out. Put the condition of HAVING into the query around, which leaves the numbers as they are.',
    );
  return { totals, columns: selected.filter(({ isOfTotals }) => isOfTotals === true) };
}

/** A row of a stream as the projection has it. */
function inputOf(row: Values): ProjectionInput {
  const { windowStart, windowEnd, ...columns } = row;
  return { columns, windowStartMs: Number(windowStart), windowEndMs: Number(windowEnd), totals: undefined };
}
