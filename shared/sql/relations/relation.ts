import { nearest } from '#shared/pipeline/nearest.ts';
import { knownReadsOf, type ReadPath, readingPaths, readingThrough } from '#shared/pipeline/reads.ts';
import type { Stream } from '#shared/pipeline/stream.ts';
import type { WindowSpec } from '#shared/pipeline/window.ts';
import type { Compiled, Values } from '#shared/sql/expressions/compiled.ts';
import type { Scope } from '#shared/sql/expressions/expression.ts';
import { impurity } from '#shared/sql/expressions/functions.ts';
import { anyType, type Column, type SqlType, timestampType } from '#shared/sql/expressions/types.ts';
import type { ColumnReference, Name } from '#shared/sql/parse/ast.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import type { LateTotals } from './late-totals.ts';
import type { StepTable } from './step-table.ts';

/** What a column is to windows. */
export type Role = 'time' | BoundRole;
/** What shows a bound of the window that a record or a row is in. */
export type BoundRole = 'window-start' | 'window-end' | 'window-time';

export function isBound(role: Role | undefined): role is BoundRole {
  return role !== undefined && role !== 'time';
}

/** A column of a relation. */
export interface RelationColumn extends Column {
  /** The name before the dot, where there is one. */
  readonly table?: string;
  /** It is named behind its table only: alone its name is that of another column. */
  readonly isQualified?: true;
  readonly role?: Role;
  /** What tells it from other columns, in the texts of expressions. */
  readonly text: string;
  readonly read: (values: Values) => unknown;
}

/** Records, or rows, with columns: what FROM gives. */
export interface Relation {
  readonly columns: readonly RelationColumn[];
  /** Columns are not all known: the record of a stream in TypeScript may have others. */
  readonly isOpen: boolean;
  /** Made when it is asked for, the same each time. */
  readonly stream: () => Stream<Values>;
  /** Of rows that change with every record: what is taken back and what is put, marked by `changeField`. They have no `stream`. */
  readonly changes?: () => Stream<Values>;
  readonly windows?: Windows;
  /** How long the windows are whose records these are, once for each; `isTumbling` when each is in one. */
  readonly spanMs?: number;
  readonly isTumbling?: boolean;
  /** Of two relations with one identity the records are the same. */
  readonly identity: string;
  /** That of the records without their windows. */
  readonly baseIdentity: string;
  /** How long behind the watermark late records are taken. */
  readonly allowedLatenessMs: number;
  /** The step whose rows these are, as they are: a query that shows them needs no step of its own. */
  readonly table?: StepTable;
  /** What ROW_NUMBER numbers, while it is not known up to which number. */
  readonly ranking?: Ranking;
  /** What of it needs totals, which are known where the rows are numbered. */
  readonly late?: LateTotals;
}

/**
 * `pending`: each record is in these windows, and is not yet there once for each; the window columns are read by whoever makes the windows.
 * `rows`: each row belongs to one window, whose end is 1 ms after its event time; ends of different windows lie at least `bucketMs` apart.
 */
export type Windows =
  | {
      readonly op: 'pending';
      readonly spec: WindowSpec;
      readonly readTime: (values: Values) => number;
      /** The columns of whose records the sessions are, as texts; undefined for one that is not selected. Of no columns they are of all records. */
      readonly partition: readonly (string | undefined)[];
    }
  | { readonly op: 'rows'; readonly bucketMs: number };

export interface Ranking {
  /** The column with the number. */
  readonly column: string;
  readonly kind: 'ROW_NUMBER' | 'RANK' | 'DENSE_RANK';
  readonly partition: readonly { readonly text: string; readonly role?: Role; readonly field: string }[];
  readonly order: readonly {
    readonly text: string;
    readonly descending: boolean;
    readonly nullsFirst: boolean;
    readonly field: string;
    /** The column whose total it is divided by. */
    readonly share?: string;
  }[];
  readonly at: Span;
}

/** A column that is read by its name, from records whose fields may be missing or be Dates. */
export function plainColumn(column: Column & { readonly role?: Role; readonly table?: string }): RelationColumn {
  const { name } = column;
  return { ...column, text: name, read: readingPaths((values: Values) => sqlValue(values[name]), [[name]]) };
}

/** Values of records as SQL has them: nothing is NULL, and a Date a number. */
export function sqlValue(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  return value instanceof Date ? Number(value) : value;
}

/** What names mean among the columns of a relation. `used` is told of each column that is read. */
export function scopeOf(relation: Relation, used?: (column: RelationColumn) => void): Scope {
  return {
    column: (reference) => {
      const { column, rest } = resolve(relation, reference);
      used?.(column);
      return fieldOf(compiledColumn(column), rest, reference);
    },
  };
}

/**
 * What names mean in what is computed of records before they are grouped or ranked. Of a tumbling window a record knows the bounds; of several
 * windows, or of a session, it does not.
 */
export function recordScope(relation: Relation): Scope {
  const scope = scopeOf(relation);
  const { windows } = relation;
  if (windows?.op !== 'pending' || windows.spec.kind === 'tumbling') return scope;
  return {
    column: (reference) => {
      const { name, role } = resolve(relation, reference).column;
      if (isBound(role))
        throw new SqlProblem(
          reference.at,
          `a record may be in several windows, so ${name} is that of a group here. Move the condition to HAVING, or compute before the groups: … FROM (SELECT *, ts - ${name} AS x FROM TABLE(…)) GROUP BY ….`,
        );
      return scope.column(reference);
    },
  };
}

export function compiledColumn({ type, nullable, read, text, name }: RelationColumn): Compiled {
  return { type, nullable, evaluate: read, text, isConstant: false, column: name };
}

function fieldOf(compiled: Compiled, path: readonly Name[], reference: ColumnReference): Compiled {
  let found = compiled;
  for (const name of path) found = memberOf(found, name, reference);
  return found;
}

/** `bid.price` of a column `bid`. */
function memberOf(of: Compiled, { text: name, at }: Name, reference: ColumnReference): Compiled {
  const { type, evaluate } = of;
  let field: { readonly name: string; readonly type: SqlType; readonly nullable: boolean } | undefined;
  if (type.kind === 'any') field = { name, type: anyType, nullable: true };
  else if (type.kind === 'row')
    field = type.fields.find((one) => one.name === name) ?? type.fields.find((one) => isSame(one.name, name));
  if (field === undefined) {
    const known = type.kind === 'row' ? type.fields.map((one) => one.name) : [];
    throw new SqlProblem(
      at,
      known.length === 0
        ? `${reference.path[0]?.text} is no row, so it has no field ${name}.`
        : `there is no field ${name}${didYouMean(name, known)} There are ${known.join(', ')}.`,
    );
  }
  const key = field.name;
  const path = partOf(evaluate);
  const read = (values: Values): unknown => {
    const row = evaluate(values);
    return typeof row === 'object' && row !== null ? sqlValue((row as Values)[key]) : null;
  };
  return {
    type: field.type,
    nullable: of.nullable || field.nullable,
    text: `${of.text}.${key}`,
    isConstant: false,
    evaluate: path === undefined ? read : readingPaths(read, [[...path, key]]),
    ...(of.column === undefined ? {} : { column: `${of.column}.${key}` }),
  };
}

/** Where the value lies that a column, or a field of one, shows as it is. Of columns alone a single path is known. */
function partOf(evaluate: Compiled['evaluate']): ReadPath | undefined {
  const { paths, through } = knownReadsOf(evaluate) ?? { paths: [], through: [] };
  return paths.length === 1 && through.length === 0 ? paths[0] : undefined;
}

/** The column that a reference begins with, and the fields that follow. */
export function resolve(
  relation: Relation,
  { path, at }: ColumnReference,
): { readonly column: RelationColumn; readonly rest: readonly Name[] } {
  const [first, second] = path as readonly [Name, Name | undefined];
  const { columns } = relation;
  if (second !== undefined && columns.some((column) => isOfTable(column, first.text))) {
    const ofTable = columns.filter((column) => isOfTable(column, first.text));
    const column = pick(ofTable, second) ?? openColumn(relation, second, first);
    if (column !== undefined) return { column, rest: path.slice(2) };
    throw unknownColumn(second, ofTable, ` in ${first.text}`);
  }
  const column =
    pick(
      columns.filter(({ isQualified }) => isQualified !== true),
      first,
    ) ??
    timeOf(relation, first) ??
    openColumn(relation, first);
  if (column !== undefined) return { column, rest: path.slice(1) };
  if (second !== undefined) {
    const tables = [...new Set(columns.flatMap(({ table }) => table ?? []))];
    throw new SqlProblem(
      at,
      `there is neither a table nor a column ${first.text} here${didYouMean(first.text, [...tables, ...columns.map(({ name }) => name)])} Tables: ${tables.join(', ') || 'none'}; columns: ${listOf(columns)}.`,
    );
  }
  throw unknownColumn(first, columns, '');
}

export function isOfTable({ table }: RelationColumn, name: string): boolean {
  return table !== undefined && isSame(table, name);
}

/** By its exact name, or by one that differs in the case alone. */
function pick(columns: readonly RelationColumn[], { text, at }: Name): RelationColumn | undefined {
  const exact = columns.filter(({ name }) => name === text);
  const found = exact.length > 0 ? exact : columns.filter(({ name }) => isSame(name, text));
  if (found.length > 1) {
    const forms = found.map(({ table, name }) => (table === undefined ? name : `${table}.${name}`));
    throw new SqlProblem(at, `${text} could be any of ${forms.join(', ')}. Write the table's name before it.`);
  }
  return found[0];
}

/** `rowtime` is the event time, whatever column has it. */
function timeOf({ columns }: Relation, { text }: Name): RelationColumn | undefined {
  return isSame(text, 'rowtime') ? columns.find(({ role }) => role === 'time') : undefined;
}

/** A column of a record whose columns are not all known. */
function openColumn({ isOpen, columns }: Relation, { text }: Name, table?: Name): RelationColumn | undefined {
  if (!isOpen) return undefined;
  // Of several tables it is not known which has it.
  const tables = new Set(columns.map((column) => column.table));
  if (tables.size > 1 && table === undefined) return undefined;
  return plainColumn({ name: text, type: anyType, nullable: true });
}

function unknownColumn({ text, at, isQuoted }: Name, columns: readonly RelationColumn[], where: string): SqlProblem {
  const known = columns.map(({ name }) => name);
  const advice = isQuoted === true ? ` A text stands in single quotes: '${text}'.` : '';
  const impure = impurity(text.toUpperCase());
  if (impure !== undefined) return new SqlProblem(at, impure);
  if (/^window$/i.test(text))
    return new SqlProblem(
      at,
      'there is no column window. A window is named by its bounds, window_start, window_end, which TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), …)) adds; beside GROUP BY TUMBLE(ts, …) it is TUMBLE(ts, …) here too.',
    );
  if (/^window_(start|end)$/i.test(text))
    return new SqlProblem(
      at,
      `there is no column ${text}: TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), …)) adds it. Beside GROUP BY TUMBLE(ts, …) write TUMBLE_${text.slice('window_'.length).toUpperCase()}(ts, …).`,
    );
  return new SqlProblem(
    at,
    `there is no column ${text}${where}${didYouMean(text, known)}${advice} There are ${listOf(columns)}.`,
  );
}

function listOf(columns: readonly RelationColumn[]): string {
  return columns.map(({ name }) => name).join(', ') || 'none';
}

/** The end of a sentence and, where there is one, advice. */
export function didYouMean(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return meant === undefined ? '.' : `. Did you mean ${meant}?`;
}

export function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** A column of a query's rows. */
export interface Selected {
  readonly name: string;
  readonly compiled: Compiled;
  /** Where its name stands. */
  readonly at?: Span;
  readonly role?: Role;
  /** It is computed of totals over all groups. */
  readonly isOfTotals?: true;
}

/** A relation whose columns are computed from another's: each record becomes one with these columns. */
export function selectedRelation(
  relation: Relation,
  selected: readonly Selected[],
  identity: string,
  hidden: readonly { readonly field: string; readonly compiled: Compiled }[] = [],
): Relation {
  const { windows, table: _table, ranking: _ranking, changes: _changes, ...rest } = relation;
  const columns = selected.map(({ name, compiled, role }): RelationColumn => {
    const column = { name, type: compiled.type, nullable: compiled.nullable, ...(role === undefined ? {} : { role }) };
    return { ...column, text: name, read: readingPaths((values: Values) => values[name] ?? null, [[name]]) };
  });
  const fields = [
    ...selected.map(({ name, compiled }) => [name, compiled.evaluate] as const),
    ...hidden.map(({ field, compiled }) => [field, compiled.evaluate] as const),
  ];
  const isPending = windows?.op === 'pending';
  // The window goes along whether it is selected or not.
  if (isPending) fields.push([timeField, windows.readTime]);
  else if (windows !== undefined)
    for (const field of [startField, endField])
      fields.push([field, readingPaths((values: Values) => values[field], [[field]])]);
  const project = (values: Values): Values => {
    const projected: Record<string, unknown> = {};
    for (let index = 0; index < fields.length; index += 1) {
      const [name, evaluate] = fields[index] as (typeof fields)[number];
      projected[name] = evaluate(values);
    }
    return projected;
  };
  return {
    ...rest,
    columns,
    isOpen: false,
    identity,
    baseIdentity: identity,
    ...(windows === undefined ? {} : { windows }),
    ...(isPending
      ? {
          windows: {
            ...windows,
            readTime: readingPaths((values: Values) => values[timeField] as number, [[timeField]]),
            partition: windows.partition.map((text) => selected.find(({ compiled }) => compiled.text === text)?.name),
          },
        }
      : {}),
    stream: once(() =>
      relation.stream().map(
        readingThrough(
          project,
          fields.flatMap(([, evaluate]) => (partOf(evaluate) === undefined ? [evaluate] : [])),
          new Map(
            fields.flatMap(([name, evaluate]) => {
              const part = partOf(evaluate);
              return part === undefined ? [] : [[name, part] as const];
            }),
          ),
        ),
      ),
    ),
  };
}

/** Where a record has its event time once its columns are others. */
const timeField = '#time';
/** Where a row has the bounds of its window, in milliseconds. */
export const startField = '#window_start';
export const endField = '#window_end';

/** How the bounds of its window are read off a row. */
export const readBound: Readonly<Record<BoundRole, (values: Values) => number>> = {
  'window-start': (values) => values[startField] as number,
  'window-end': (values) => values[endField] as number,
  'window-time': (values) => (values[endField] as number) - 1,
};

/** The window columns that a table function adds. */
export function windowColumns(readerOf: (role: BoundRole) => RelationColumn['read']): readonly RelationColumn[] {
  return (
    [
      ['window_start', 'window-start'],
      ['window_end', 'window-end'],
      ['window_time', 'window-time'],
    ] as const
  ).map(([name, role]) => ({
    name,
    role,
    type: timestampType,
    nullable: false,
    text: name,
    read: readerOf(role),
  }));
}

/** The relation under another name. */
export function aliased(relation: Relation, table: string | undefined): Relation {
  if (table === undefined) return relation;
  return { ...relation, columns: relation.columns.map((column) => ({ ...column, table })) };
}

/** What is made once, when it is first asked for. */
export function once<Args extends readonly unknown[], T>(make: (...args: Args) => T): (...args: Args) => T {
  let made: { readonly value: T } | undefined;
  return (...args) => {
    made ??= { value: make(...args) };
    return made.value;
  };
}
