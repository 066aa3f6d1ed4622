import { milliseconds } from '#shared/pipeline/duration.ts';
import { joinTimeColumns } from '#shared/pipeline/join.ts';
import type { KeyedStream, KeyShape, Stream } from '#shared/pipeline/stream.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { Compiled, Values } from '#shared/sql/expressions/compiled.ts';
import { compileExpression } from '#shared/sql/expressions/expression.ts';
import { alike, condition } from '#shared/sql/expressions/operators.ts';
import { commonType } from '#shared/sql/expressions/types.ts';
import type { Expression, From, Join } from '#shared/sql/parse/ast.ts';
import { freeName, isColumnName } from '#shared/sql/parse/names.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import { conjunctsOf } from '#shared/sql/parse/walk.ts';
import { type PlanQuery, planFrom } from './from.ts';
import { roleOf } from './group-keys.ts';
import { type JoinCondition, readCondition, type Side } from './join-condition.ts';
import type { Environment } from './plan.ts';
import {
  endField,
  isOfTable,
  isSame,
  once,
  type Relation,
  type RelationColumn,
  resolve,
  scopeOf,
  sqlValue,
  startField,
} from './relation.ts';
import { type BuiltTable, refuseNumbers, type StepTable } from './step-table.ts';
import { expanded } from './windows.ts';

interface JoinSide {
  readonly relation: Relation;
  readonly columns: readonly (RelationColumn & { readonly field: string })[];
}

/** Two relations that are joined by equal columns and by nearness in event time, or by their windows. */
export function planJoin(
  join: Join,
  where: readonly Expression[],
  env: Environment,
  planQuery: PlanQuery,
): { readonly relation: Relation; readonly where: readonly Expression[] } {
  // What a right join keeps is a left join's with the sides exchanged; the columns stay where they were written.
  const isRight = join.kind === 'right';
  const kind = join.kind === 'right' ? 'left' : join.kind;
  const other = isRight ? join.left : join.right;
  const asOf = other.op === 'table' && other.asOf !== undefined;
  const taken = new Set<string>([...joinTimeColumns, 'time', 'tabletime'].map((name) => name.toLowerCase()));
  const first = sideOf(join.left, { env, planQuery, taken });
  const second = sideOf(join.right, { env, planQuery, taken });
  checkTables(first, second, join.right.at);
  const [left, right] = isRight ? [second, first] : [first, second];
  const used = new Set<string>();
  const sides = new Map<RelationColumn, Side>();
  const columns = columnsOfRow(join, [first, second], (column, side) => {
    const made = tracked(column, used, kind !== 'inner');
    sides.set(made, side === left ? 'left' : 'right');
    return made;
  });
  // A column of USING is on both sides.
  const sideOfColumn = (column: RelationColumn): Side => sides.get(column) ?? 'left';
  const combined: Relation = { ...left.relation, columns, isOpen: false };
  if (left.relation.isOpen || right.relation.isOpen)
    throw new SqlProblem(
      join.at,
      'the columns of a joined stream must be known. Select them by name first: JOIN (SELECT a, b FROM t) AS x ON ….',
    );
  // In an inner join it is the same whether a condition stands in ON or in WHERE. Which version is valid is said by ON alone.
  const takesWhere = kind === 'inner' && !asOf;
  const written = [...conjunctsOf(join.on), ...usingOf(join, left, right), ...(takesWhere ? where : [])];
  const conditions = written.flatMap((part) =>
    readCondition(part, combined, sideOfColumn).map(
      (one): JoinCondition =>
        // A version that does not fulfil it is valid all the same, and not the one before it.
        asOf && one.op === 'side' && one.side === 'right' ? { op: 'rest', expression: one.expression } : one,
    ),
  );
  const parts = partsOf(conditions, { left, right, join, kind, asOf });
  const table: StepTable = {
    build: (name) => build(name, { left, right, kind, used, asOf }, parts),
    unpack: ({ columns: values }) => [parts.isWindowed ? withWindow(values, parts.windowFields) : values],
    bucketMs: parts.bucketMs,
    isUpdating: false,
    totals: () => [],
    allowedLatenessMs: 0,
  };
  const identity = `join ${kind} (${left.relation.identity}) (${right.relation.identity}) ${JSON.stringify([
    asOf,
    columns.map(({ text }) => text),
    parts.keys.map((key) => [key.left.text, key.right.text]),
    parts.leftOnly.map(({ text }) => text),
    parts.rightOnly.map(({ text }) => text),
    parts.lowerMs,
    parts.upperMs,
  ])}`;
  const name = once(() => env.stepNamed('join'));
  const relation: Relation = {
    // The event time of a joined row is the later one of both, which is no column's.
    columns: columnsOfRow(join, [first, second], (column, side) =>
      tracked(withoutTime(column, kind === 'full' || (kind === 'left' && side === right)), used, kind !== 'inner'),
    ),
    isOpen: false,
    identity,
    baseIdentity: identity,
    allowedLatenessMs: 0,
    table,
    ...(parts.bucketMs === undefined ? {} : { windows: { op: 'rows', bucketMs: parts.bucketMs } }),
    stream: once(() => {
      const rows = table.build(name(), 'on-close').asStream?.() as unknown as Stream<Values>;
      return rows.flatMap((row) => table.unpack({ columns: row, windowStartMs: 0, windowEndMs: 0, totals: undefined }));
    }),
  };
  // A bound on one side alone makes no interval: it is a condition like others.
  const rest = conditions.flatMap((one) =>
    one.op === 'rest' || (one.op === 'bound' && !parts.isBounded) ? [one.expression] : [],
  );
  return { relation, where: [...new Set([...rest, ...(takesWhere ? [] : where)])] };
}

function sideOf(
  from: From,
  { env, planQuery, taken }: { readonly env: Environment; readonly planQuery: PlanQuery; readonly taken: Set<string> },
): JoinSide {
  const table = from.op === 'table' && from.asOf !== undefined ? { ...from, asOf: undefined } : from;
  const { relation: found } = planFrom(table as From, [], env, planQuery);
  refuseNumbers(found.ranking);
  const relation = expanded(found, from.at);
  const columns = relation.columns.map((column) => {
    const wanted = isColumnName(column.name) ? column.name : 'column_of';
    const field = freeName(wanted, taken);
    taken.add(field.toLowerCase());
    return { ...column, field };
  });
  return { relation, columns };
}

/** Which of two tables of one name is meant cannot be said. */
function checkTables(first: JoinSide, second: JoinSide, at: Span): void {
  const tables = first.columns.flatMap(({ table }) => table ?? []);
  const name = tables.find((table) => second.columns.some((column) => isOfTable(column, table)));
  if (name !== undefined)
    throw new SqlProblem(at, `there are two tables ${name} here. Give one another name: … JOIN t AS other ON ….`);
}

/** A bound of a side that may be missing is NULL then, so it is none of the row's window. */
function withoutTime(
  { role, ...column }: JoinSide['columns'][number],
  mayBeMissing: boolean,
): JoinSide['columns'][number] {
  return role === undefined || role === 'time' || mayBeMissing ? column : { ...column, role };
}

/** The column as the joined row has it. Reading it is noticed, since only what is read crosses the exchange. */
function tracked(
  { field, name, table, type, nullable, role, isQualified }: RelationColumn & { readonly field: string },
  used: Set<string>,
  mayBeMissing: boolean,
): RelationColumn {
  const read = (values: Values): unknown => sqlValue(values[field]);
  return {
    name,
    type,
    nullable: nullable || mayBeMissing,
    text: table === undefined ? field : `${table}.${name}`,
    ...(table === undefined ? {} : { table }),
    ...(role === undefined ? {} : { role }),
    ...(isQualified === undefined ? {} : { isQualified }),
    get read() {
      used.add(field);
      return read;
    },
  };
}

/** A column of USING is one column of the row; those of the sides are named behind their tables only. */
function columnsOfRow(
  { using }: Join,
  sides: readonly [JoinSide, JoinSide],
  columnOf: (column: JoinSide['columns'][number], side: JoinSide) => RelationColumn,
): readonly RelationColumn[] {
  const isUsed = ({ name }: RelationColumn): boolean => using.some(({ text }) => isSame(name, text));
  const columns = sides.flatMap((side) =>
    side.columns.map((column) => columnOf(isUsed(column) ? { ...column, isQualified: true } : column, side)),
  );
  const merged = using.map(({ text }) => {
    const [first, second] = columns.filter(({ name }) => isSame(name, text)) as [RelationColumn, RelationColumn];
    const [role, other] = sides.map((side) => side.columns.find(({ name }) => isSame(name, text))?.role);
    return eitherOf(first, second, role === other && role !== 'time' ? role : undefined);
  });
  return [...merged, ...columns];
}

/** The first that is not NULL: of an outer join one side may be missing. */
function eitherOf(first: RelationColumn, second: RelationColumn, role: RelationColumn['role']): RelationColumn {
  return {
    name: first.name,
    type: commonType(first.type, second.type) ?? first.type,
    nullable: first.nullable && second.nullable,
    text: `${first.text} or ${second.text}`,
    ...(role === undefined ? {} : { role }),
    get read() {
      const [a, b] = [first.read, second.read];
      return (values: Values) => a(values) ?? b(values);
    },
  };
}

function usingOf({ using }: Join, left: JoinSide, right: JoinSide): readonly Expression[] {
  return using.map(({ text, at }) => {
    const of = (side: JoinSide): Expression => {
      const { column } = resolve(side.relation, { op: 'column', path: [{ text, at }], at });
      const path = [...(column.table === undefined ? [] : [{ text: column.table, at }]), { text: column.name, at }];
      return { op: 'column', path, at };
    };
    return { op: 'binary', sign: '=', left: of(left), right: of(right), signAt: at, at };
  });
}

interface Parts {
  readonly keys: readonly { readonly left: Compiled; readonly right: Compiled }[];
  readonly leftOnly: readonly Compiled[];
  readonly rightOnly: readonly Compiled[];
  readonly lowerMs: number;
  readonly upperMs: number;
  /** Records meet within an interval of each other's event time, or in a window. */
  readonly isBounded: boolean;
  readonly isWindowed: boolean;
  readonly windowFields: readonly (readonly [start: string, end: string])[];
  readonly bucketMs: number | undefined;
}

interface Sides {
  readonly left: JoinSide;
  readonly right: JoinSide;
  readonly kind: 'inner' | 'left' | 'right' | 'full';
  readonly asOf: boolean;
}

const advice = "Write … JOIN b ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '5' MINUTE";

function partsOf(
  conditions: readonly JoinCondition[],
  { left, right, join, kind, asOf }: Sides & { readonly join: Join },
): Parts {
  const leftScope = scopeOf(left.relation);
  const rightScope = scopeOf(right.relation);
  const keys: { left: Compiled; right: Compiled }[] = [];
  const equated = new Set<string>();
  let lowerMs = Number.NEGATIVE_INFINITY;
  let upperMs = Number.POSITIVE_INFINITY;
  const only: Record<Side, Compiled[]> = { left: [], right: [] };
  for (const one of conditions) {
    switch (one.op) {
      case 'equal': {
        const [a, b] = alike(compileExpression(one.left, leftScope), compileExpression(one.right, rightScope), one.at);
        keys.push({ left: a, right: b });
        const roles = [roleOf(one.left, left.relation), roleOf(one.right, right.relation)];
        if (roles[0] !== undefined && roles[0] === roles[1]) equated.add(roles[0]);
        break;
      }
      case 'bound':
        lowerMs = Math.max(lowerMs, one.lowerMs ?? Number.NEGATIVE_INFINITY);
        upperMs = Math.min(upperMs, one.upperMs ?? Number.POSITIVE_INFINITY);
        break;
      case 'side':
        only[one.side].push(
          condition(compileExpression(one.expression, one.side === 'left' ? leftScope : rightScope), one.expression.at),
        );
        break;
      case 'rest':
        if (kind !== 'inner')
          throw new SqlProblem(
            one.expression.at,
            'in an outer join ON has equal columns, bounds of the event times, and conditions on one side. Another condition on both sides makes no row that stands alone; move it to WHERE, or join inner.',
          );
        break;
    }
  }
  if (keys.length === 0)
    throw new SqlProblem(
      join.on?.at ?? join.at,
      `a join needs a column of one side that equals one of the other: it says where records meet. ${advice}.`,
    );
  if (asOf && (Number.isFinite(lowerMs) || Number.isFinite(upperMs)))
    throw new SqlProblem(
      join.on?.at ?? join.at,
      'FOR SYSTEM_TIME AS OF says which version is meant, so ON compares no times. Leave them out.',
    );
  const windowed = windowBounds(left, right, equated);
  lowerMs = Math.max(lowerMs, windowed?.lowerMs ?? lowerMs);
  upperMs = Math.min(upperMs, windowed?.upperMs ?? upperMs);
  if (lowerMs > upperMs)
    throw new SqlProblem(
      join.on?.at ?? join.at,
      `no two times fulfil these bounds: the second must be at least ${lowerMs} ms and at most ${upperMs} ms behind the first.`,
    );
  const isBounded = Number.isFinite(lowerMs) && Number.isFinite(upperMs);
  if (!isBounded && kind !== 'inner' && !asOf)
    throw new SqlProblem(
      join.on?.at ?? join.at,
      `an outer join says for how long a partner is waited for. ${advice}, or equate window_start and window_end of both sides.`,
    );
  return {
    keys,
    leftOnly: only.left,
    rightOnly: only.right,
    // Without both bounds a record joins any of the other side, whenever it comes.
    lowerMs: isBounded ? lowerMs : -endOfStreamMs,
    upperMs: isBounded ? upperMs : endOfStreamMs,
    isBounded,
    isWindowed: windowed !== undefined,
    windowFields:
      windowed === undefined
        ? []
        : [left, right].map((side) => [fieldOf(side, 'window-start'), fieldOf(side, 'window-end')]),
    bucketMs: windowed?.bucketMs,
  };
}

function fieldOf({ columns }: JoinSide, role: RelationColumn['role']): string {
  return columns.find((column) => column.role === role)?.field ?? '';
}

/** Sides whose windows are equated meet in a window: then their event times are no further apart than it is long. */
function windowBounds(
  left: JoinSide,
  right: JoinSide,
  equated: ReadonlySet<string>,
): { readonly lowerMs: number; readonly upperMs: number; readonly bucketMs: number | undefined } | undefined {
  if (!equated.has('window-start') || !equated.has('window-end')) return undefined;
  const [a, b] = [left.relation.windows, right.relation.windows];
  if (a?.op === 'rows' && b?.op === 'rows')
    return { lowerMs: 0, upperMs: 0, bucketMs: Math.min(a.bucketMs, b.bucketMs) };
  const sizeMs = Math.max(left.relation.spanMs ?? 0, right.relation.spanMs ?? 0);
  const isTumbling = left.relation.isTumbling === true && right.relation.isTumbling === true;
  return { lowerMs: 1 - sizeMs, upperMs: sizeMs - 1, bucketMs: isTumbling ? sizeMs : undefined };
}

function withWindow(values: Values, fields: Parts['windowFields']): Values {
  const [start, end] = fields.find(([first]) => values[first] !== null && values[first] !== undefined) ??
    fields[0] ?? ['', ''];
  return { ...values, [startField]: values[start], [endField]: values[end] };
}

/** Records that no other can join: a value of their key is NULL, or a condition on their side does not hold. */
const aloneColumn = 'alone';

function build(
  name: string,
  { left, right, kind, used, asOf }: Sides & { readonly used: Set<string> },
  parts: Parts,
): BuiltTable {
  for (const field of parts.windowFields.flat()) used.add(field);
  const keepsLeft = kind !== 'inner';
  const keepsRight = kind === 'full';
  const a = keyed(
    left,
    parts.keys.map((key) => key.left),
    { only: parts.leftOnly, keeps: keepsLeft, side: 'left' },
  );
  const b = keyed(
    right,
    parts.keys.map((key) => key.right),
    { only: parts.rightOnly, keeps: keepsRight, side: 'right' },
  );
  const columns = { left: selectorsOf(left, used), right: selectorsOf(right, used) };
  const allowedLateness = milliseconds(Math.max(left.relation.allowedLatenessMs, right.relation.allowedLatenessMs));
  if (asOf)
    return a
      .joinTable(b, { kind: kind === 'inner' ? 'inner' : 'left', allowedLateness })
      .select(name, columns) as unknown as BuiltTable;
  if (!parts.isBounded) return a.join(b, { within: 'ever' }).select(name, columns) as unknown as BuiltTable;
  const within = [milliseconds(parts.lowerMs), milliseconds(parts.upperMs)] as const;
  return a
    .join(b, { within, kind: kind === 'right' ? 'left' : kind, allowedLateness })
    .select(name, columns) as unknown as BuiltTable;
}

function selectorsOf({ columns }: JoinSide, used: ReadonlySet<string>): Record<string, (values: Values) => never> {
  return Object.fromEntries(
    columns.filter(({ field }) => used.has(field)).map(({ field, read }) => [field, read as (values: Values) => never]),
  );
}

function keyed(
  { relation }: JoinSide,
  keys: readonly Compiled[],
  { only, keeps, side }: { readonly only: readonly Compiled[]; readonly keeps: boolean; readonly side: Side },
): KeyedStream<Values, KeyShape> {
  const joins = (values: Values): boolean =>
    keys.every((key) => key.evaluate(values) !== null) && only.every((one) => one.evaluate(values) === true);
  const stream = keeps ? relation.stream() : relation.stream().filter(joins);
  return stream.keyBy((values): Record<string, string> => {
    if (keeps && !joins(values)) return { [aloneColumn]: side };
    return Object.fromEntries(keys.map((key, index) => [`key_${index + 1}`, key.evaluate(values) as string]));
  }) as unknown as KeyedStream<Values, KeyShape>;
}
